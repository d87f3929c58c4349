"""Fetching a finished video to a local file, for pipelines that work on it before it is stored."""

from pathlib import Path

from prefect import get_run_logger, task

from prefect_octopusx.api import VideoTask
from prefect_octopusx.api.download import VideoStream
from prefect_octopusx.blocks import OctopusXCredentials, resolve_credentials
from prefect_octopusx.storage import LocalStore, StoredVideo, VideoRecord, transfer
from prefect_octopusx.tasks.fetching import fetch_video, paid_for
from prefect_octopusx.tasks.retries import FREE_STEP
from prefect_octopusx.tasks.runs import attempt
from prefect_octopusx.tasks.submittable import submittable

__all__ = ["download_video"]


@submittable
@task(
    name="download-video",
    task_run_name="download {record.model} {record.name}",
    **FREE_STEP,
)
async def download_video(
    record: VideoRecord,
    task: VideoTask | None = None,
    *,
    folder: Path | str = "downloads",
    credentials: OctopusXCredentials | None = None,
) -> Path:
    """Fetch a finished video to `folder/NAME.mp4`, with the checks of `save_video`. The record does not change.

    Process the file in the same task run or on the same machine, then hand the result to `upload_video`.

    Args:
        record: The record from `create_video`.
        task: The task from `wait_for_video`, whose link is used at first; without it, the API is asked.
        folder: Where to; made at need.
        credentials: The API key; found as `resolve_credentials` says by default.

    Returns:
        The path of the file.

    Raises:
        DownloadError: The video could not be fetched whole, even with fresh links.
        DestinationError: The folder can't be written to.
        VideoFailed: It failed after all.
    """
    logger = get_run_logger()
    store = LocalStore(Path(folder))

    async def to_folder(video: VideoStream) -> StoredVideo:
        return await transfer(
            store, record.name, video.chunks, declared_length=video.declared_length, content_type=video.content_type
        )

    with paid_for(record):
        async with (await resolve_credentials(credentials)).client(logger=logger) as client:
            stored = await fetch_video(client, record, task=task if attempt() == 1 else None, deliver=to_folder)
        await store.sweep(record.name)  # what killed runs left
    logger.info("%s: downloaded %s, %d bytes", record.name, stored.uri, stored.size)
    return Path(stored.uri)
