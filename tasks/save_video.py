"""Bringing a finished video to its destination, checked."""

from prefect import get_run_logger, task

from prefect_octopusx.api import VideoTask
from prefect_octopusx.api.download import VideoStream
from prefect_octopusx.blocks import Destination, OctopusXCredentials, resolve_credentials, resolve_destination
from prefect_octopusx.storage import RecordState, VideoRecord, current, save
from prefect_octopusx.tasks.fetching import fetch_video, paid_for
from prefect_octopusx.tasks.retries import FREE_STEP
from prefect_octopusx.tasks.runs import attempt

__all__ = ["save_video"]


@task(
    name="save-video",
    task_run_name="save {record.model} {record.name}",
    **FREE_STEP,
)
async def save_video(
    record: VideoRecord,
    task: VideoTask | None = None,
    *,
    destination: Destination | None = None,
    credentials: OctopusXCredentials | None = None,
) -> VideoRecord:
    """Stream a finished video to the destination and complete its record.

    Memory stays constant. The video appears under its name only after its length, its structure and its checksum are
    verified; otherwise nothing is left. A retry asks the API for a fresh link first.

    Args:
        record: The record from `create_video`.
        task: The task from `wait_for_video`, whose link is used at first; without it, the API is asked.
        destination: Where to; `s3-destination/default` by default, else the folder `videos`.
        credentials: The API key; found as `resolve_credentials` says by default.

    Returns:
        The record, `completed`, with `uri`, `size` in bytes and `sha256`.

    Raises:
        DownloadError: The video could not be fetched whole, even with fresh links.
        DestinationError: The destination can't be used.
        VideoFailed: It failed after all.
    """
    logger = get_run_logger()
    store = await (await resolve_destination(destination)).store()

    async def to_destination(video: VideoStream) -> VideoRecord:
        return await save(
            store, record, video.chunks, declared_length=video.declared_length, content_type=video.content_type
        )

    with paid_for(record):
        known = (await current(store, record)).record
        if known.state is RecordState.COMPLETED:
            return known  # another run was quicker, or an earlier attempt ended after its last write
        async with (await resolve_credentials(credentials)).client(logger=logger) as client:
            saved = await fetch_video(client, record, task=task if attempt() == 1 else None, deliver=to_destination)
    logger.info("%s: stored %s, %d bytes, sha256 %s", saved.name, saved.uri, saved.size, saved.sha256)
    return saved
