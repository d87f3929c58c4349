"""A task id becomes a verified video in a bucket."""

from typing import Annotated

from prefect import flow, get_run_logger
from pydantic import Field

from prefect_octopusx.blocks import LocalDestination, OctopusXCredentials, S3Destination, resolve_destination
from prefect_octopusx.flows.options import CanBeEmpty, OptionalRequest, Positive
from prefect_octopusx.flows.parameters import forget_queries
from prefect_octopusx.storage import RecordState, VideoRecord, check_name, failure
from prefect_octopusx.tasks import adopt_task, query_video, save_video, wait_for_video
from prefect_octopusx.tasks.runs import completed
from prefect_octopusx.tasks.video_report import in_words, report_found

__all__ = ["adopt_video"]


@flow(name="adopt-video", flow_run_name="{name} (adopts {task_id})")
async def adopt_video(
    task_id: Annotated[str, Field(min_length=1)],
    name: str,
    destination: CanBeEmpty[S3Destination | LocalDestination] = None,
    credentials: CanBeEmpty[OctopusXCredentials] = None,
    request: OptionalRequest = None,
    poll_interval: CanBeEmpty[Positive] = None,
    deadline: CanBeEmpty[Positive] = None,
) -> VideoRecord:
    """Take over a video that was created already: wait for it and store it. Nothing is sent, nothing is paid.

    For a create without a certain answer whose task is found in the OctopusX dashboard, for an id that could not be
    written down, and for videos that other tools asked for.

    Args:
        task_id: The task's id, as the dashboard or the error shows it.
        name: The video's name at the destination; of an uncertain create, the name that it was sent under.
        destination: Where to. Left out, the saved block `s3-destination/default`, else the folder `videos`.
        credentials: The API key, of the account that created the task. Left out, `octopusx-credentials/default`, else
            the Secret `octopusx-api-key`, else the environment variable `OCTOPUSX_API_KEY`.
        request: What it was made from, where that is known and no record tells: then `generate_video` with the same
            request and name finds it.
        poll_interval: Seconds between looks while waiting; left out, a pacing that fits the model.
        deadline: Seconds after the submission at which waiting ends; 3600 by default, 49 hours for off-peak.

    Returns:
        The record, completed.

    Raises:
        TaskNotFound: The gateway does not know the id. Nothing was written.
        NameTaken: The name stands for another task or request.
        VideoFailed: The video failed; the record says so.
        ValueError: `task_id` is blank, or the name can't name a video.
        OctopusXError: The message says what happened, and how to go on.
    """
    await forget_queries(logger=get_run_logger())
    name = check_name(name)
    task_id = task_id.strip()
    if not task_id:
        raise ValueError("task_id: it is blank; give the id as the OctopusX dashboard or the error shows it")
    destination = await resolve_destination(destination)
    await query_video(task_id, credentials=credentials)  # a wrong id must not get a record
    record = await adopt_task(task_id, name=name, destination=destination, request=request)
    await forget_queries(logger=get_run_logger(), all_is_sent=True)
    if record.state is RecordState.FAILED:
        raise failure(record)
    if record.state is RecordState.COMPLETED:
        get_run_logger().info("%s: already stored at %s; nothing to do", name, record.uri)
        await report_found(destination, record, logger=get_run_logger())
        return completed(record, f"Nothing to do. {in_words(record)}: {record.uri}")
    task = await wait_for_video(
        record, destination=destination, credentials=credentials, poll_interval=poll_interval, deadline=deadline
    )
    saved = await save_video(record, task, destination=destination, credentials=credentials)
    return completed(saved, f"{in_words(saved)}: {saved.uri}")
