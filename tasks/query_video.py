"""Asking once how a video is doing."""

from prefect import get_run_logger, task

from prefect_octopusx.api import VideoTask
from prefect_octopusx.blocks import OctopusXCredentials, resolve_credentials
from prefect_octopusx.tasks.retries import FREE_STEP
from prefect_octopusx.tasks.submittable import submittable

__all__ = ["query_video"]


@submittable
@task(
    name="query-video",
    task_run_name="query {task_id}",
    **FREE_STEP,
)
async def query_video(
    task_id: str, *, alt_ids: tuple[str, ...] = (), credentials: OctopusXCredentials | None = None
) -> VideoTask:
    """Ask once how a video is doing: `GET /v1/video/query`. Free. To wait for it, use `wait_for_video`.

    Args:
        task_id: The id from the create, verbatim.
        alt_ids: Other ids of the same task, tried where the gateway does not know the first.
        credentials: The API key; found as `resolve_credentials` says by default.

    Returns:
        The task as it is now: state, progress, and the video's link once it is there.

    Raises:
        TaskNotFound: The gateway knows none of the ids.
        OctopusXError: There is no usable answer.
    """
    async with (await resolve_credentials(credentials)).client(logger=get_run_logger()) as client:
        return await client.query_video(task_id, alt_ids=alt_ids)
