"""Taking over a task id that no record holds: lost in a crash, found in the dashboard, or made by another tool."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from prefect_octopusx.api.requests import VideoRequest
from prefect_octopusx.storage.claims import CONFLICT_DELAYS, OtherRun, refuse_foreign_video, refuse_missing_video
from prefect_octopusx.storage.errors import DestinationUnavailable, NameTaken, RecordConflict
from prefect_octopusx.storage.names import check_name
from prefect_octopusx.storage.records import RecordState, VideoRecord
from prefect_octopusx.storage.store import Entry, VideoStore
from prefect_octopusx.storage.verdicts import name_taken, sent_at

__all__ = ["adopt"]


async def adopt(
    store: VideoStore,
    task_id: str,
    *,
    name: str,
    request: VideoRequest | None = None,
    flow_run_id: str | None = None,
    logger: "logging.Logger | logging.LoggerAdapter[Any] | None" = None,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> VideoRecord:
    """Make `name` stand for a task that exists already, and return its record. Sends nothing, costs nothing.

    An undecided create under the name gets this task as its outcome. A create that is on its way is followed until it
    is over. What failed, was refused or did not get through goes into the history.

    Args:
        store: Where the record is kept.
        task_id: The task's id, verbatim.
        name: The name it is to have.
        request: What it was made from, where that is known; without it, a new record tells nothing of it.
        flow_run_id: Noted in the record.
        logger: Where to say what was found.
        clock: Returns Unix seconds.
        sleep: Waits some seconds.

    Raises:
        NameTaken: The name stands for another task or another request, or for a file that no record explains.
        DestinationError: The destination can't be used.
        DestinationUnavailable: It does not answer, or others kept writing the record; trying again may help.
        ValueError: The name can't name a video.
    """
    logger = logger or logging.getLogger(__name__)
    new = _draft(task_id, check_name(name), request, flow_run_id, datetime.fromtimestamp(clock(), UTC))
    other = OtherRun()
    conflicts = iter(CONFLICT_DELAYS)
    while True:
        entry = await store.read(name)
        if entry is not None and entry.record.state is RecordState.SUBMITTING and other.lives(entry):
            if other.is_new:
                logger.info("%s: a run is submitting it; following", name)
            await sleep(other.next_look)
            continue
        try:
            return await _write(store, entry, new, known_request=request is not None)
        except RecordConflict:
            delay = next(conflicts, None)
            if delay is None:
                raise DestinationUnavailable(f"{name}: others kept writing its record; try again later.") from None
            await sleep(delay)


async def _write(store: VideoStore, entry: Entry | None, new: VideoRecord, *, known_request: bool) -> VideoRecord:
    if entry is None:
        await refuse_foreign_video(store, new.name)
        await store.mark(new.name, new.claim)
        return (await store.create(new)).record
    record = entry.record
    if record.task_id == new.task_id or new.task_id in record.alt_ids:
        await refuse_missing_video(store, record)
        return record
    if record.state in {RecordState.SUBMITTED, RecordState.COMPLETED}:
        raise NameTaken(
            f"name: {record.name!r} stands for task {record.task_id} ({record.model}, {record.state}, sent "
            f"{sent_at(record)}), not for {new.task_id}. Adopt it under another name",
            task_id=new.task_id,
        )
    if record.state in {RecordState.SUBMITTING, RecordState.UNCERTAIN}:
        if known_request and record.digest != new.digest:
            raise name_taken(record)
        # The claim stays the same, and so does its mark. The create was sent about when it was claimed.
        found = {"task_id": new.task_id, "submitted_at": record.claimed_at, "flow_run_id": new.flow_run_id}
        undecided = record.moved(RecordState.SUBMITTED, **found, error=None, error_code=None, renewed_at=None)
        return (await store.replace(entry, undecided)).record
    await store.mark(new.name, new.claim)
    same = {} if known_request else record.model_dump(include={"model", "family", "request", "digest", "off_peak"})
    return (await store.replace(entry, new.model_copy(update={**same, "earlier": record.superseded()}))).record


def _draft(
    task_id: str, name: str, request: VideoRequest | None, flow_run_id: str | None, now: datetime
) -> VideoRecord:
    return VideoRecord(
        name=name,
        state=RecordState.SUBMITTED,
        model=request.model if request else "unknown",
        family=request.family if request else "unknown",
        request=request.recorded() if request else {},
        digest=request.digest if request else hashlib.sha256(f"adopted {task_id}".encode()).hexdigest(),
        off_peak=request.is_off_peak if request else False,
        claim=uuid4().hex,
        flow_run_id=flow_run_id,
        task_id=task_id,
        claimed_at=now,
        submitted_at=now,
    )
