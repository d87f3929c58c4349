"""Looking at all videos of a batch before anything is paid."""

import asyncio
from collections.abc import Sequence

from prefect import task

from prefect_octopusx.batches import PlannedVideo, VideoItem
from prefect_octopusx.storage import OnUncertain, foresee
from prefect_octopusx.tasks.batch import Batch
from prefect_octopusx.tasks.retries import FREE_STEP
from prefect_octopusx.tasks.submittable import submittable

__all__ = ["plan_videos"]

_AT_ONCE = 16


@submittable
@task(name="plan-videos", **FREE_STEP)
async def plan_videos(
    items: Sequence[VideoItem],
    *,
    batch: Batch,
    on_uncertain: OnUncertain = "stop",
    retry_failed: bool = False,
    asked_by: str | None = None,
) -> list[PlannedVideo]:
    """Say of each video what a run would do about it: create, follow, resume, skip, stop. Sends and writes nothing.

    Args:
        items: The videos. A long list is given as `prefect.utilities.annotations.quote(items)`, or Prefect searches it.
        batch: Where they go.
        on_uncertain: As in `make_video`.
        retry_failed: As in `make_video`.
        asked_by: As in `make_video`.

    Returns:
        The plan, in the order of `items`.

    Raises:
        DestinationError: The destination can't be used.
    """
    batch.check_loop()
    seats = asyncio.Semaphore(_AT_ONCE)
    unused = await batch.store.unused([item.name for item in items])

    async def plan(item: VideoItem) -> PlannedVideo:
        async with seats:
            outlook = await foresee(
                batch.store,
                item.request,
                name=item.name,
                on_uncertain=on_uncertain,
                retry_failed=retry_failed,
                asked_by=asked_by,
                is_unused=item.name in unused,
            )
        return PlannedVideo(item, outlook)

    looks = [asyncio.create_task(plan(item)) for item in items]
    try:
        return list(await asyncio.gather(*looks))
    finally:
        for unfinished in looks:
            unfinished.cancel()
