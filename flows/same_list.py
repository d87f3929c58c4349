"""Whether a batch that comes back still is for the videos that it left: its manifest may have been edited meanwhile."""

import hashlib
from collections.abc import Mapping, Sequence

from prefect_octopusx.batches import VideoItem
from prefect_octopusx.flows.leaving import labels_of_this_run
from prefect_octopusx.storage import VideoStore, pending_videos
from prefect_octopusx.tasks.steps import Logger

__all__ = ["has_changed", "label_of", "tell_of_dropped"]

_LABEL = "prefect-octopusx.list"


def label_of(items: Sequence[VideoItem]) -> Mapping[str, str]:
    """Return a label for a flow run, by which it knows its list again."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(f"{item.name}\0{item.request.model_dump_json()}\0".encode())
    return {_LABEL: digest.hexdigest()}


def has_changed(items: Sequence[VideoItem]) -> bool:
    """Tell whether this run left with another list."""
    noted = labels_of_this_run().get(_LABEL)
    return noted is not None and noted != label_of(items)[_LABEL]


async def tell_of_dropped(
    store: VideoStore, items: Sequence[VideoItem], *, name: str, top_run: str | None, logger: Logger
) -> None:
    """Warn that the list has changed, with what is in the making and is not in it any more."""
    listed = {item.name for item in items}
    pending = [entry.record async for entry in pending_videos(store, logger=logger)]
    dropped = sorted(one.name for one in pending if one.top_run_id == top_run and one.name not in listed)
    logger.warning(
        "%s: the list has changed while this run was away. Nothing is created any more: run it again for what is new. "
        "In the making, but not in the list any more, and left to `collect_videos`: %s",
        name,
        ", ".join(dropped) or "none",
    )
