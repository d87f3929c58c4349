"""Waiting without a process: a flow run leaves, and its deployment brings it back for the next look."""

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import httpx
from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, FlowRun, State
from prefect.context import FlowRunContext
from prefect.exceptions import Abort, ObjectNotFound, Pause, PrefectException
from prefect.states import Scheduled

from prefect_octopusx.api import VideoRequest
from prefect_octopusx.blocks import Destination, LocalDestination
from prefect_octopusx.flows.options import Wait
from prefect_octopusx.storage import DestinationError
from prefect_octopusx.tasks.runs import came_back
from prefect_octopusx.tasks.steps import Logger

__all__ = ["START_COST", "departures", "labels_of_this_run", "leave", "refuse_lost_records", "way_to_wait"]

START_COST = 3.5
"""Seconds of processor time that coming back for a look takes, most of it Prefect's start (benchmarks/waiting.py)."""
_AWAITING = "AwaitingVideo"
_LONGEST = timedelta(days=1)
_OURS = {"generate_video", "generate_videos", "generate_due_videos", "redrive_videos"}


async def way_to_wait(
    wait: Wait,
    requests: Iterable[VideoRequest],
    *,
    destination: Destination,
    logger: Logger,
    because: str | None = None,
) -> Literal["process", "reschedule", "none"]:
    """Return how this flow run waits: as asked for, unless it could not go on when it comes back.

    Args:
        wait: As asked for; `auto` reschedules where there are off-peak videos, which may take two days.
        requests: What is waited for.
        destination: Where the records are.
        logger: Where it says that it waits in the process after all.
        because: Why `auto` is to reschedule whatever the videos are.

    Raises:
        ValueError: It is to reschedule, and belongs to a deployment, but could not go on.
    """
    requests = list(requests)
    if because is None and any(request.is_off_peak for request in requests):
        because = "Off-peak videos may take two days"
    if wait in {"process", "none"} or (wait == "auto" and because is None):
        return "none" if wait == "none" else "process"
    asked = "wait=reschedule" if wait == "reschedule" else because
    run = _this_run()
    if run is None or run.deployment_id is None:
        logger.warning("%s, but this run is of no deployment that could bring it back: it waits in this process", asked)
        return "process"
    obstacle = _obstacle(requests, destination) or await _cancelled_by(run.deployment_id)
    if obstacle is None:
        return "reschedule"
    if wait == "reschedule" and not came_back():
        raise ValueError(f"{obstacle}; or give wait=process")
    logger.warning("%s, but this run waits in its process. %s", asked, obstacle)
    return "process"


async def leave(delay: float, why: str, *, logger: Logger, labels: Mapping[str, str] | None = None) -> None:
    """Let this flow run go, to be started again in `delay` seconds; until then it holds nothing.

    It does so by raising what ends the run's process. If it returns, the run could not go: Prefect's server is away, or
    somebody is about to cancel the run. Then the run goes on to wait where it is, and tries again.

    Args:
        delay: Seconds; a day at most.
        why: What is waited for, for people: the state's message.
        logger: The run's logger.
        labels: What the run is to know when it comes back (`labels_of_this_run`).

    Raises:
        Pause: It left, or was suspended by somebody.
        Abort: The run was ended, or deleted, by somebody.
    """
    run = _this_run()
    if run is None:
        return
    until = datetime.now(UTC) + min(timedelta(seconds=min(delay, 1e6)), _LONGEST)
    message = f"{why}. Looks again at {until:%Y-%m-%d %H:%M:%S} UTC"
    try:
        async with get_client() as client:
            if labels and not labels.items() <= run.labels.items():
                await client.update_flow_run_labels(run.id, dict(labels))
            await _leave(client, run.id, Scheduled(name=_AWAITING, scheduled_time=until, message=message))
    except ObjectNotFound:
        raise Abort("The flow run was deleted") from None
    except (httpx.HTTPError, PrefectException) as error:
        logger.warning("Prefect can't be told to bring this run back (%s): it waits in this process", error)


def labels_of_this_run() -> Mapping[str, Any]:
    """Return the labels that this flow run had when it was started."""
    run = _this_run()
    return run.labels if run is not None else {}


async def refuse_lost_records(what: str) -> None:
    """Refuse to begin anew in a run that left something in the making, where there is no record of it any more.

    A folder may have gone with its pod; to create again at each look would be to pay each time.

    Args:
        what: The video, or the batch, that there is no record of.

    Raises:
        DestinationError: This run left before.
    """
    if left := await departures():
        raise DestinationError(
            f"{what}: this run left it in the making ({left[-1].message}), but there is no record of it at the "
            "destination any more. Nothing is sent again. Does the destination last from one process to the next? A "
            "folder in a container does not. To take a video over, run `adopt_video` with its task id, which the run's "
            "log has; to pay for a new one, start a new run"
        )


async def departures() -> list[State[Any]]:
    """Return the states in which this flow run was away so far, the first one first."""
    run = _this_run()
    if run is None or not came_back():
        return []
    async with get_client() as client:
        states = await client.read_flow_run_states(run.id)
    return sorted((state for state in states if state.name == _AWAITING), key=lambda state: state.timestamp)


async def _leave(client: PrefectClient, run_id: UUID, state: State[Any]) -> None:
    run = await client.read_flow_run(run_id)
    if run.state is None or run.state.is_cancelling():
        return  # whoever cancels it ends this process
    _go_if_over(run.state)
    policy = run.empirical_policy.model_dump(mode="json")
    changes = {
        # Coming back is no retry: it counts for nothing, as after a pause. And workers take no run which is retried in
        # its process, as this one may have been.
        "empirical_policy": policy | {"resuming": True, "retry_type": None},
        # With one, a run that is cancelled while it is away waits for ever to be killed.
        "infrastructure_pid": None,
    }
    await client.request("PATCH", "/flow_runs/{id}", path_params={"id": run_id}, json=changes)
    result = await client.set_flow_run_state(run_id, state)
    if result.state is not None:
        _go_if_over(result.state)
    kept = {"empirical_policy": policy, "infrastructure_pid": run.infrastructure_pid}
    await client.request("PATCH", "/flow_runs/{id}", path_params={"id": run_id}, json=kept)


def _go_if_over(state: State[Any]) -> None:
    """End this process if the run is not running any more, for whatever reason."""
    if state.is_final():
        raise Abort(f"The flow run is {state.name}")
    if state.is_paused() or state.is_scheduled() or state.is_pending():
        # Suspended by a person: to schedule it would be to resume it. Or it left: now, or in a request whose answer
        # was lost.
        logging.getLogger("prefect.flow_runs").addFilter(_no_error)
        raise Pause(state=state)


def _no_error(record: logging.LogRecord) -> bool:
    """Make of Prefect's line about the end of a process, which is an error in all states but Completed, a plain one."""
    text = record.getMessage()
    if record.levelno == logging.ERROR and text.startswith("Finished in state") and _AWAITING in text:
        record.levelno, record.levelname = logging.INFO, "INFO"
    return True


def _obstacle(requests: Iterable[VideoRequest], destination: Destination) -> str | None:
    """Return why a run could not go on when it comes back, in another process."""
    if isinstance(destination, LocalDestination) and not destination.folder.expanduser().is_absolute():
        return (
            f"destination: the folder {destination.folder} is relative to where each process of this run starts, so it "
            "might not find its videos when it comes back. Give an absolute path that lasts, or a bucket"
        )
    if pictures := [picture for request in requests for picture in request.local_pictures]:
        return (
            f"images: {pictures[0]} is a file of this machine, and is read at each start of this run. Give a URL "
            "instead"
        )
    return None


async def _cancelled_by(deployment_id: UUID) -> str | None:
    """Return why the deployment would not let a run go on that comes back, if that can be found out."""
    try:
        async with get_client() as client:
            deployment = await client.read_deployment(deployment_id)
    except (httpx.HTTPError, PrefectException):  # deleted, or Prefect is away for a moment
        return None
    options = deployment.concurrency_options
    if not deployment.global_concurrency_limit or options is None:
        return None
    if options.collision_strategy is not ConcurrencyLimitStrategy.CANCEL_NEW:
        return None
    return (
        f"The concurrency limit of the deployment {deployment.name!r} cancels runs that find no slot (CANCEL_NEW), "
        "also those that come back. Choose ENQUEUE"
    )


def _this_run() -> FlowRun | None:
    """Return the flow run around this code; None if it is of another flow, whose code calls ours as a function (`.fn`).

    Told by the function's name: Prefect may load a flow from its file, and then it is in no module of ours.
    """
    context = FlowRunContext.get()
    if context is None or context.flow is None or context.flow.fn.__name__ not in _OURS:
        return None
    return context.flow_run
