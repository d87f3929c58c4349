"""Where a finished video is to be fetched; links expire, so a retry asks for a fresh one."""

from prefect_octopusx.api import DownloadError, OctopusXClient, TaskState, VideoFailed, VideoTask
from prefect_octopusx.storage import VideoRecord

__all__ = ["video_link"]


async def video_link(client: OctopusXClient, record: VideoRecord, task: VideoTask | None) -> str:
    """Return the URL of the record's video: that of `task` if given, else a fresh one.

    Raises:
        VideoFailed: It failed after all.
        DownloadError: It is not ready.
    """
    if task is not None and task.video_url:
        return task.video_url
    if record.task_id is None:
        raise VideoFailed(f"{record.name} was never submitted (its record says {record.state}); there is no video")
    task = await client.query_video(record.task_id, alt_ids=record.alt_ids)
    if task.state is TaskState.FAILED:
        raise VideoFailed(f"{record.name}: task {task.id} failed: {task.error or 'no reason given'}", task_id=task.id)
    if task.state is TaskState.SUCCEEDED:
        return task.video_url or client.content_url(record.task_id)
    raise DownloadError(
        f"{record.name}: task {task.id} is {task.state}; there is nothing to fetch yet", task_id=task.id
    )
