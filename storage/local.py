"""Videos in a folder: the same promises as a bucket, by hard links, a lock and renames.

As in a bucket, to write the very same record again is no conflict: the caller may not have learnt that it was written.
"""

import asyncio
import errno
import hashlib
import os
import secrets
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from prefect_octopusx.storage.errors import DestinationError, RecordConflict
from prefect_octopusx.storage.records import VideoRecord, check_name
from prefect_octopusx.storage.store import Entry, VideoStore, VideoWriter
from prefect_octopusx.storage.threads import in_thread, to_the_end

if sys.platform != "win32":
    import fcntl

__all__ = ["LocalStore"]

_BATCH = 1024 * 1024  # bytes that are gathered before a thread is asked to write them

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


class LocalStore(VideoStore):
    """A folder of videos, made on first use.

    Several processes may share it. Several machines may, where the file system has hard links and locks for all.

    Args:
        folder: Where; `~` is the home folder, a relative path counts from the current one.

    Raises:
        DestinationError: The system is Windows, or `~` leads nowhere.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
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

    def uri(self, name: str) -> str:
        """Return the absolute path of the video."""
        return str(self._video(name))

    async def read(self, name: str) -> Entry | None:
        """Return the record, or None where there is none."""
        path = self._record(name)
        data = await asyncio.to_thread(_read, path)
        return None if data is None else Entry(VideoRecord.from_json(data, where=str(path)), _version(data))

    async def create(self, record: VideoRecord) -> Entry:
        """Write the first record of a name, atomically."""
        data = record.to_json()
        await asyncio.to_thread(_create, self._record(record.name), data)
        return Entry(record, _version(data))

    async def replace(self, entry: Entry, record: VideoRecord) -> Entry:
        """Write `record` in place of `entry`, if nobody changed it in between."""
        data = record.to_json()
        await asyncio.to_thread(_replace, self._record(record.name), entry.version, data)
        return Entry(record, _version(data))

    async def has_video(self, name: str) -> bool:
        """Tell whether anything lies under the video's name."""
        return await asyncio.to_thread(_exists, self._video(name))

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
        return self.folder / f"{check_name(name)}.mp4"

    def _record(self, name: str) -> Path:
        return self.folder / f"{check_name(name)}.json"


class _LocalWriter:
    """A video on its way into a folder. Every step in a thread is awaited to its end, so no two ever overlap."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = _beside(path)
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
        with _explaining(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._part.open("xb")

    def discard(self) -> None:
        with suppress(OSError):  # what is left in Python's buffer may not fit on a full disk either
            if self._file is not None:
                self._file.close()
        with _explaining(self._part), suppress(FileNotFoundError, NotADirectoryError):
            self._part.unlink()

    def _write(self, batch: bytearray) -> None:
        with _explaining(self._path):
            self._opened().write(batch)

    def _commit(self) -> None:
        with _explaining(self._path):
            file = self._opened()
            file.write(self._batch)
            file.flush()
            os.fsync(file.fileno())
            file.close()
            self._part.replace(self._path)
            with _opened_folder(self._path.parent) as folder:
                os.fsync(folder)

    def _opened(self) -> BinaryIO:
        assert self._file is not None, "the writer is opened before it is handed out"  # noqa: S101 - for mypy
        return self._file


def _version(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _beside(path: Path) -> Path:
    """Return a hidden name in the same folder, which no other writer uses."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")


def _read(path: Path) -> bytes | None:
    with _explaining(path):
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None


def _exists(path: Path) -> bool:
    with _explaining(path):
        try:
            path.lstat()
        except FileNotFoundError:
            return False
        return True


def _create(path: Path, data: bytes) -> None:
    with _explaining(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _opened_folder(path.parent) as folder, _written(path, data) as part:
            try:
                os.link(part, path)  # refuses if there is one; whoever looks sees all of the record or nothing
            except FileExistsError:
                if _read(path) != data:
                    raise RecordConflict(f"{path} exists: somebody else wrote it first. Read it again.") from None
            os.fsync(folder)


def _replace(path: Path, version: str, data: bytes) -> None:
    with _explaining(path):
        try:
            with _opened_folder(path.parent) as folder:
                # A lock on the folder, not on the record: the record's file is another one after each rename.
                # Closing the folder lets it go.
                _lock(folder)
                if _version(stored := path.read_bytes()) != version and stored != data:
                    raise RecordConflict(f"{path} was changed by somebody else meanwhile. Read it again.")
                with _written(path, data) as part:
                    part.replace(path)
                    os.fsync(folder)
        except FileNotFoundError:
            raise RecordConflict(f"{path} is gone: somebody else removed it meanwhile. Read it again.") from None


def _lock(folder: int) -> None:
    if sys.platform != "win32":
        fcntl.flock(folder, fcntl.LOCK_EX)


@contextmanager
def _opened_folder(path: Path) -> Iterator[int]:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield folder
    finally:
        os.close(folder)


@contextmanager
def _written(path: Path, data: bytes) -> Iterator[Path]:
    """Write `data`, down to the disk, into a hidden file beside `path`; it is gone afterwards, unless renamed."""
    part = _beside(path)
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield part
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _explaining(path: Path) -> Iterator[None]:
    """Turn what the system says into a `DestinationError` that names the path and the way on."""
    try:
        yield
    except OSError as error:
        reason = _WAYS_ON.get(error.errno or 0, f"{error.strerror or error}. Check the folder")
        raise DestinationError(f"{path} can't be used: {reason}.") from error
