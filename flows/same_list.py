"""Whether a batch that comes back still is for the videos that it left: its manifest may have been edited meanwhile."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from prefect_octopusx.batches import VideoItem
from prefect_octopusx.flows.leaving import labels_of_this_run
from prefect_octopusx.storage import VideoStore, pending_videos
from prefect_octopusx.tasks.runs import flow_run_attempt
from prefect_octopusx.tasks.steps import Logger

__all__ = ["SameList", "compare_list", "tell_of_dropped"]

_LABEL = "prefect-octopusx.list"
_TOLD = "prefect-octopusx.list-changed"


class SameList(NamedTuple):
    """How the list of a run compares with the one that it left with, if it left."""

    has_changed: bool
    is_told: bool
    """Whether an earlier start of this run has warned of this very change."""
    labels: Mapping[str, str]
    """What the flow run is to be labelled with when it leaves, to know its list again."""


def compare_list(items: Sequence[VideoItem]) -> SameList:
    """Compare a list with the one that this run left with; a retry begins anew, with the list as it is then."""
    digest, this_try = hashlib.sha256(), f"{flow_run_attempt()}-"
    for item in items:
        digest.update(f"{item.name}\0{item.request.model_dump_json()}\0".encode())
    found, noted = this_try + digest.hexdigest(), labels_of_this_run()
    left_with = str(noted.get(_LABEL, ""))
    changed = left_with.startswith(this_try) and left_with != found
    return SameList(changed, noted.get(_TOLD) == found, {_TOLD if changed else _LABEL: found})


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
