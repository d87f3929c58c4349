"""A folder, tried with the very steps that storing a video takes, under names of its own."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from prefect_octopusx.doctor.findings import Finding, failed, ok, together, warning
from prefect_octopusx.doctor.places import Place
from prefect_octopusx.storage import LocalStore, RecordConflict
from prefect_octopusx.storage.local_files import create, explaining, overwrite, read, replace, version_of

__all__ = ["Folder", "mount_of"]

_DATA = b"Written by prefect_octopusx.doctor; it removes this again.\n"
_GIB = 2**30
_PASSING_KINDS = {"tmpfs", "ramfs", "overlay"}
"""File systems that go with the machine's memory, or with a container."""


class Folder(Place):
    """A folder. What is written lies in `.doctor-…` in it and is removed, with all folders that were made for it.

    Args:
        folder: As it was given: it may be relative.
        mounts: The table of what is mounted, as Linux keeps it.
    """

    kind = "folder"

    def __init__(self, folder: Path, mounts: Path = Path("/proc/mounts")) -> None:
        self._given = folder
        self._folder = LocalStore(folder).folder
        self.address = str(self._folder)
        self.own = f"{self._folder}/.doctor-…"
        self._mounts = mounts

    def write(self) -> Finding:
        """Write, read and remove a file."""
        with self._own() as own:
            path = own / "write"
            overwrite(path, _DATA)
            found = read(path)
        if found is None or found[0] != _DATA:
            return failed("what is read is not what was written", "Choose a folder on a local disk")
        return ok("a file was written, read and removed")

    def conditions(self) -> Finding:
        """Create what is there already, and change another version of it: by hard links and locks."""
        with self._own() as own:
            path = own / "conditions"
            create(path, _DATA)
            if not (_refused(create, path, b"another") and _refused(replace, path, version_of(b""), b"another")):
                return failed(
                    f"{self._folder} lets a claim be written twice: two runs could both pay",
                    "Choose a folder on a local disk, or a bucket",
                )
        return ok("a second create was refused, and a change of another version")

    def space(self) -> Finding:
        """Look at the room on the disk: a video has some 10 to 100 MB."""
        with explaining(self._folder):
            free = shutil.disk_usage(_existing(self._folder)).free
        told = f"{free / _GIB:,.1f} GiB free"
        if free < _GIB / 4:
            return failed(f"{told} at {self._folder}", "Free some space, or choose another folder")
        if free < 2 * _GIB:
            return warning(f"{told} at {self._folder}", "Free some space, or choose another folder")
        return ok(told)

    def lasts(self) -> Finding:
        """Tell whether the next process finds the records again."""
        mend = "Give an absolute path on a disk that lasts and that all workers share, or a bucket"
        found = []
        if not self._given.expanduser().is_absolute():
            found.append(warning(f"{self._given} is relative to where each run starts (here {self._folder})", mend))
        real = self._folder.resolve()
        if any(real.is_relative_to(Path(place).resolve()) for place in {tempfile.gettempdir(), "/tmp", "/var/tmp"}):  # noqa: S108 - to be told
            found.append(warning(f"{self._folder} is a temporary folder, which is cleared at times", mend))
        elif (kind := mount_of(real, self._mounts)) in _PASSING_KINDS:
            found.append(warning(f"{self._folder} is on {kind}, which goes with this container or machine", mend))
        return together(found, well=f"{self._folder} is absolute, and on a disk")

    @contextmanager
    def _own(self) -> Iterator[Path]:
        """Make a folder of our own; at the end remove it, and all that was made above it."""
        own = self._folder / f".doctor-{token_hex(8)}"
        kept = _existing(own)
        with explaining(own):
            own.mkdir(parents=True)
        try:
            yield own
        finally:
            shutil.rmtree(own, ignore_errors=True)
            for folder in own.parents:
                if folder == kept:
                    break
                with suppress(OSError):  # somebody else uses it by now
                    folder.rmdir()


def _refused(change: Callable[..., None], *args: object) -> bool:
    try:
        change(*args)
    except RecordConflict:
        return True
    return False


def _existing(path: Path) -> Path:
    """Return the path, or the nearest folder above it that is there."""
    return next(place for place in (path, *path.parents) if os.path.lexists(place))


def mount_of(path: Path, mounts: Path) -> str | None:
    """Return the kind of file system that a path is on; None where the machine does not tell."""
    if sys.platform != "linux":
        return None
    try:
        lines = [line.split() for line in mounts.read_text("utf-8").splitlines()]
    except OSError:
        return None
    places = [(Path(cells[1].replace("\\040", " ")), cells[2]) for cells in lines if len(cells) > 2]
    on = [(len(place.parts), kind) for place, kind in places if path.is_relative_to(place)]
    return max(on, key=lambda found: found[0])[1] if on else None
