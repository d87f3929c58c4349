"""What every place for videos can do; `s3.py` and `local.py` do it."""

from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

from prefect_octopusx.storage.records import VideoRecord

__all__ = ["Entry", "VideoStore", "VideoWriter"]


class Entry(NamedTuple):
    """A record as it was read or written, with the version that a later change is conditional on."""

    record: VideoRecord
    version: str


class VideoWriter(Protocol):
    """A video on its way into a store. Nothing of it is to be seen there before `commit`."""

    async def write(self, data: bytes) -> None:
        """Take the next bytes. Memory stays constant: this waits while the store is behind."""

    async def commit(self) -> None:
        """Make the video appear, whole, under its name, in place of an earlier one."""


class VideoStore(ABC):
    """A place where each `NAME.mp4` has its record `NAME.json` beside it.

    Every method raises `DestinationError` (or its retryable kind, `DestinationUnavailable`) where the place can't be
    used, naming the place, the reason and the way on.
    """

    @abstractmethod
    def uri(self, name: str) -> str:
        """Return the address of the video: `s3://bucket/prefix/NAME.mp4`, or the file's absolute path."""

    @abstractmethod
    async def read(self, name: str) -> Entry | None:
        """Return the record, or None where there is none.

        Raises:
            RecordInvalid: There is something, but it is not a record.
        """

    @abstractmethod
    async def create(self, record: VideoRecord) -> Entry:
        """Write the first record of a name, atomically: of many at once, one wins.

        Writing the very same record again succeeds, so it may be repeated after a `DestinationUnavailable`.

        Raises:
            RecordConflict: There is one already.
        """

    @abstractmethod
    async def replace(self, entry: Entry, record: VideoRecord) -> Entry:
        """Write `record` in place of `entry`, if nobody changed it in between. May be repeated like `create`.

        Raises:
            RecordConflict: Somebody did, or it is gone.
        """

    @abstractmethod
    async def has_video(self, name: str) -> bool:
        """Tell whether a video (or any file) lies under the name."""

    @abstractmethod
    def writer(self, name: str) -> AbstractAsyncContextManager[VideoWriter]:
        """Open the video for writing. Leaving the context without `commit` leaves nothing behind."""
