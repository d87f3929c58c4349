"""What a run does that comes back for a look: find its record, ask once, and leave again or go on."""

import asyncio

from prefect import get_run_logger

from prefect_octopusx.api import NotReady, VideoRequest, look_once
from prefect_octopusx.blocks import Destination, OctopusXCredentials, resolve_credentials
from prefect_octopusx.flows.leaving import START_COST, departures, leave, refuse_lost_records
from prefect_octopusx.storage import DestinationUnavailable, Step, VideoRecord, foresee

__all__ = ["in_the_making", "leave_until_ready"]


async def in_the_making(request: VideoRequest, *, name: str, destination: Destination) -> VideoRecord | None:
    """Return the record of this request's video, if it is submitted and not over.

    So a run that comes back needs no task run to find out. All else, and trouble, is for `create_video`.

    Raises:
        DestinationUnavailable: The destination does not answer, and this run left before.
        DestinationError: It can't be used, or has lost the record of what this run left.
    """
    try:
        outlook = await foresee(await destination.store(), request, name=name)
    except DestinationUnavailable:
        if await departures():
            raise
        return None
    if outlook.step is Step.CREATE and outlook.record is None:
        await refuse_lost_records(name)
    return outlook.record if outlook.step is Step.RESUME else None


async def leave_until_ready(
    record: VideoRecord,
    *,
    credentials: OctopusXCredentials | None,
    poll_interval: float | None,
    deadline: float | None,
) -> None:
    """Look once, and leave if there is something to come back for. Returns when `wait_for_video` will not wait long.

    Raises:
        Pause: The run left.
        Abort: Somebody ended it.
    """
    logger = get_run_logger()
    async with (await resolve_credentials(credentials)).client(logger=logger) as client:
        while True:
            found = await look_once(
                client,
                record.task_id or "",
                alt_ids=record.alt_ids,
                submitted_at=(record.submitted_at or record.claimed_at).timestamp(),
                off_peak=record.off_peak,
                poll_interval=poll_interval,
                deadline=deadline,
                start_cost=START_COST,
                logger=logger,
            )
            if found is None:
                return
            await leave(found.delay, f"{record.name}: {_in_words(record, found)}", logger=logger)
            await asyncio.sleep(found.delay)  # it could not leave


def _in_words(record: VideoRecord, found: NotReady) -> str:
    told = found.trouble or "submitted"
    if found.task is not None:
        progress = f", {found.task.progress:.0f} %" if found.task.progress is not None else ""
        told = f"{found.task.state}{progress}"
    return f"task {record.task_id}, {told}"
