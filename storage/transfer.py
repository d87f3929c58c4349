"""From a stream of bytes to a stored video: checked while it flows, and seen only once every check has passed."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

from prefect_octopusx.api.errors import DownloadError
from prefect_octopusx.storage.mp4 import Mp4Check
from prefect_octopusx.storage.store import VideoStore

__all__ = ["StoredVideo", "transfer"]


class StoredVideo(NamedTuple):
    """A video that is stored whole.

    Attributes:
        uri: Where it lies.
        size: Bytes.
        sha256: Of the whole file, in hex.
    """

    uri: str
    size: int
    sha256: str


async def transfer(
    store: VideoStore,
    name: str,
    chunks: AsyncIterator[bytes],
    *,
    declared_length: int | None,
    content_type: str | None,
    before_commit: Callable[[], Awaitable[None]] | None = None,
) -> StoredVideo:
    """Store `chunks` as the video `name`, in place of an earlier one, if they are a whole mp4; else leave nothing.

    Memory stays constant. What `chunks` raises passes through.

    Args:
        store: Where to.
        name: The video's name, without an ending.
        chunks: The bytes, in pieces of any length.
        declared_length: How many bytes the sender announced (`Content-Length`), None if it did not.
        content_type: The sender's `Content-Type`, None or empty if there was none. Only those that can't be a video
            are refused; what it is, the bytes tell.
        before_commit: Awaited once every check has passed; if it raises, nothing is stored.

    Returns:
        Where it is stored, its length and its checksum.

    Raises:
        DownloadError: What came is not a whole mp4.
        DestinationError: The store can't be used.
    """
    _check_content_type(content_type)
    check = Mp4Check()
    digest = hashlib.sha256()
    size = 0
    async with store.writer(name) as writer:
        async for chunk in chunks:
            size += len(chunk)
            if declared_length is not None and size > declared_length:
                raise DownloadError(
                    f"more arrives than was declared: {declared_length} bytes were, {size} are here already."
                )
            check.feed(chunk)
            digest.update(chunk)
            await writer.write(chunk)
        if declared_length is not None and 0 < size < declared_length:
            raise DownloadError(f"the video is cut: {declared_length} bytes were declared, {size} arrived.")
        check.finish()
        if before_commit is not None:
            await before_commit()
        await writer.commit()
    return StoredVideo(store.uri(name), size, digest.hexdigest())


def _check_content_type(content_type: str | None) -> None:
    kind = (content_type or "").partition(";")[0].strip().lower()
    subtype = kind.rpartition("/")[2].rpartition("+")[2]  # the last word of `application/atom+xml`
    if subtype in {"html", "json", "xml"}:
        raise DownloadError(
            f"the link gave {kind}, not a video: it has probably expired, or something answers in the server's place."
        )
