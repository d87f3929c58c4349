"""What every place for videos can do; `s3.py` and `local.py` do it."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import BinaryIO, Literal, NamedTuple, Protocol

from prefect_octopusx.storage.links import Link
from prefect_octopusx.storage.records import VideoRecord

__all__ = ["Entry", "Mark", "Suffix", "VideoStore", "VideoWriter"]

Suffix = Literal[".mp4", ".json", ".jpg", ".html"]
"""What lies under a video's name: the video, its record, its poster, its player."""


class Entry(NamedTuple):
    """A record as it was read or written, with the version that a later change is conditional on.

    Attributes:
        record: The record.
        version: What a later change is conditional on: an ETag, or the like.
        age: Seconds since it was last written when it was read, by the store's own clock; 0 where the store does not
            tell.
    """

    record: VideoRecord
    version: str
    age: float = 0.0


class Mark(NamedTuple):
    """An entry of the index of pending videos: this claim of this name may have work left.

    Attributes:
        name: Empty where the mark itself was only half written; its claim was not written then.
        claim: The token of the claim.
        age: Seconds since it was written, by the store's own clock.
    """

    name: str
    claim: str
    age: float


class VideoWriter(Protocol):
    """A video on its way into a store. Nothing of it is to be seen there before `commit`."""

    async def write(self, data: bytes) -> None:
        """Take the next bytes. Memory stays constant: this waits while the store is behind."""

    async def commit(self) -> None:
        """Make the video appear, whole, under its name, in place of an earlier one."""


class VideoStore(ABC):
    """A place where each `NAME.mp4` has its record `NAME.json` beside it, with an index of the pending ones.

    The index lies under `.pending/`. A name's mark is written before its claim and removed after its record has come to
    an end, each claim has a mark of its own: so whatever dies in between, no pending record is without its mark.

    Every method raises `DestinationError` (or its retryable kind, `DestinationUnavailable`) where the place can't be
    used, naming the place, the reason and the way on.
    """

    settling: float = 0.0
    """Seconds until a claim just written is surely the last one; 0 where writes are atomic on condition."""
    poster: bool = False
    """Whether each video is to have a poster beside it, `NAME.jpg`."""
    player: bool = False
    """Whether each video is to have a page that plays it beside it, `NAME.html`."""

    @abstractmethod
    def uri(self, name: str, suffix: Suffix = ".mp4") -> str:
        """Return the address of the video: `s3://bucket/prefix/NAME.mp4`, or the file's absolute path."""

    @abstractmethod
    async def read(self, name: str) -> Entry | None:
        """Return the record, or None where there is none.

        Raises:
            RecordInvalid: There is something, but it is not a record.
        """

    async def unused(self, names: Sequence[str]) -> frozenset[str]:
        """Return those of `names` under which there is neither record nor video, as far as that is quick to tell."""
        del names
        return frozenset()

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
    async def digest(self, name: str) -> tuple[int, str]:
        """Read the stored video; return its length in bytes and its SHA-256 in hex."""

    @abstractmethod
    async def mark(self, name: str, claim: str) -> None:
        """Enter a claim into the index; again, to make its mark young."""

    @abstractmethod
    async def unmark(self, name: str, claim: str) -> None:
        """Remove a claim from the index; nothing happens where it is not there."""

    @abstractmethod
    def pending(self) -> AsyncIterator[Mark]:
        """Read the index. It holds every pending record, and some that are over."""

    @abstractmethod
    async def sweep(self, name: str) -> None:
        """Remove what broken transfers of a video that is over left: unfinished uploads, part files.

        A transfer that is still alive fails; its caller finds the record completed.
        """

    @abstractmethod
    async def read_file(self, name: str) -> bytes | None:
        """Return a file that lies beside the videos, such as `launch-results.jsonl`; None where there is none."""

    @abstractmethod
    async def write_file(self, name: str, data: bytes) -> str:
        """Write such a file, whole, in place of an earlier one; return its address."""

    @abstractmethod
    def open(self, name: str, suffix: Suffix = ".mp4") -> BinaryIO | None:
        """Open the video, or what lies beside it, to be read here and there; None if it is not there.

        Memory stays constant. Blocks, and so does what it returns: for threads. Close it.
        """

    @abstractmethod
    async def write_beside(self, name: str, suffix: Literal[".jpg", ".html"], data: bytes) -> None:
        """Write what lies beside a video, whole, in place of an earlier one."""

    @abstractmethod
    async def link(self, name: str, suffix: Suffix = ".mp4") -> Link | None:
        """Return where a browser finds the video, or what lies beside it; None if there is no such address."""

    @abstractmethod
    def writer(self, name: str) -> AbstractAsyncContextManager[VideoWriter]:
        """Open the video for writing. Leaving the context without `commit` leaves nothing behind."""
