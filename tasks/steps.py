"""The steps of a video's way, for the tasks that do one of them and for the task that does all."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from prefect_octopusx.api import (
    OctopusXClient,
    RequestScheduler,
    SubmissionUncertain,
    TaskNotFound,
    VideoRequest,
    VideoTask,
    VideoTimeout,
    wait_until_final,
)
from prefect_octopusx.api.download import VideoStream
from prefect_octopusx.storage import OnUncertain, RecordState, VideoRecord, VideoStore, current, save, submit
from prefect_octopusx.tasks.fetching import fetch_video, paid_for
from prefect_octopusx.tasks.runs import flow_run_id
from prefect_octopusx.tasks.uncertainty import show_uncertain

__all__ = ["Logger", "store_video", "submit_video", "watch_video"]

Logger = logging.Logger | logging.LoggerAdapter[Any]


async def submit_video(
    store: VideoStore,
    client: OctopusXClient,
    request: VideoRequest,
    *,
    name: str,
    on_uncertain: OnUncertain,
    retry_failed: bool,
    asked_by: str | None,
    top_run: str | None = None,
    lease: float,
    turn: Callable[[], AbstractAsyncContextManager[None]],
    logger: Logger,
) -> VideoRecord:
    """Submit, once, in a `turn`.

    Where nobody knows whether a create was accepted, an artifact shows what a person needs to decide. The arguments and
    errors are those of `storage.submit`.
    """
    try:
        return await submit(
            store,
            client,
            request,
            name=name,
            flow_run_id=flow_run_id(),
            on_uncertain=on_uncertain,
            retry_failed=retry_failed,
            asked_by=asked_by,
            top_run_id=top_run,
            lease=lease,
            turn=turn,
            logger=logger,
        )
    except SubmissionUncertain:
        await show_uncertain(store, name, logger)
        raise


async def watch_video(
    client: OctopusXClient,
    video: VideoRecord | str,
    *,
    submitted_at: float,
    poll_interval: float | None,
    deadline: float | None,
    on_look: Callable[[VideoTask], Awaitable[None]],
    logger: Logger,
    scheduler: RequestScheduler | None = None,
) -> VideoTask:
    """Ask about a video until it is final; errors name it, and the way on.

    Args:
        client: The gateway.
        video: Its record, or a task id alone.
        submitted_at: Unix seconds.
        poll_interval: Seconds between looks; by default the pacing decides.
        deadline: Seconds after the submission at which to stop.
        on_look: Called at each answer.
        logger: The run's logger.
        scheduler: The budget of requests that it shares with others.

    Raises:
        TaskNotFound: The gateway does not know it.
        VideoTimeout: The deadline passed.
        OctopusXError: There is no usable answer.
    """
    record = video if isinstance(video, VideoRecord) else None
    task_id = (record.task_id if record else str(video)) or ""
    try:
        return await wait_until_final(
            client,
            task_id,
            alt_ids=record.alt_ids if record else (),
            submitted_at=submitted_at,
            family=record.family if record else None,
            off_peak=record.off_peak if record else False,
            poll_interval=poll_interval,
            deadline=deadline,
            on_look=on_look,
            logger=logger,
            scheduler=scheduler,
        )
    except TaskNotFound as error:
        if record is None:
            raise
        raise TaskNotFound(
            f"{error.args[0]}. The gateway may have lost it, or the key is of another account: run again with the "
            f"right key. To give it up and pay for a new video, remove {record.name}.json from the destination, or use "
            "another name",
            status=error.status,
            code=error.code,
            request_id=error.request_id,
            task_id=task_id,
        ) from None
    except VideoTimeout as error:
        same = f"run the same request under the name {record.name!r}" if record else "wait for this task id"
        raise VideoTimeout(
            f"{error.args[0]}. To pick it up, {same} again, with a longer `deadline`", task_id=task_id
        ) from None


async def store_video(
    store: VideoStore, client: OctopusXClient, record: VideoRecord, task: VideoTask | None, *, logger: Logger
) -> VideoRecord:
    """Stream a finished video to its store, unless it is there already, and complete its record.

    Args:
        store: Where to.
        client: The gateway.
        record: The record of a submitted video.
        task: A task whose link is still good; without it, the API is asked for a fresh one.
        logger: The run's logger.

    Raises:
        DownloadError: The video could not be fetched whole.
        DestinationError: The destination can't be used.
        VideoFailed: It failed after all.
    """

    async def to_store(video: VideoStream) -> VideoRecord:
        return await save(
            store, record, video.chunks, declared_length=video.declared_length, content_type=video.content_type
        )

    with paid_for(record):
        known = (await current(store, record)).record
        if known.state is RecordState.COMPLETED:
            return known  # another run was quicker, or an earlier attempt ended after its last write
        saved = await fetch_video(client, record, task=task, deliver=to_store)
    logger.info("%s: stored %s, %d bytes, sha256 %s", saved.name, saved.uri, saved.size, saved.sha256)
    return saved
