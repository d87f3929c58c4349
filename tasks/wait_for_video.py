"""Waiting for a video, in one task run."""

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import task_run
from prefect.tasks import exponential_backoff

from prefect_octopusx.api import TaskState, VideoFailed, VideoTask
from prefect_octopusx.blocks import Destination, OctopusXCredentials, resolve_credentials
from prefect_octopusx.storage import VideoRecord, fail, failure
from prefect_octopusx.tasks.events import open_store
from prefect_octopusx.tasks.progress import Progress, artifact_key
from prefect_octopusx.tasks.retries import retry_helps
from prefect_octopusx.tasks.runs import started_at
from prefect_octopusx.tasks.steps import watch_video
from prefect_octopusx.tasks.submittable import submittable

__all__ = ["wait_for_video"]


def _run_name() -> str:
    video = task_run.parameters["video"]
    return f"wait for {video.model} {video.name}" if isinstance(video, VideoRecord) else f"wait for {video}"


@submittable
@task(
    name="wait-for-video",
    task_run_name=_run_name,
    retries=6,
    retry_delay_seconds=exponential_backoff(10),
    retry_jitter_factor=0.3,
    retry_condition_fn=retry_helps,
    cache_policy=NO_CACHE,
    persist_result=False,
)
async def wait_for_video(
    video: VideoRecord | str,
    *,
    destination: Destination | None = None,
    credentials: OctopusXCredentials | None = None,
    poll_interval: float | None = None,
    deadline: float | None = None,
) -> VideoTask:
    """Ask about a video until it is ready. All looks happen in this one task run; retries go on with the same id.

    Args:
        video: The record from `create_video`, or a task id (of a video made in another way).
        destination: Where the record is, so that a failure is noted there. Not used with a task id.
        credentials: The API key; found as `resolve_credentials` says by default.
        poll_interval: Seconds between looks. By default the pacing decides: first after 10 s, then every 15 to 60 s.
        deadline: Seconds after the submission at which to stop; 3600 by default, 49 hours for an off-peak video.

    Returns:
        The task, succeeded, with its `video_url`.

    Raises:
        VideoFailed: The API's final word, with its reason. Not retried.
        VideoTimeout: The deadline passed; the video may still finish. Not retried. Also a `TimeoutError`.
        OctopusXError: There is no usable answer, even after retries.
    """
    logger = get_run_logger()
    record = video if isinstance(video, VideoRecord) else None
    name = record.name if record else str(video)
    task_id = (record.task_id if record else str(video)) or ""
    submitted_at = record.submitted_at.timestamp() if record and record.submitted_at else started_at()
    progress = Progress(artifact_key(name), f"{name} ({record.model})" if record else name, submitted_at, logger)
    async with (await resolve_credentials(credentials)).client(logger=logger) as client:
        task = await watch_video(
            client,
            video,
            submitted_at=submitted_at,
            poll_interval=poll_interval,
            deadline=deadline,
            on_look=progress.show,
            logger=logger,
        )
    if task.state is not TaskState.FAILED:
        return task
    if record is None:
        raise VideoFailed(f"Task {task_id} failed: {task.error or 'the API gave no reason'}", task_id=task_id)
    store = await open_store(destination)
    raise failure(await fail(store, record, task))
