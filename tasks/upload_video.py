"""Storing a local video file, for pipelines that worked on it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from prefect import get_run_logger, task

from prefect_octopusx.blocks import Destination
from prefect_octopusx.storage import RecordState, VideoRecord, current, save
from prefect_octopusx.tasks.events import open_store
from prefect_octopusx.tasks.retries import FREE_STEP, destination_is_away
from prefect_octopusx.tasks.submittable import submittable
from prefect_octopusx.tasks.video_report import report

__all__ = ["upload_video"]

_CHUNK = 2**20


@submittable
@task(
    name="upload-video",
    task_run_name="upload {record.model} {record.name}",
    **(FREE_STEP | {"retry_condition_fn": destination_is_away}),
)
async def upload_video(path: Path | str, record: VideoRecord, *, destination: Destination | None = None) -> VideoRecord:
    """Store a local mp4 as the video of `record`, with the checks of `save_video`, and complete the record.

    A record that is completed already stays as it is, and nothing is uploaded.

    Args:
        path: The file, for example what became of `download_video`'s.
        record: The record from `create_video`.
        destination: Where to; `s3-destination/default` by default, else the folder `videos`.

    Returns:
        The record, `completed`.

    Raises:
        FileNotFoundError: There is no such file.
        DownloadError: The file is not a whole mp4.
        DestinationError: The destination can't be used.
    """
    path = Path(path)
    store = await open_store(destination)
    logger = get_run_logger()
    saved = (await current(store, record)).record
    if saved.state is not RecordState.COMPLETED:  # else stored once: by an earlier attempt, or by another run
        size = path.stat().st_size
        saved = await save(store, record, _chunks(path), declared_length=size, content_type="video/mp4")
        logger.info("%s: stored %s, %d bytes, sha256 %s", saved.name, saved.uri, saved.size, saved.sha256)
    await report(store, saved, logger=logger)
    return saved


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            yield chunk
