"""In which order the videos of a batch are made, and how many at once: in one go, or as far as one look can."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from prefect_octopusx.batches import PlannedVideo
from prefect_octopusx.flows.batch_videos import Made, Maker
from prefect_octopusx.storage import RecordState, Step
from prefect_octopusx.tasks.runs import flow_run_id

__all__ = ["make_all", "make_what_is_ready"]

_ORDER = {Step.RESUME: 0, Step.FOLLOW: 2}
"""What is paid for goes first; last who only waits for another run, in a seat of those that create."""
_REST = timedelta(hours=1)

Done = Callable[[], Awaitable[None]]


async def make_all(videos: Sequence[PlannedVideo], maker: Maker, *, max_in_flight: int, done: Done) -> dict[str, Made]:
    """Make all of these, and return what became of each, by name.

    Args:
        videos: Those with something to do.
        maker: Makes one.
        max_in_flight: How many are in the making at once.
        done: Called for each that is done with.
    """
    seats = asyncio.Semaphore(max_in_flight)
    made: dict[str, Made] = {}

    async def make(video: PlannedVideo) -> None:
        async with seats:
            one = made[video.item.name] = await maker.make(video)
        if one.next_look is None:
            await done()

    async with asyncio.TaskGroup() as group:  # whatever happens, it waits until all have come to rest
        for video in sorted(videos, key=lambda video: _ORDER.get(video.outlook.step, 1)):
            group.create_task(make(video))
    return made


async def make_what_is_ready(
    videos: Sequence[PlannedVideo], maker: Maker, *, max_in_flight: int, done: Done
) -> dict[str, Made]:
    """Look at what is in the making, store what is ready, create what there is room for; leave the rest for later.

    What would go wrong at each look is put off until nothing else is in the making: videos past their deadline, and all
    creates for an hour after one did not get through in this run. The arguments are those of `make_all`.
    """
    made: dict[str, Made] = {}

    def in_the_making() -> int:
        return sum(one.next_look is not None for one in made.values())

    async def create(waiting: list[PlannedVideo]) -> None:
        while waiting and (room := max_in_flight - in_the_making()) > 0:
            some, waiting = waiting[:room], waiting[room:]
            made.update(await make_all(some, maker, max_in_flight=max_in_flight, done=done))

    resumed = [video for video in videos if video.outlook.step is Step.RESUME]
    others = [video for video in videos if video.outlook.step is not Step.RESUME]
    overdue = [video for video in resumed if maker.is_overdue(video)]
    on_time = [video for video in resumed if not maker.is_overdue(video)]
    made.update(await make_all(on_time, maker, max_in_flight=max_in_flight, done=done))
    if not _one_just_failed(others):
        await create(others)
    if not in_the_making():
        made.update(await make_all(overdue, maker, max_in_flight=max_in_flight, done=done))
        await create([video for video in others if video.item.name not in made])
    return made


def _one_just_failed(videos: Iterable[PlannedVideo]) -> bool:
    """Tell whether a create of this run did not get through less than an hour ago, with all its retries."""
    since, ours = datetime.now(UTC) - _REST, flow_run_id()
    return any(
        record.state is RecordState.RELEASED and record.flow_run_id == ours and record.claimed_at > since
        for video in videos
        if (record := video.outlook.record) is not None
    )
