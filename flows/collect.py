"""The janitor: every video that is not over is looked at once, and what is ready is stored."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import Annotated

from prefect import flow, get_run_logger
from prefect.artifacts import acreate_table_artifact
from prefect.runtime import flow_run
from pydantic import BaseModel, ConfigDict, Field

from prefect_octopusx.api import OctopusXError, TaskState
from prefect_octopusx.api.documented import fields_in_help
from prefect_octopusx.blocks import (
    Destination,
    LocalDestination,
    OctopusXCredentials,
    S3Destination,
    resolve_destination,
)
from prefect_octopusx.flows.options import CanBeEmpty
from prefect_octopusx.storage import RecordState, VideoRecord
from prefect_octopusx.tasks import PendingVideo, find_pending, save_video
from prefect_octopusx.tasks.runs import completed
from prefect_octopusx.tasks.video_report import lasting_links

__all__ = ["CollectedVideo", "collect_videos"]


@fields_in_help
class CollectedVideo(BaseModel):
    """One row of the report: a video that was not over when the run began."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="The video.")
    state: RecordState = Field(description="As it is now.")
    age: float = Field(description="Seconds since the create was claimed.")
    task_id: str | None = Field(default=None, description="The id at OctopusX.")
    uri: str | None = Field(default=None, description="Where it is stored, once it is.")
    note: str = Field(default="", description="What a person should know, in a few words.")


def _run_name() -> str:
    destination = flow_run.parameters.get("destination")
    given = isinstance(destination, S3Destination | LocalDestination)
    return f"collect {_where(destination)}" if given else "collect"


@flow(name="collect-videos", flow_run_name=_run_name)
async def collect_videos(
    destination: CanBeEmpty[S3Destination | LocalDestination] = None,
    credentials: CanBeEmpty[OctopusXCredentials] = None,
    requests_per_minute: Annotated[float, Field(gt=0, le=6000)] = 120.0,
    transfers: Annotated[int, Field(ge=1, le=32)] = 4,
) -> list[CollectedVideo]:
    """Store every video at the destination that was submitted and is ready by now. Sends nothing, costs nothing.

    The second half of `generate_video(..., wait="none")`, and what picks up after cancelled, crashed and timed-out
    runs. Each pending video is asked for once; what is not ready stays for the next run. Run it every few minutes.

    Args:
        destination: Where the records are. Left out, `s3-destination/default`, else the folder `videos`.
        credentials: The API key. Left out, `octopusx-credentials/default`, else the Secret `octopusx-api-key`, else
            the environment variable `OCTOPUSX_API_KEY`.
        requests_per_minute: How often the API is asked, all videos together.
        transfers: How many videos are stored at the same time.

    Returns:
        A row for each video that was pending when the run began, oldest first; the artifact `collected-videos` shows
        the same.

    Raises:
        RuntimeError: Some videos are ready and could not be stored; the others were.
        OctopusXError: The destination or the key can't be used.
    """
    logger = get_run_logger()
    destination = await resolve_destination(destination)
    found = await find_pending(
        destination=destination, credentials=credentials, requests_per_minute=requests_per_minute
    )
    rows = await _collect(found, destination, credentials, transfers)
    for row in rows:
        logger.info("%s: %s, task %s, %s old: %s", row.name, row.state, row.task_id, _age(row.age), row.note)
    stored = [row.name for row in rows if row.state is RecordState.COMPLETED]
    links = await lasting_links(await destination.store(), stored)
    await acreate_table_artifact(
        [
            row.model_dump(mode="json") | {"age": _age(row.age)} | ({"link": links.get(row.name, "")} if links else {})
            for row in rows
        ],
        key="collected-videos",
        description=f"Pending videos at {_where(destination)}",
    )
    unsaved = [row.name for row in rows if row.note.startswith(_UNSAVED)]
    if unsaved:
        raise RuntimeError(
            f"{_summary(rows)}. Ready, but not stored: {', '.join(unsaved[:20])}. See their task runs; the next run "
            "tries again"
        )
    return completed(rows, _summary(rows))


async def _collect(
    found: list[PendingVideo], destination: Destination, credentials: OctopusXCredentials | None, transfers: int
) -> list[CollectedVideo]:
    seats = asyncio.Semaphore(transfers)

    async def finish(video: PendingVideo) -> CollectedVideo:
        if video.task is None or video.task.state is not TaskState.SUCCEEDED:
            return _row(video.record, video.note)
        async with seats:
            try:
                saved = await save_video(video.record, video.task, destination=destination, credentials=credentials)
            except OctopusXError as error:
                return _row(video.record, f"{_UNSAVED}: {error}")
        return _row(saved, "stored")

    return list(await asyncio.gather(*(finish(video) for video in found)))


_UNSAVED = "ready, but could not be stored"


def _row(record: VideoRecord, note: str) -> CollectedVideo:
    age = (datetime.now(UTC) - record.claimed_at).total_seconds()
    return CollectedVideo(
        name=record.name, state=record.state, age=age, task_id=record.task_id, uri=record.uri, note=note
    )


def _summary(rows: list[CollectedVideo]) -> str:
    counts = Counter(row.state for row in rows)
    return ", ".join(f"{counts[state]} {state}" for state in RecordState if counts[state]) or "nothing is pending"


def _age(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes:.0f} min" if hours < 2 else f"{hours:.0f} h"


def _where(destination: Destination) -> str:
    if isinstance(destination, LocalDestination):
        return str(destination.folder)
    return f"s3://{destination.bucket}/{destination.prefix}"
