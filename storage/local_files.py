"""Files that are seen whole or not at all: created once, replaced on condition, locked by their folder."""

import errno
import hashlib
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from prefect_octopusx.storage.errors import DestinationError, RecordConflict

if sys.platform != "win32":
    import fcntl

__all__ = [
    "create",
    "drop_part",
    "exists",
    "explaining",
    "new_part",
    "now_at",
    "opened_folder",
    "overwrite",
    "read",
    "remove_parts",
    "replace",
    "version_of",
]

_MEETINGS = 1000
"""Times that others may remove a folder under our hands."""
_WAYS_ON = {
    errno.ENOSPC: "the disk is full. Free some space, or choose another folder",
    errno.EDQUOT: "the disk quota is used up. Free some space, or choose another folder",
    errno.EACCES: "permission is missing. Let the worker's user read and write there, or choose another folder",
    errno.EPERM: "this is not permitted. Check the owner, and that the file system has hard links",
    errno.EROFS: "the file system is read-only. Choose another folder",
    errno.ENOTDIR: "a part of this path is a file, not a folder. Move it away, or choose another folder",
    errno.EEXIST: "a part of this path is a file, not a folder. Move it away, or choose another folder",
    errno.EISDIR: "a folder lies where the file belongs. Move it away, or choose another name",
    errno.EBADF: "the file system has no locks for folders. Choose a folder on a local disk",
    errno.ENOLCK: "the file system has no locks. Choose a folder on a local disk",
}


def version_of(data: bytes) -> str:
    """Return what a later change of a file with this content is conditional on."""
    return hashlib.sha256(data).hexdigest()


def read(path: Path) -> tuple[bytes, float] | None:
    """Return a file's bytes and its age in seconds, None where there is none."""
    with explaining(path):
        try:
            with path.open("rb") as file:
                age = now_at(path.parent) - os.fstat(file.fileno()).st_mtime
                return file.read(), max(0.0, age)
        except FileNotFoundError:
            return None


def now_at(folder: Path) -> float:
    """Return the time by the clock of whoever keeps this folder: that of a file server may differ from ours."""
    with suppress(OSError):  # who may only look sees an older time, and so takes nobody for dead
        os.utime(folder)
    return folder.stat().st_mtime


def exists(path: Path) -> bool:
    """Tell whether anything lies there, a broken link included."""
    with explaining(path):
        try:
            path.lstat()
        except FileNotFoundError:
            return False
        return True


def create(path: Path, data: bytes) -> None:
    """Write a new file, down to the disk. Whoever looks sees all of it or nothing.

    Raises:
        RecordConflict: There is one with another content.
    """
    with explaining(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked_folder(path.parent) as folder, _written(path, data) as part:
            try:
                os.link(part, path)  # refuses if there is one, also where locks don't reach other machines
            except FileExistsError:
                if path.read_bytes() != data:
                    raise RecordConflict(f"{path} exists: somebody else wrote it first. Read it again.") from None
            os.fsync(folder)


def replace(path: Path, version: str, data: bytes) -> None:
    """Write another content into a file of this version, down to the disk.

    Raises:
        RecordConflict: It has another version by now, or is gone.
    """
    with explaining(path):
        try:
            with _locked_folder(path.parent) as folder:
                if version_of(stored := path.read_bytes()) != version and stored != data:
                    raise RecordConflict(f"{path} was changed by somebody else meanwhile. Read it again.")
                with _written(path, data) as part:
                    part.replace(path)
                    os.fsync(folder)
        except FileNotFoundError:
            raise RecordConflict(f"{path} is gone: somebody else removed it meanwhile. Read it again.") from None


def overwrite(path: Path, data: bytes) -> None:
    """Write a file, whole and down to the disk, whatever lay there."""
    with explaining(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _written(path, data) as part:
            part.replace(path)
            with opened_folder(path.parent) as folder:
                os.fsync(folder)


def new_part(path: Path) -> tuple[Path, BinaryIO]:
    """Open a new file that is to become `path`: in a hidden folder of its own, so that what is left is found."""
    parts = _parts(path)
    for left in reversed(range(_MEETINGS)):
        part = parts / secrets.token_hex(8)
        try:
            parts.mkdir(parents=True, exist_ok=True)
            return part, part.open("xb")
        except (FileNotFoundError, FileExistsError):  # somebody removed the empty folder just now, or it can't be made
            if not left:
                raise
    raise AssertionError  # the last try returns or raises


def drop_part(part: Path) -> None:
    """Remove a part, unless it was renamed, and its folder if it was the last one."""
    part.unlink(missing_ok=True)
    with suppress(OSError):
        part.parent.rmdir()


def remove_parts(path: Path) -> None:
    """Remove what broken writes of `path` left."""
    parts = _parts(path)
    with explaining(path), suppress(FileNotFoundError):
        for part in parts.iterdir():
            part.unlink(missing_ok=True)
        with suppress(OSError):  # somebody begins another one just now
            parts.rmdir()


def _parts(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


@contextmanager
def _locked_folder(path: Path) -> Iterator[int]:
    """Open a folder and hold its lock; a lock on a file in it would be another one after each rename."""
    with opened_folder(path) as folder:
        if sys.platform != "win32":
            fcntl.flock(folder, fcntl.LOCK_EX)  # closing the folder lets it go
        yield folder


@contextmanager
def opened_folder(path: Path) -> Iterator[int]:
    """Open a folder, to write its entries down to the disk."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield folder
    finally:
        os.close(folder)


@contextmanager
def _written(path: Path, data: bytes) -> Iterator[Path]:
    """Write `data`, down to the disk, into a part of `path`; it is gone afterwards, unless renamed."""
    part, file = new_part(path)
    try:
        with file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield part
    finally:
        drop_part(part)


@contextmanager
def explaining(path: Path) -> Iterator[None]:
    """Turn what the system says into a `DestinationError` that names the path and the way on."""
    try:
        yield
    except OSError as error:
        reason = _WAYS_ON.get(error.errno or 0, f"{error.strerror or error}. Check the folder")
        raise DestinationError(f"{path} can't be used: {reason}.") from error
