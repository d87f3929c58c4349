"""Storing a video and completing its record, whoever else does the same meanwhile."""

import asyncio
from collections.abc import AsyncIterator

from prefect_octopusx.storage.claims import CONFLICT_DELAYS
from prefect_octopusx.storage.errors import DestinationError, DestinationUnavailable, RecordConflict
from prefect_octopusx.storage.journal import complete, current
from prefect_octopusx.storage.records import RecordState, VideoRecord
from prefect_octopusx.storage.store import Entry, VideoStore
from prefect_octopusx.storage.tidying import tidy
from prefect_octopusx.storage.transfer import transfer

__all__ = ["save"]


async def save(
    store: VideoStore,
    record: VideoRecord,
    chunks: AsyncIterator[bytes],
    *,
    declared_length: int | None,
    content_type: str | None,
) -> VideoRecord:
    """Store `chunks` as the video of `record`, with the checks of `transfer`, and return the completed record.

    If another run completes it meanwhile, what that one stored stays, and its record is returned.

    Args:
        store: Where to.
        record: The record of the submitted video.
        chunks: The bytes, in pieces of any length.
        declared_length: As in `transfer`.
        content_type: As in `transfer`.

    Raises:
        DownloadError: What came is not a whole mp4.
        DestinationError: The store can't be used.
        NameTaken: There is no record of it any more.
        RecordConflict: The name stands for another task by now.
    """
    known: Entry | None = None

    async def stop_if_completed() -> None:
        nonlocal known
        known = await current(store, record)
        if known.record.state is RecordState.COMPLETED:
            raise _OtherWasQuicker

    try:
        stored = await transfer(
            store,
            record.name,
            chunks,
            declared_length=declared_length,
            content_type=content_type,
            before_commit=stop_if_completed,
        )
    except (_OtherWasQuicker, DestinationError):
        # Whoever completes a video sweeps the transfers of others away, which then can't go on.
        found = (await current(store, record)).record
        if found.state is not RecordState.COMPLETED:
            raise
        return found
    completed = await complete(store, record, uri=stored.uri, size=stored.size, sha256=stored.sha256, known=known)
    if store.settling:  # without conditional writes, another run may write the same just now
        await asyncio.sleep(store.settling)
        completed = (await current(store, record)).record
    if completed.sha256 != stored.sha256:
        completed = await _tell_what_is_stored(store, completed)
    await tidy(store, completed)
    return completed


async def _tell_what_is_stored(store: VideoStore, record: VideoRecord) -> VideoRecord:
    """Set right a record that another run completed while both stored a video, if the API gave them different bytes."""
    for delay in CONFLICT_DELAYS:
        size, sha256 = await store.digest(record.name)
        entry = await current(store, record)
        told = entry.record.model_copy(update={"size": size, "sha256": sha256})
        try:
            return entry.record if told == entry.record else (await store.replace(entry, told)).record
        except RecordConflict:
            await asyncio.sleep(delay)
    raise DestinationUnavailable(f"{record.name}: others kept writing its record; trying again may help")


class _OtherWasQuicker(Exception):
    """Another run completed the record while this one transferred."""
