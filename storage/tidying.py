"""What is removed once a video is over: its entry in the index, and what killed runs left beside it.

Trouble is only logged here. The video itself is safe by then, and an entry too many in the index does no harm.
"""

import logging
from collections.abc import Iterable

from prefect_octopusx.storage.errors import DestinationError
from prefect_octopusx.storage.records import VideoRecord
from prefect_octopusx.storage.store import VideoStore

__all__ = ["tidy", "tidy_completed", "unmark"]

_logger = logging.getLogger(__name__)


async def unmark(store: VideoStore, name: str, claim: str) -> None:
    """Remove a claim that is over from the index of pending videos."""
    try:
        await store.unmark(name, claim)
    except DestinationError as error:
        _logger.warning("%s: it is still in the index of pending videos: %s", name, error)


async def tidy(store: VideoStore, record: VideoRecord) -> None:
    """Remove what killed runs may have left of a video that is over; last its entry in the index, which leads here."""
    await _sweep(store, record)
    await unmark(store, record.name, record.claim)


async def tidy_completed(store: VideoStore, records: Iterable[VideoRecord]) -> None:
    """Do so for those of many completed videos whose run was killed before it came to that: they are in the index.

    Costs one request per thousand entries of the index.

    Args:
        store: Where they are kept.
        records: Their records.
    """
    known = {(record.name, record.claim): record for record in records}
    if not known:
        return
    try:
        left = [known[mark[:2]] async for mark in store.pending() if mark[:2] in known]
    except DestinationError as error:
        _logger.warning("The index of pending videos could not be read: %s", error)
        return
    for record in left:
        await tidy(store, record)


async def _sweep(store: VideoStore, record: VideoRecord) -> None:
    try:
        await store.sweep(record.name)
    except DestinationError as error:
        _logger.warning("%s: unfinished transfers could not be looked for: %s", record.name, error)
