"""Fetching a finished video; its links expire, so a retry asks for a fresh one."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from prefect_octopusx.api import DownloadError, OctopusXClient, TaskState, VideoFailed, VideoTask
from prefect_octopusx.api.download import VideoStream
from prefect_octopusx.storage import DestinationError, VideoRecord

__all__ = ["fetch_video", "paid_for"]


T = TypeVar("T")


async def fetch_video(
    client: OctopusXClient,
    record: VideoRecord,
    *,
    task: VideoTask | None,
    deliver: Callable[[VideoStream], Awaitable[T]],
) -> T:
    """Open the video of `record` and return what `deliver` makes of it.

    Args:
        client: The gateway.
        record: The record of a submitted video.
        task: A task whose link is still good; without it, the API is asked for a fresh link.
        deliver: Takes the open stream to where it is to go.

    Raises:
        DownloadError: It could not be fetched whole.
        VideoFailed: It failed after all.
        DestinationError: The store can't be used.
    """
    url = task.video_url if task is not None and task.video_url else await _fresh_link(client, record)
    async with client.open_video(url) as video:
        return await deliver(video)


@contextmanager
def paid_for(record: VideoRecord) -> Iterator[None]:
    """Let errors say which video and task they concern, and that nothing is lost."""
    try:
        yield
    except (DownloadError, DestinationError) as error:
        raise type(error)(
            f"{record.name}, task {record.task_id}: {str(error.args[0]).rstrip('.')}. The video is paid for and its "
            "record is kept: run the same request under the same name again to fetch it, within a day",
            status=error.status,
            code=error.code,
            task_id=record.task_id,
        ) from error


async def _fresh_link(client: OctopusXClient, record: VideoRecord) -> str:
    if record.task_id is None:
        raise VideoFailed(f"{record.name} was never submitted (its record says {record.state}); there is no video")
    task = await client.query_video(record.task_id, alt_ids=record.alt_ids)
    if task.state is TaskState.FAILED:
        raise VideoFailed(f"{record.name}: task {task.id} failed: {task.error or 'no reason given'}", task_id=task.id)
    if task.state is TaskState.SUCCEEDED:
        return task.video_url or client.content_url(record.task_id)
    raise DownloadError(f"it is {task.state}, there is nothing to fetch yet")
