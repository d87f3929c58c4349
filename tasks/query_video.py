"""Asking once how a video is doing."""

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.tasks import exponential_backoff

from prefect_octopusx.api import VideoTask
from prefect_octopusx.blocks import OctopusXCredentials, resolve_credentials
from prefect_octopusx.tasks.retries import retry_helps

__all__ = ["query_video"]


@task(
    name="query-video",
    task_run_name="query {task_id}",
    retries=4,
    retry_delay_seconds=exponential_backoff(5),
    retry_jitter_factor=0.3,
    retry_condition_fn=retry_helps,
    cache_policy=NO_CACHE,
    persist_result=False,
)
async def query_video(
    task_id: str, *, alt_ids: tuple[str, ...] = (), credentials: OctopusXCredentials | None = None
) -> VideoTask:
    """Ask once how a video is doing: `GET /v1/video/query`. Free. To wait for it, use `wait_for_video`.

    Args:
        task_id: The id from the create, verbatim.
        alt_ids: Other ids of the same task, tried where the gateway does not know the first.
        credentials: The API key; found as `resolve_credentials` says by default.

    Raises:
        TaskNotFound: The gateway knows none of the ids.
        OctopusXError: There is no usable answer.
    """
    async with (await resolve_credentials(credentials)).client(logger=get_run_logger()) as client:
        return await client.query_video(task_id, alt_ids=alt_ids)
