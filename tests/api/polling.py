"""Ways to poll, compared in virtual time: how often each asks, and how late it sees that a video is ready.

The gateway looks at all jobs together, every 15 s, and tells what it saw then. So what counts is the lag from when it
first says that a video is ready.
"""

import asyncio
import itertools
import random
import statistics
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

from prefect_octopusx.api import RequestScheduler, wait_until_final
from tests.api.virtual import FAMILIES, Gateway, now, realistic, run

__all__ = ["BACK_OFFS", "INTERVALS", "Figures", "Video", "Way", "backing_off", "every", "ours", "plain", "videos"]

Way = Callable[[], Iterator[float]]
"""The seconds between two looks, anew for each video."""


def every(seconds: float) -> Way:
    """Ask at a fixed interval."""
    return lambda: itertools.repeat(seconds)


def backing_off(factor: float, most: float) -> Way:
    """Ask after 1 s, and then ever later."""
    return lambda: (min(factor**number, most) for number in itertools.count())


INTERVALS = {
    "every second (openai)": every(1),
    "every 5 s (Vercel, ComfyUI)": every(5),
    "every 6 s (runway)": every(6),
    "every 10 s (dbt-cloud)": every(10),
    "every 15 s": every(15),
    "every 20 s (google-genai)": every(20),
    "every 30 s": every(30),
}
BACK_OFFS = {
    "1.5-fold from 1 to 20 s (google-api-core)": backing_off(1.5, 20),
    "doubled from 1 to 60 s": backing_off(2, 60),
}


class Video(NamedTuple):
    """One to be made."""

    family: str
    submitted_at: float
    seconds: float


class Figures(NamedTuple):
    """What came of a way to poll: requests a video, and seconds from ready to seen."""

    looks: float
    mean: float
    late: float
    """One of twenty is later."""


def videos(count: int, *, within: float, seed: int = 1, families: Sequence[str] = tuple(FAMILIES)) -> list[Video]:
    """Draw videos of some families that are submitted within so many seconds."""
    chance = random.Random(seed)
    drawn = []
    for _ in range(count):
        family = chance.choice(families)
        drawn.append(Video(family, chance.uniform(0, within), realistic(chance, family)))
    return drawn


def plain(way: Way, made: Sequence[Video], *, per_minute: float | None = None) -> Figures:
    """Poll each video in a loop of its own; where there is a budget, first come, first served."""

    async def wait(gateway: Gateway, scheduler: RequestScheduler | None, _video: Video, task_id: str) -> None:
        for delay in way():
            await asyncio.sleep(delay)
            async with scheduler.look_turn() if scheduler else nullcontext():
                task = await gateway.query_video(task_id)
            if task.final:
                return

    return _figures(wait, made, per_minute, progress=False)


def ours(made: Sequence[Video], *, per_minute: float | None = None, progress: bool = True, seed: int = 0) -> Figures:
    """Poll as this package does; where there is a budget, by the scheduler."""
    chance = random.Random(seed)

    async def wait(gateway: Gateway, scheduler: RequestScheduler | None, video: Video, task_id: str) -> None:
        options: dict[str, Any] = {"clock": now, "chance": chance.random, "scheduler": scheduler}
        await wait_until_final(gateway, task_id, submitted_at=now(), family=video.family, **options)  # type: ignore[arg-type] # as a client

    return _figures(wait, made, per_minute, progress=progress)


def _figures(
    wait: Callable[[Gateway, RequestScheduler | None, Video, str], Awaitable[None]],
    made: Sequence[Video],
    per_minute: float | None,
    *,
    progress: bool,
) -> Figures:
    async def main() -> Figures:
        gateway = Gateway(together=True, progress=progress)
        scheduler = None if per_minute is None else RequestScheduler(per_minute, clock=now)
        lags: list[float] = []

        async def follow(video: Video) -> None:
            await asyncio.sleep(video.submitted_at)
            task_id = gateway.submit(video.family, video.seconds)
            await wait(gateway, scheduler, video, task_id)
            lags.append(now() - gateway.shown_at(task_id))

        await asyncio.gather(*map(follow, made))
        return Figures(len(gateway.asked) / len(made), statistics.mean(lags), sorted(lags)[len(lags) * 95 // 100])

    return run(main())
