"""One prompt becomes one verified video in a bucket."""

from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger
from prefect.runtime import deployment, flow_run
from prefect.states import Cancelled, exception_to_failed_state

from prefect_octopusx.api import SubmissionUncertain
from prefect_octopusx.blocks import LocalDestination, OctopusXCredentials, S3Destination, resolve_destination
from prefect_octopusx.flows.lateness import held_back
from prefect_octopusx.flows.leaving import way_to_wait
from prefect_octopusx.flows.looking import in_the_making, leave_until_ready
from prefect_octopusx.flows.naming import default_name
from prefect_octopusx.flows.options import CanBeEmpty, Lease, Positive, Request, Wait
from prefect_octopusx.flows.parameters import forget_queries
from prefect_octopusx.flows.patience import comes_back_later
from prefect_octopusx.storage import LEASE, OnUncertain, RecordState, VideoRecord, check_name
from prefect_octopusx.tasks import create_video, save_video, wait_for_video
from prefect_octopusx.tasks.runs import came_back, completed, retries_are_left, top_run_id
from prefect_octopusx.tasks.video_report import in_words, report_found

__all__ = ["generate_video"]


def _run_name() -> str:
    parameters = flow_run.parameters
    model = getattr(parameters["request"], "model", None) or parameters["request"]["model"]
    return f"{parameters.get('name') or 'video'} ({model})"


@flow(name="generate-video", flow_run_name=_run_name)
async def generate_video(
    request: Request,
    destination: CanBeEmpty[S3Destination | LocalDestination] = None,
    credentials: CanBeEmpty[OctopusXCredentials] = None,
    name: CanBeEmpty[str] = None,
    wait: Wait = "auto",
    deadline: CanBeEmpty[Positive] = None,
    max_lateness: CanBeEmpty[Positive] = None,
    retry_failed: bool = False,
    on_uncertain: OnUncertain = "stop",
    poll_interval: CanBeEmpty[Positive] = None,
    lease: Lease = LEASE,
) -> VideoRecord:
    """Turn a prompt into a video at the destination: create, wait, save.

    A name is paid for once and stored once. Called again with the same name, this skips what is completed and resumes
    what is submitted, on any machine that sees the destination.

    Args:
        request: What to make: the model, the prompt, and the model's own settings. What is left out is left to the
            vendor.
        destination: Where to. Left out, the saved block `s3-destination/default`, else the folder `videos`.
        credentials: The API key. Left out, `octopusx-credentials/default`, else the Secret `octopusx-api-key`, else
            the environment variable `OCTOPUSX_API_KEY`.
        name: The video's name at the destination, and what makes the request the same one next time. Left out, each
            new run makes a new video, and a retry of a run resumes its own.
        wait: `process` waits here until the video is stored. `reschedule` submits and leaves: no process and no slot
            is held, the deployment starts this run again for each look. `none` submits and leaves the rest to
            `collect_videos`, or to a later run under the same name. `auto` is `reschedule` for off-peak, else
            `process`. Without a deployment, `reschedule` waits here.
        deadline: Seconds after the submission at which waiting ends; 3600 by default, 49 hours for off-peak.
        max_lateness: Seconds; a run that starts later than that after its scheduled time creates nothing, and ends in
            a cancelled state named `TooLate`. So a worker that was away does not bill all that it missed.
        retry_failed: Whether to try anew, and pay for, what failed or was refused.
        on_uncertain: Where nobody knows whether an earlier create was accepted: `stop`, or `resubmit` at the risk of
            paying twice.
        poll_interval: Seconds between looks while waiting; left out, a pacing that fits the model.
        lease: Seconds without a sign of life after which other runs take this one for dead while its create is on the
            way.

    Returns:
        The record, completed: `uri`, `task_id`, `size` in bytes, `sha256`. Without waiting: submitted, or completed if
        it was before.

    Raises:
        SubmissionUncertain: Nobody knows whether the create was accepted; the run ends in a state named `Uncertain`.
        OctopusXError: The message says what happened, to which task, and how to go on.
    """
    await forget_queries(logger=get_run_logger())
    destination = await resolve_destination(destination)
    if deployment.id and isinstance(destination, LocalDestination) and not came_back():
        _warn_of_a_folder_that_may_vanish(destination.folder)
    name = check_name(name) if name else await default_name(request)
    # Found here, since a task without a flow around this one is not seen from the task that is called.
    asked_by = await top_run_id() if retry_failed or on_uncertain == "resubmit" else None
    way = await way_to_wait(wait, [request], destination=destination, logger=get_run_logger())
    async with comes_back_later(name):
        known = await in_the_making(request, name=name, destination=destination) if way == "reschedule" else None
        given: Any = {
            "name": name,
            "destination": destination,
            "on_uncertain": on_uncertain,
            "retry_failed": retry_failed,
            "asked_by": asked_by,
        }
        if known is None and (held := await held_back(request, max_lateness, **given)):
            return Cancelled(name="TooLate", message=held)  # type: ignore[return-value] # Prefect takes a state
        try:
            record = known or await create_video(request, credentials=credentials, lease=lease, **given)
        except SubmissionUncertain as error:
            if retries_are_left():
                raise  # Prefect retries a flow only where its code raises
            # A failed state with a name of its own, to be seen and to be told apart by automations; it raises as usual.
            return await exception_to_failed_state(error, name="Uncertain")  # type: ignore[return-value]
        await forget_queries(logger=get_run_logger(), all_is_sent=True)
        if record.state is RecordState.COMPLETED:
            get_run_logger().info("%s: already stored at %s; nothing to do", name, record.uri)
            await report_found(destination, record, logger=get_run_logger())
            return completed(record, f"Nothing to do. {in_words(record)}: {record.uri}")
        if way == "none":
            get_run_logger().info("%s: submitted, task %s; not waited for", name, record.task_id)
            return completed(record, f"Submitted, not waited for: task {record.task_id}")
        if way == "reschedule":
            await leave_until_ready(record, credentials=credentials, poll_interval=poll_interval, deadline=deadline)
        task = await wait_for_video(
            record, destination=destination, credentials=credentials, poll_interval=poll_interval, deadline=deadline
        )
        saved = await save_video(record, task, destination=destination, credentials=credentials)
        return completed(saved, f"{in_words(saved)}: {saved.uri}")


def _warn_of_a_folder_that_may_vanish(folder: Path) -> None:
    if not folder.expanduser().is_absolute():
        get_run_logger().warning(
            "destination: the folder %s is relative to where the worker runs this flow. If that is a temporary folder, "
            "videos and records are lost with it, and a retry pays again: give a bucket, or an absolute path",
            folder,
        )
