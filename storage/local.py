"""Videos in a folder: the same promises as a bucket, by hard links, a lock and renames.

As in a bucket, to write the very same record again is no conflict: the caller may not have learnt that it was written.
"""

import asyncio
import hashlib
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Literal, get_args

from prefect_octopusx.storage.errors import DestinationError
from prefect_octopusx.storage.links import Link, check_public_base_url, public_link
from prefect_octopusx.storage.local_files import (
    create,
    drop_part,
    exists,
    explaining,
    new_part,
    now_at,
    opened_folder,
    overwrite,
    read,
    remove_parts,
    replace,
    version_of,
)
from prefect_octopusx.storage.names import check_name, is_claim
from prefect_octopusx.storage.records import VideoRecord
from prefect_octopusx.storage.store import Entry, Mark, Suffix, VideoStore, VideoWriter
from prefect_octopusx.storage.threads import in_thread, to_the_end

__all__ = ["LocalStore"]

_BATCH = 1024 * 1024  # bytes that are gathered before a thread is asked to write them


class LocalStore(VideoStore):
    """A folder of videos, made on first use.

    Several processes may share it. Several machines may, where the file system has hard links and locks for all.

    Args:
        folder: Where; `~` is the home folder, a relative path counts from the current one.
        public_base_url: The address under which everybody can read what lies in the folder; links are made with it.
        poster: Whether each video is to have a poster, `NAME.jpg`.
        player: Whether each video is to have a page that plays it, `NAME.html`.

    Raises:
        DestinationError: The system is Windows, or `~` leads nowhere.
        ValueError: `public_base_url` is no plain address.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        public_base_url: str | None = None,
        poster: bool = True,
        player: bool = False,
    ) -> None:
        self.poster = poster
        self.player = player
        self._public = check_public_base_url(public_base_url) if public_base_url is not None else None
        if sys.platform == "win32":
            raise DestinationError(
                f"The folder {os.fspath(folder)!r} can't be used on Windows, which lacks the locks and renames that "
                "keep records whole. Use a bucket, or WSL."
            )
        try:
            expanded = Path(folder).expanduser()
        except RuntimeError:
            raise DestinationError(
                f"The folder {os.fspath(folder)!r} can't be found: there is no such home folder. Give a whole path."
            ) from None
        self.folder = Path(os.path.abspath(expanded))  # noqa: PTH100 - without following links, unlike `resolve`

    def uri(self, name: str, suffix: Suffix = ".mp4") -> str:
        """Return the absolute path of the video."""
        return str(self._path(name, suffix))

    async def read(self, name: str) -> Entry | None:
        """Return the record, or None where there is none."""
        path = self._record(name)
        found = await asyncio.to_thread(read, path)
        if found is None:
            return None
        data, age = found
        return Entry(VideoRecord.from_json(data, where=str(path), name=check_name(name)), version_of(data), age)

    async def create(self, record: VideoRecord) -> Entry:
        """Write the first record of a name, atomically."""
        data = record.to_json()
        await asyncio.to_thread(create, self._record(record.name), data)
        return Entry(record, version_of(data))

    async def replace(self, entry: Entry, record: VideoRecord) -> Entry:
        """Write `record` in place of `entry`, if nobody changed it in between."""
        data = record.to_json()
        await asyncio.to_thread(replace, self._record(record.name), entry.version, data)
        return Entry(record, version_of(data))

    async def has_video(self, name: str) -> bool:
        """Tell whether anything lies under the video's name."""
        return await asyncio.to_thread(exists, self._video(name))

    async def digest(self, name: str) -> tuple[int, str]:
        """Read the stored video; return its length in bytes and its SHA-256 in hex."""
        return await asyncio.to_thread(_digest, self._video(name))

    async def mark(self, name: str, claim: str) -> None:
        """Enter a claim into the index: a file named by the claim, which holds the name."""
        await asyncio.to_thread(_mark, self._index / claim, check_name(name))

    async def unmark(self, name: str, claim: str) -> None:
        """Remove a claim from the index."""
        del name
        await asyncio.to_thread(_unmark, self._index / claim)

    async def pending(self) -> AsyncIterator[Mark]:
        """Read the index, oldest first."""
        for mark in await asyncio.to_thread(_marks, self._index):
            yield mark

    async def sweep(self, name: str) -> None:
        """Remove the part files of the video and of what lies beside it."""
        for suffix in get_args(Suffix):
            await asyncio.to_thread(remove_parts, self._path(name, suffix))

    async def read_file(self, name: str) -> bytes | None:
        """Return a file that lies beside the videos, None where there is none."""
        found = await asyncio.to_thread(read, self.folder / check_name(name))
        return found[0] if found else None

    async def write_file(self, name: str, data: bytes) -> str:
        """Write such a file, whole, in place of an earlier one; return its path."""
        path = self.folder / check_name(name)
        await asyncio.to_thread(overwrite, path, data)
        return str(path)

    def open(self, name: str, suffix: Suffix = ".mp4") -> BinaryIO | None:
        """Open the video, or what lies beside it; None if it is not there. Blocks."""
        path = self._path(name, suffix)
        with explaining(path):
            try:
                return path.open("rb")
            except FileNotFoundError:
                return None

    async def write_beside(self, name: str, suffix: Literal[".jpg", ".html"], data: bytes) -> None:
        """Write what lies beside a video, whole, in place of an earlier one."""
        await asyncio.to_thread(overwrite, self._path(name, suffix), data)

    async def link(self, name: str, suffix: Suffix = ".mp4") -> Link | None:
        """Return the public address; None without `public_base_url`."""
        return public_link(self._public, f"{check_name(name)}{suffix}") if self._public else None

    @asynccontextmanager
    async def writer(self, name: str) -> AsyncIterator[VideoWriter]:
        """Open the video for writing, into a hidden file beside it."""
        writer = _LocalWriter(self._video(name))
        try:
            await to_the_end(in_thread(writer.open))
            yield writer
        finally:
            await to_the_end(in_thread(writer.discard))

    def _video(self, name: str) -> Path:
        return self._path(name, ".mp4")

    def _record(self, name: str) -> Path:
        return self._path(name, ".json")

    def _path(self, name: str, suffix: Suffix) -> Path:
        return self.folder / f"{check_name(name)}{suffix}"

    @property
    def _index(self) -> Path:
        return self.folder / ".pending"


class _LocalWriter:
    """A video on its way into a folder. Every step in a thread is awaited to its end, so no two ever overlap."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part: Path | None = None
        self._file: BinaryIO | None = None
        self._batch = bytearray()

    async def write(self, data: bytes) -> None:
        self._batch += data
        if len(self._batch) >= _BATCH:
            batch, self._batch = self._batch, bytearray()
            await to_the_end(in_thread(self._write, batch))

    async def commit(self) -> None:
        await to_the_end(in_thread(self._commit))

    def open(self) -> None:
        with explaining(self._path):
            self._part, self._file = new_part(self._path)

    def discard(self) -> None:
        with suppress(OSError):  # what is left in Python's buffer may not fit on a full disk either
            if self._file is not None:
                self._file.close()
        if self._part is not None:
            with explaining(self._part):
                drop_part(self._part)

    def _write(self, batch: bytearray) -> None:
        with explaining(self._path):
            self._opened()[1].write(batch)

    def _commit(self) -> None:
        with explaining(self._path):
            part, file = self._opened()
            file.write(self._batch)
            file.flush()
            os.fsync(file.fileno())
            file.close()
            part.replace(self._path)
            with opened_folder(self._path.parent) as folder:
                os.fsync(folder)

    def _opened(self) -> tuple[Path, BinaryIO]:
        assert self._part is not None, "the writer is opened before it is handed out"  # noqa: S101 - for mypy
        assert self._file is not None  # noqa: S101 - for mypy
        return self._part, self._file


def _digest(path: Path) -> tuple[int, str]:
    with explaining(path), path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), sha256


def _mark(path: Path, name: str) -> None:
    with explaining(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(f"{name}\n")
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError:
            os.utime(path)
        except OSError:  # the disk is full, say; a part of a mark would stay in the index for a day
            path.unlink(missing_ok=True)
            raise
        with opened_folder(path.parent) as folder:
            os.fsync(folder)


def _unmark(path: Path) -> None:
    with explaining(path):
        path.unlink(missing_ok=True)


def _marks(index: Path) -> list[Mark]:
    """Read all marks. One without a whole line is being written, or its writer was killed; its name is empty."""
    marks = []
    with explaining(index), suppress(FileNotFoundError):  # no index yet
        now = now_at(index)
        for path in index.iterdir():
            if not is_claim(path.name):
                continue  # somebody else's file
            with suppress(FileNotFoundError):  # removed meanwhile
                age = max(0.0, now - path.stat().st_mtime)
                name, end, _ = path.read_text(encoding="utf-8", errors="replace").partition("\n")
                marks.append(Mark(name if end else "", path.name, age))
    return sorted(marks, key=lambda mark: -mark.age)
