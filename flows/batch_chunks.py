"""Having a batch made by other runs: start its chunks, wait for them, and start anew those that crash."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from prefect_octopusx.api.pacing import next_delay
from prefect_octopusx.batches import PlannedVideo
from prefect_octopusx.flows.chunks import ChunkRun, Chunks
from prefect_octopusx.flows.leaving import START_COST, leave
from prefect_octopusx.tasks.batch_report import BatchProgress
from prefect_octopusx.tasks.steps import Logger

__all__ = ["MadeByOthers", "have_made"]

_ROUNDS = 3  # a chunk whose runs crash again and again is no victim of chance
_EVERY = 10.0  # seconds between looks of a run that stays

Plan = Callable[[], Awaitable[list[PlannedVideo]]]


class MadeByOthers(NamedTuple):
    """How the videos of a batch stand when nobody makes them any more."""

    planned: list[PlannedVideo]
    reasons: Mapping[str, str]
    """Why the chunks that ended badly did, by the names of their videos."""


async def have_made(
    chunks: Chunks, plan: Plan, *, name: str, total: int, leaves: bool, labels: Mapping[str, str], logger: Logger
) -> MadeByOthers:
    """Have all videos made, and wait for it.

    Args:
        chunks: The chunk runs of this flow run.
        plan: Looks at every video, and says what is to be done.
        name: The batch's name.
        total: How many videos it has.
        leaves: Whether this run leaves between looks; then it looks less often.
        labels: What this run is to know when it comes back.
        logger: The run's logger.

    Raises:
        Pause: It left.
        Abort: Somebody ended it.
    """
    progress = BatchProgress(name, total=total, done=0, logger=logger)
    await progress.begin()
    while True:
        going = await chunks.going()
        if not going:
            planned = await plan()
            ended = await _ended(chunks)
            todo = [one.item for one in planned if one.is_worked_on and ended.is_for_another(one.item.name)]
            if not todo:
                await progress.reached(total)
                return MadeByOthers(planned, ended.reasons)
            await chunks.start(todo, number=ended.number + 1)
            going = await chunks.going()
        left = await chunks.left_to_do(going)
        await progress.reached(total - left)
        delay = _delay(going, leaves=leaves)
        if leaves:
            words = f"{name}: {len(going)} runs are making the last {left:.0f} of {total} videos"
            await leave(delay, words, logger=logger, labels=labels)
        await asyncio.sleep(delay)


class _Ended(NamedTuple):
    number: int
    """How many rounds there have been."""
    crashed: frozenset[str]
    """The videos of those that crashed in the last one."""
    reasons: Mapping[str, str]

    def is_for_another(self, name: str) -> bool:
        """Tell whether another run may do what this video's did not: it crashed, or there was none."""
        return not self.number or (self.number < _ROUNDS and name in self.crashed)


async def _ended(chunks: Chunks) -> _Ended:
    number = await chunks.rounds()
    bad = await chunks.ended_badly() if number else []
    crashed = frozenset(name for one in bad if one.round == number and one.has_crashed for name in one.names)
    reasons = {name: one.why for one in sorted(bad, key=lambda one: one.round) for name in one.names}
    return _Ended(number, crashed, reasons)


def _delay(going: Sequence[ChunkRun], *, leaves: bool) -> float:
    if not leaves:
        return _EVERY
    since = min((one.run.expected_start_time for one in going if one.run.expected_start_time), default=None)
    age = (datetime.now(UTC) - since).total_seconds() if since else 0.0
    return next_delay(age=max(0.0, age), chance=random.random(), start_cost=START_COST)  # noqa: S311 - guards nothing
