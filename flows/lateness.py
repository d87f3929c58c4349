"""A run that starts long after its time creates nothing: after a week without workers, all that were missed start."""

from prefect_octopusx.api import VideoRequest
from prefect_octopusx.blocks import Destination
from prefect_octopusx.storage import OnUncertain, foresee
from prefect_octopusx.tasks.runs import run_times

__all__ = ["held_back", "too_late"]


async def too_late(max_lateness: float | None) -> str | None:
    """Return that the run at the top of the flows around this code started too late, in words; None if it did not.

    Args:
        max_lateness: Seconds after its scheduled time; None for no limit.
    """
    lateness = (await run_times()).lateness
    if max_lateness is None or lateness <= max_lateness:
        return None
    return f"max_lateness: this run started {lateness:.0f} s after its time, more than {max_lateness:.0f} s too late"


async def held_back(
    request: VideoRequest,
    max_lateness: float | None,
    *,
    name: str,
    destination: Destination,
    on_uncertain: OnUncertain,
    retry_failed: bool,
    asked_by: str | None,
) -> str | None:
    """Return why this run does nothing about a video: it is too late, and would pay. What is paid for goes on.

    Raises:
        DestinationError: The destination can't be used.
    """
    why = await too_late(max_lateness)
    if why is None:
        return None
    store = await destination.store()
    outlook = await foresee(
        store, request, name=name, on_uncertain=on_uncertain, retry_failed=retry_failed, asked_by=asked_by
    )
    return f"{name}: not created. {why}" if outlook.step.may_pay else None
