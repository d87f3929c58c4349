"""Fetching a finished video; its links expire, so a retry asks for a fresh one."""

from prefect_octopusx.api import DownloadError, OctopusXClient, TaskState, VideoFailed, VideoTask
from prefect_octopusx.storage import StoredVideo, VideoRecord, VideoStore, transfer

__all__ = ["fetch_video"]


async def fetch_video(
    client: OctopusXClient, record: VideoRecord, store: VideoStore, *, task: VideoTask | None
) -> StoredVideo:
    """Stream the video of `record` into `store`, checked.

    Args:
        client: The gateway.
        record: The record of a submitted video.
        store: Where to.
        task: A task whose link is still good; without it, the API is asked for a fresh link.

    Raises:
        DownloadError: It could not be fetched whole. Names the video and the task.
        VideoFailed: It failed after all.
        DestinationError: The store can't be used.
    """
    try:
        url = task.video_url if task is not None and task.video_url else await _fresh_link(client, record)
        async with client.open_video(url) as video:
            return await transfer(
                store,
                record.name,
                video.chunks,
                declared_length=video.declared_length,
                content_type=video.content_type,
            )
    except DownloadError as error:
        raise DownloadError(
            f"{record.name}, task {record.task_id}: {str(error.args[0]).rstrip('.')}. The video is paid for and its "
            "record is kept: run the same request under the same name again to fetch it",
            status=error.status,
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
