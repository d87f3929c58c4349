"""Waiting without a process: a flow run leaves, and its deployment brings it back for the next look."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import httpx
from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import FlowRunContext
from prefect.exceptions import Abort, ObjectNotFound, Pause, PrefectException
from prefect.states import Scheduled

from prefect_octopusx.blocks import Destination, LocalDestination
from prefect_octopusx.flows.options import Wait
from prefect_octopusx.storage import DestinationError
from prefect_octopusx.tasks.runs import came_back
from prefect_octopusx.tasks.steps import Logger

__all__ = ["START_COST", "leave", "refuse_lost_records", "way_to_wait"]

START_COST = 3.0
"""Seconds of processor time that it takes to come back for a look (docs: Waiting, which says how it was measured)."""
_AWAITING = "AwaitingVideo"


def way_to_wait(
    wait: Wait, *, off_peak: bool, destination: Destination, logger: Logger
) -> Literal["process", "reschedule", "none"]:
    """Return how this flow run waits: as asked for, unless nothing would bring it back.

    Args:
        wait: As asked for; `auto` reschedules where there are off-peak videos, which may take two days.
        off_peak: Whether there are.
        destination: Where the records are, which a run that comes back must find.
        logger: Where it says that it waits in the process after all.

    Raises:
        ValueError: The run would not find its records again.
    """
    if wait in {"process", "none"} or (wait == "auto" and not off_peak):
        return "none" if wait == "none" else "process"
    asked = "wait=reschedule" if wait == "reschedule" else "Off-peak videos may take two days"
    run = _this_run()
    if run is None or run.deployment_id is None:
        logger.warning("%s, but this run is of no deployment that could bring it back: it waits in this process", asked)
        return "process"
    if isinstance(destination, LocalDestination) and not destination.folder.expanduser().is_absolute():
        problem = f"the folder {destination.folder} is relative to where each process of this run starts"
        if wait == "reschedule":
            raise ValueError(
                f"destination: {problem}, so a run that comes back might not find its videos. Give an absolute path "
                "that lasts, or a bucket; or wait=process"
            )
        logger.warning("%s, but %s: it waits in this process", asked, problem)
        return "process"
    return "reschedule"


async def leave(delay: float, why: str, *, logger: Logger) -> None:
    """Let this flow run go, to be started again in `delay` seconds; until then it holds nothing.

    It does so by raising what ends the run's process. If it returns, the run could not go: Prefect's server is away, or
    somebody is about to cancel the run. Then the run goes on to wait where it is, and tries again.

    Args:
        delay: Seconds.
        why: What is waited for, for people: the state's message.
        logger: The run's logger.

    Raises:
        Pause: It left, or was suspended by somebody.
        Abort: The run was ended, or deleted, by somebody.
    """
    run = _this_run()
    if run is None:
        return
    until = datetime.now(UTC) + timedelta(seconds=delay)
    message = f"{why}. Looks again at {until:%Y-%m-%d %H:%M:%S} UTC"
    try:
        async with get_client() as client:
            await _leave(client, run.id, Scheduled(name=_AWAITING, scheduled_time=until, message=message))
    except ObjectNotFound:
        raise Abort("The flow run was deleted") from None
    except (httpx.HTTPError, PrefectException) as error:
        logger.warning("Prefect can't be told to bring this run back (%s): it waits in this process", error)


async def refuse_lost_records(what: str) -> None:
    """Refuse to begin anew in a run that left something in the making, where there is no record of it any more.

    A folder may have gone with its pod; to create again at each look would be to pay each time.

    Args:
        what: The video, or the batch, that there is no record of.

    Raises:
        DestinationError: This run left before.
    """
    run = _this_run()
    if run is None or not came_back():
        return
    async with get_client() as client:
        states = await client.read_flow_run_states(run.id)
    left = next((state.message for state in reversed(states) if state.name == _AWAITING), None)
    if left is not None:
        raise DestinationError(
            f"{what}: this run left it in the making ({left}), but there is no record of it at the destination any "
            "more. Nothing is sent again. Does the destination last from one process to the next? A folder in a "
            "container does not. To take the video over, run `adopt_video` with its task id; to pay for a new one, "
            "start a new run"
        )


async def _leave(client: PrefectClient, run_id: UUID, state: State[Any]) -> None:
    run = await client.read_flow_run(run_id)
    if run.state is None or run.state.is_cancelling():
        return  # whoever cancels it ends this process
    if run.state.is_paused():
        raise Pause(state=run.state)  # suspended by a person; to schedule it would be to resume it
    if run.state.is_final():
        raise Abort(f"The flow run is {run.state.name}")
    await client.request(
        "PATCH",
        "/flow_runs/{id}",
        path_params={"id": run_id},
        json={
            # Coming back is no retry: it counts for nothing, as after a pause.
            "empirical_policy": {**run.empirical_policy.model_dump(mode="json"), "resuming": True},
            # With one, a run that is cancelled while it is away waits for ever to be killed.
            "infrastructure_pid": None,
        },
    )
    result = await client.set_flow_run_state(run_id, state)
    if result.state is not None and result.state.name == _AWAITING:
        logging.getLogger("prefect.flow_runs").addFilter(_no_error)
        raise Pause(state=result.state)


def _no_error(record: logging.LogRecord) -> bool:
    """Make of Prefect's line about the end of an attempt, which is an error for all states but Completed, a plain one.

    Public: a filter of a logger may change what it logs.
    """
    if record.levelno == logging.ERROR and f"Finished in state {_AWAITING}" in record.getMessage():
        record.levelno, record.levelname = logging.INFO, "INFO"
    return True


def _this_run() -> FlowRun | None:
    context = FlowRunContext.get()
    return context.flow_run if context is not None else None
