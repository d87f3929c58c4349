"""Having a batch made by other runs: start its chunks, wait for them, and start anew those that crash."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import httpx

from prefect_octopusx.api import OctopusXError
from prefect_octopusx.api.pacing import next_delay
from prefect_octopusx.batches import PlannedVideo, read_results, results_file
from prefect_octopusx.flows.chunks import ChunkRun, Chunks
from prefect_octopusx.flows.leaving import START_COST, leave
from prefect_octopusx.storage import VideoStore
from prefect_octopusx.tasks.batch_report import BatchProgress
from prefect_octopusx.tasks.steps import Logger

__all__ = ["MadeByOthers", "have_made", "why_not_made"]

_ROUNDS = 3  # a chunk whose runs crash again and again is no victim of chance
_EVERY = 10.0  # seconds between looks of a run that stays
_REVIVED_WITHIN = timedelta(minutes=2)  # an automation that starts crashed runs again does so in seconds

Plan = Callable[[], Awaitable[list[PlannedVideo]]]


class MadeByOthers(NamedTuple):
    """How the videos of a batch stand when nobody makes them any more."""

    planned: list[PlannedVideo]
    runs: Sequence[ChunkRun]
    """Those that made them, of all tries of the batch."""


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
        ValueError: Other runs can't make them.
        Pause: It left.
        Abort: Somebody ended it.
    """
    progress = BatchProgress(name, total=total, done=0, logger=logger)
    while True:
        going, left = await _look(chunks, total, logger)
        if not going:
            planned, runs = await plan(), await chunks.all()
            number = max((one.round for one in runs), default=0)
            todo = [one.item for one in planned if one.is_worked_on and _is_for_another(one.item.name, runs, number)]
            if not todo:
                await progress.reached(total)
                return MadeByOthers(planned, runs)
            await chunks.start(todo, number=number + 1)
            continue
        await progress.reached(total - left)
        delay = _delay(going, leaves=leaves)
        if leaves:
            words = f"{name}: {len(going)} runs are making the last {left:.0f} of {total} videos"
            await leave(delay, words, logger=logger, labels=labels)
        await asyncio.sleep(delay)


async def why_not_made(made: MadeByOthers, store: VideoStore) -> dict[str, str]:
    """Return why videos that runs of this try were to make are not made, by their names, as those runs tell it."""
    missing = {one.item.name for one in made.planned if one.is_worked_on}
    found: dict[str, str] = {}
    for one in sorted(made.runs, key=lambda one: one.round):
        names = missing.intersection(one.names)
        if one.round and names:
            told = await _results(store, one.run.name) if one.has_told else {}
            found |= {name: told.get(name) or f"{one.why}. Run the batch again" for name in names}
    return found


async def _results(store: VideoStore, chunk: str) -> dict[str, str]:
    """Return the errors in a chunk's results, as far as they were written."""
    name = results_file(chunk)
    try:
        data = await store.read_file(name)
        return {one.name: one.error for one in read_results(data or b"", where=name) if one.error}
    except OctopusXError:
        return {}


async def _look(chunks: Chunks, total: int, logger: Logger) -> tuple[list[ChunkRun], float]:
    """Return the runs that go on, and about how many videos they have still to make; wait for Prefect where it is away.

    This run only waits, maybe for hours, and the others can do without Prefect's server for a while.
    """
    while True:
        try:
            going = await chunks.going(crashed_since=_now() - _REVIVED_WITHIN)
            return going, min(total, await chunks.left_to_do(going))
        except httpx.HTTPError as error:
            if (
                isinstance(error, httpx.HTTPStatusError)
                and error.response.status_code < httpx.codes.INTERNAL_SERVER_ERROR
            ):
                raise
            logger.warning("Prefect does not tell how the chunks stand (%s); asked again in %.0f s", error, _EVERY)
            await asyncio.sleep(_EVERY)


def _is_for_another(name: str, runs: Sequence[ChunkRun], number: int) -> bool:
    """Tell whether another run may do what none of this try did: its last run crashed, or there was none."""
    crashed = any(one.round == number and one.has_crashed and name in one.names for one in runs)
    return number == 0 or (number < _ROUNDS and crashed)


def _delay(going: Sequence[ChunkRun], *, leaves: bool) -> float:
    if not leaves:
        return _EVERY
    since = min((one.run.expected_start_time for one in going if one.run.expected_start_time), default=None)
    age = (_now() - since).total_seconds() if since else 0.0
    return next_delay(age=max(0.0, age), chance=random.random(), start_cost=START_COST)  # noqa: S311 - guards nothing


def _now() -> datetime:
    return datetime.now(UTC)
