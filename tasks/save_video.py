"""Bringing a finished video to its destination, checked."""

from prefect import get_run_logger, task

from prefect_octopusx.api import VideoTask
from prefect_octopusx.blocks import Destination, OctopusXCredentials, resolve_credentials
from prefect_octopusx.storage import VideoRecord
from prefect_octopusx.tasks.events import open_store
from prefect_octopusx.tasks.retries import FREE_STEP
from prefect_octopusx.tasks.runs import attempt
from prefect_octopusx.tasks.steps import store_video
from prefect_octopusx.tasks.submittable import submittable
from prefect_octopusx.tasks.video_report import report

__all__ = ["save_video"]


@submittable
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
    store = await open_store(destination)
    async with (await resolve_credentials(credentials)).client(logger=logger) as client:
        saved = await store_video(store, client, record, task if attempt() == 1 else None, logger=logger)
    await report(store, saved, logger=logger)
    return saved
