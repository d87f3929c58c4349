"""Finding every video that is not over, and asking once how each is doing."""

import asyncio
import logging
import traceback
from typing import Any, NamedTuple

from prefect import get_run_logger, task

from prefect_octopusx.api import (
    AccessDenied,
    AuthenticationError,
    OctopusXClient,
    OctopusXError,
    RateLimited,
    RequestScheduler,
    TaskNotFound,
    TaskState,
    VideoTask,
)
from prefect_octopusx.api.redact import redact
from prefect_octopusx.blocks import Destination, OctopusXCredentials, resolve_credentials
from prefect_octopusx.storage import (
    Entry,
    NameTaken,
    RecordConflict,
    RecordState,
    VideoRecord,
    fail,
    pending_videos,
    settle_if_dead,
)
from prefect_octopusx.tasks.budget import budget_of
from prefect_octopusx.tasks.events import open_store
from prefect_octopusx.tasks.retries import FREE_STEP
from prefect_octopusx.tasks.submittable import submittable

__all__ = ["PendingVideo", "find_pending"]

_MOST_429 = 5


class PendingVideo(NamedTuple):
    """A video that is not over, or was not until just now.

    Attributes:
        record: Its record, as it is now.
        task: What the API said, if it was asked and gave an answer.
        note: What a person should know, in a few words.
    """

    record: VideoRecord
    task: VideoTask | None
    note: str


@submittable
@task(name="find-pending", **FREE_STEP)
async def find_pending(
    *,
    destination: Destination | None = None,
    credentials: OctopusXCredentials | None = None,
    requests_per_minute: float = 120.0,
) -> list[PendingVideo]:
    """Find every record that is submitting, submitted or uncertain, and ask the API once for each submitted one.

    What failed is noted in its record. A claim whose run is dead becomes uncertain. Found by the index of pending
    videos, not by listing the destination.

    Args:
        destination: Where the records are; `s3-destination/default` by default, else the folder `videos`.
        credentials: The API key; found as `resolve_credentials` says by default.
        requests_per_minute: How often the API is asked, all videos together. A 429 slows all. If a batch with the same
            key runs in this process, its budget is shared, at its rate.

    Returns:
        What was found, oldest first.

    Raises:
        AuthenticationError: The key is not accepted.
        DestinationError: The destination can't be used.
        ValueError: `requests_per_minute` is not above 0.
    """
    if requests_per_minute <= 0:
        raise ValueError(f"requests_per_minute: {requests_per_minute} is not above 0.")
    logger = get_run_logger()
    store = await open_store(destination)

    async def look(client: OctopusXClient, scheduler: RequestScheduler, entry: Entry) -> PendingVideo:
        try:
            return await _look(client, scheduler, entry)
        except OctopusXError:
            raise  # the key or the destination: it concerns all videos
        except Exception as error:  # noqa: BLE001 - an accident with one video does not stop the others
            told = redact(traceback.format_exc())  # nobody knows what is in such an error
            logger.error("%s, task %s: %s", entry.record.name, entry.record.task_id, told)  # noqa: TRY400
            return PendingVideo(entry.record, None, f"{type(error).__name__}, see the log")

    async def _look(client: OctopusXClient, scheduler: RequestScheduler, entry: Entry) -> PendingVideo:
        if entry.record.state is not RecordState.SUBMITTED:
            record = await settle_if_dead(store, entry)
            return PendingVideo(record, None, _UNDECIDED[record.state])
        found = await _ask(client, scheduler, entry.record, logger)
        if found.task is None or found.task.state is not TaskState.FAILED:
            return found
        try:
            failed = await fail(store, entry.record, found.task)
        except (RecordConflict, NameTaken) as error:
            return PendingVideo(entry.record, None, str(error))
        return PendingVideo(failed, found.task, failed.error or "")

    entries = [entry async for entry in pending_videos(store, logger=logger)]
    found_credentials = await resolve_credentials(credentials)
    async with (
        found_credentials.client(logger=logger) as client,
        budget_of(found_credentials, requests_per_minute, logger) as scheduler,
    ):
        looks = [asyncio.create_task(look(client, scheduler, entry)) for entry in entries]
        try:
            found = await asyncio.gather(*looks)
        finally:
            for unfinished in looks:
                unfinished.cancel()
    return sorted(found, key=lambda video: video.record.claimed_at)


_UNDECIDED = {
    RecordState.SUBMITTING: "a run is submitting it",
    RecordState.UNCERTAIN: "a person has to decide: adopt_video, or on_uncertain=resubmit",
}


async def _ask(
    client: OctopusXClient,
    scheduler: RequestScheduler,
    record: VideoRecord,
    logger: "logging.Logger | logging.LoggerAdapter[Any]",
) -> PendingVideo:
    for _ in range(_MOST_429):
        try:
            async with scheduler.look_turn():
                task = await client.query_video(record.task_id or "", alt_ids=record.alt_ids)
        except RateLimited as error:
            scheduler.slow_down(error.retry_after)
        except (AuthenticationError, AccessDenied):
            raise
        except OctopusXError as error:
            logger.warning("%s, task %s: %s", record.name, record.task_id, error)
            lost = isinstance(error, TaskNotFound)
            return PendingVideo(record, None, "the gateway does not know the task" if lost else "no usable answer")
        else:
            progress = f", {task.progress:.0f} %" if task.progress is not None and not task.final else ""
            return PendingVideo(record, task, f"{task.state}{progress}")
    return PendingVideo(record, None, "not asked: the gateway is too busy")
