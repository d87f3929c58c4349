"""A run that comes back for a look while its destination is away leaves again, instead of failing at night."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from prefect import get_run_logger

from prefect_octopusx.flows.leaving import departures, leave
from prefect_octopusx.storage import DestinationUnavailable

__all__ = ["comes_back_later"]

_AWAY = "the destination does not answer"
_LONGEST = timedelta(days=1)  # as long as OctopusX keeps a finished video
_SHORTEST_DELAY, _LONGEST_DELAY = 60.0, 1800.0  # seconds


@asynccontextmanager
async def comes_back_later(what: str) -> AsyncIterator[None]:
    """Let a run that left before leave again where its destination does not answer, for a day at most.

    The error stands in a run that has not left yet: somebody may be watching.

    Args:
        what: The video, or the batch, for the state's message.

    Raises:
        Pause: The run left.
        DestinationUnavailable: It never left before, or the destination has been away for a day, or Prefect is too.
    """
    try:
        yield
    except DestinationUnavailable as error:
        delay = await _delay()
        if delay is not None:
            await leave(delay, f"{what}: {_AWAY} ({error})", logger=get_run_logger())
        raise


async def _delay() -> float | None:
    """Return the seconds until the next try: a quarter of how long the trouble has lasted. None: no more tries."""
    left = await departures()
    if not left:
        return None
    well = [state.timestamp for state in left if _AWAY not in (state.message or "")]
    since = next((state.timestamp for state in left if not well or state.timestamp > well[-1]), None)
    lasts = _now() - since if since else timedelta(0)
    return min(max(_SHORTEST_DELAY, lasts.total_seconds() / 4), _LONGEST_DELAY) if lasts < _LONGEST else None


def _now() -> datetime:
    return datetime.now(UTC)
