"""Finding what is not over without listing every video: by the index that claims enter before they are written."""

import logging
from collections.abc import AsyncIterator
from typing import Any

from prefect_octopusx.storage.errors import RecordInvalid
from prefect_octopusx.storage.names import is_name
from prefect_octopusx.storage.store import Entry, Mark, VideoStore
from prefect_octopusx.storage.tidying import tidy

__all__ = ["pending_videos"]

_NOBODYS = 86_400.0
"""Seconds; a mark of this age whose claim was never written, or lost, is removed. A claim is written within minutes of
its mark, so a young one may still come."""


async def pending_videos(
    store: VideoStore, *, logger: "logging.Logger | logging.LoggerAdapter[Any] | None" = None
) -> AsyncIterator[Entry]:
    """Yield every record that is submitting, submitted or uncertain, and remove from the index what is over.

    Costs one request per thousand pending videos and one for each, however many videos the store holds.

    Args:
        store: Where the records are kept.
        logger: Where to say what can't be read.

    Raises:
        DestinationError: The destination can't be used.
    """
    async for mark in store.pending():
        try:
            entry = await _of(store, mark)
        except RecordInvalid as error:
            (logger or logging.getLogger(__name__)).warning("%s: %s", mark.name, error)
            continue
        if entry is not None:
            yield entry


async def _of(store: VideoStore, mark: Mark) -> Entry | None:
    entry = await store.read(mark.name) if is_name(mark.name) else None
    if entry is None or entry.record.claim != mark.claim:
        if mark.age > _NOBODYS:
            await store.unmark(mark.name, mark.claim)
        return None
    if entry.record.state.is_pending:
        return entry
    await tidy(store, entry.record)
    return None
