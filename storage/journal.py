"""How a record moves: what is written before a create, after it, and at the end.

This is where "paid once, stored once" is kept. The record is created with a conditional write before the create is
sent, the task id is written as soon as it is known, and `completed` is written after the video. So any later run with
the same name finds out what is left to do, on any machine, with nothing but the destination.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from datetime import UTC, datetime
from typing import Any

from prefect_octopusx.api.client import OctopusXClient
from prefect_octopusx.api.errors import InvalidRequest, OctopusXError, SubmissionUncertain
from prefect_octopusx.api.replies import TaskState, VideoTask
from prefect_octopusx.api.requests import VideoRequest
from prefect_octopusx.storage.claims import CONFLICT_DELAYS, Claimant, OnUncertain
from prefect_octopusx.storage.errors import (
    DestinationUnavailable,
    NameTaken,
    RecordConflict,
    RecordNotWritten,
)
from prefect_octopusx.storage.leases import HeldClaim
from prefect_octopusx.storage.names import check_name
from prefect_octopusx.storage.records import LEASE, RecordState, VideoRecord
from prefect_octopusx.storage.store import Entry, VideoStore
from prefect_octopusx.storage.threads import in_own_loop, to_the_end
from prefect_octopusx.storage.tidying import tidy, unmark
from prefect_octopusx.storage.verdicts import failure, uncertain

__all__ = ["complete", "current", "fail", "submit"]


async def submit(
    store: VideoStore,
    client: OctopusXClient,
    request: VideoRequest,
    *,
    name: str,
    flow_run_id: str | None = None,
    on_uncertain: OnUncertain = "stop",
    retry_failed: bool = False,
    asked_by: str | None = None,
    top_run_id: str | None = None,
    lease: float = LEASE,
    turn: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
    logger: "logging.Logger | logging.LoggerAdapter[Any] | None" = None,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> VideoRecord:
    """Make sure that the video `name` was submitted, once, and return its record: submitted, or already completed.

    Sends a create only if no record says that one was sent, or if that one surely did not get through.

    Args:
        store: Where the record is kept.
        client: The gateway.
        request: What to make.
        name: The idempotency key.
        flow_run_id: Noted in the record.
        on_uncertain: `resubmit` sends again where nobody knows whether an earlier create was accepted, at the risk of
            paying twice; `stop` raises.
        retry_failed: Whether to try anew, and pay for, what failed or was refused.
        asked_by: The run that the two options above were given to, flow run or other; what it left behind itself is not
            sent again because of them. `flow_run_id` by default.
        top_run_id: Noted in the record.
        lease: Seconds without a renewal after which others take this run for dead while its create is on the way.
        turn: Entered before a create is claimed, left when its answer is written down; what needs no create needs none.
        logger: Where to say what was found.
        clock: Returns Unix seconds.
        sleep: Waits some seconds.

    Raises:
        SubmissionUncertain: Nobody knows whether a create was accepted; the record says what was sent and when.
        VideoFailed: It failed earlier, and `retry_failed` is off.
        NameTaken: The name belongs to another request.
        RecordNotWritten: It was submitted, but its task id could not be written down; the error carries it.
        DestinationError: The destination can't be used. Nothing was sent.
        InvalidRequest: The API refused the request, now or earlier; the record says so.
        OctopusXError: The create did not get through; the record says so, and a later run sends it.
        ValueError: The name can't name a video.
    """
    logger = logger or logging.getLogger(__name__)
    claim = _draft(request, check_name(name), flow_run_id, lease, clock()).model_copy(update={"top_run_id": top_run_id})
    if retry_failed or on_uncertain == "resubmit":
        claim = claim.model_copy(update={"asked_by": asked_by or flow_run_id})
    async with AsyncExitStack() as in_turn:
        entry = await Claimant(
            store,
            claim,
            on_uncertain=on_uncertain,
            retry_failed=retry_failed,
            take_turn=lambda: in_turn.enter_async_context(turn()),
            logger=logger,
            clock=clock,
            sleep=sleep,
        ).take()
        if entry.record.state is RecordState.SUBMITTING:
            # From here to the written id, being cancelled or terminated would lose a paid video: both have to wait.
            held = HeldClaim(store, entry, logger=logger, sleep=sleep)
            return await to_the_end(in_own_loop(_send(store, client, request, held, logger=logger, clock=clock)))
    logger.info("%s: found %s, task %s", name, entry.record.state, entry.record.task_id)
    if entry.record.state is RecordState.COMPLETED:
        await tidy(store, entry.record)  # the run that completed it may have died just then
    return entry.record


async def complete(
    store: VideoStore,
    record: VideoRecord,
    *,
    uri: str,
    size: int,
    sha256: str,
    known: Entry | None = None,
    clock: Callable[[], float] = time.time,
) -> VideoRecord:
    """Write the commit mark: the whole, verified video of `record` is stored at `uri`.

    Args:
        store: Where the record is kept.
        record: The record of the submitted video.
        uri: Where the video is stored.
        size: Its length in bytes.
        sha256: Of the whole file, in hex.
        known: The record as it was read lately, to spare reading it; if it has changed since, it is read all the same.
        clock: Returns Unix seconds.

    Returns:
        The record, completed; by another run, if that was quicker.

    Raises:
        RecordConflict: The name stands for another task by now.
    """
    mark = {
        "uri": uri,
        "size": size,
        "sha256": sha256,
        "completed_at": _utc(clock()),
        "error": None,
        "error_code": None,
    }
    return await _settle(store, record, lambda record: record.moved(RecordState.COMPLETED, **mark), known=known)


async def fail(store: VideoStore, record: VideoRecord, task: VideoTask) -> VideoRecord:
    """Write down the API's final word on the video of `record`: it failed.

    Args:
        store: Where the record is kept.
        record: The record of the submitted video.
        task: What the API said.

    Returns:
        The record, failed.

    Raises:
        RecordConflict: The name stands for another task by now.
    """
    reason = {"error": task.error or "the API gave no reason", "error_code": task.error_code}
    failed = await _settle(store, record, lambda record: record.moved(RecordState.FAILED, **reason))
    await tidy(store, failed)
    return failed


def _draft(request: VideoRequest, name: str, flow_run_id: str | None, lease: float, now: float) -> VideoRecord:
    return VideoRecord(
        name=name,
        state=RecordState.SUBMITTING,
        model=request.model,
        family=request.family,
        request=request.recorded(),
        digest=request.digest,
        off_peak=request.is_off_peak,
        lease=lease,
        flow_run_id=flow_run_id,
        claimed_at=_utc(now),
    )


async def _send(
    store: VideoStore,
    client: OctopusXClient,
    request: VideoRequest,
    held: HeldClaim,
    *,
    logger: "logging.Logger | logging.LoggerAdapter[Any]",
    clock: Callable[[], float],
) -> VideoRecord:
    claim = held.record
    # A native retry of a create that did not get through does not warn again.
    first = all(attempt.digest != claim.digest for attempt in claim.earlier)
    try:
        async with held.renewing():
            task = await client.create_video(request, warn=first)
            # At once: until the record is written, the log is the only place that has it.
            logger.info("%s: submitted %s, task %s", claim.name, claim.model, task.id)
    except OctopusXError as error:
        noted = await _note_error(store, held, error, logger)
        if isinstance(error, SubmissionUncertain):
            raise uncertain(noted) from error
        raise
    found = {"task_id": task.id, "alt_ids": task.alt_ids, "submitted_at": _utc(clock()), "renewed_at": None}
    record = (await _write_down(held, claim.moved(RecordState.SUBMITTED, **found), logger)).record
    if task.state is TaskState.FAILED:
        record = await fail(store, record, task)
    if record.state is RecordState.FAILED:  # perhaps somebody else noted that, while our write seemed to fail
        raise failure(record)
    return record


async def _note_error(
    store: VideoStore, held: HeldClaim, error: OctopusXError, logger: "logging.Logger | logging.LoggerAdapter[Any]"
) -> VideoRecord:
    """Write down why there is no task id, and so what a later run may do."""
    state = RecordState.RELEASED
    if isinstance(error, SubmissionUncertain):
        state = RecordState.UNCERTAIN
    elif isinstance(error, InvalidRequest):
        state = RecordState.REFUSED
    noted = held.record.moved(state, error=str(error), error_code=error.code, renewed_at=None)
    try:
        await held.write(noted)
    except Exception as trouble:  # noqa: BLE001 - what became of the create is the error to raise
        logger.warning("%s: could not note in the record that the create was %s: %s", noted.name, state, trouble)
    else:
        if not state.is_pending:
            await unmark(store, noted.name, noted.claim)
    return noted


async def _write_down(
    held: HeldClaim, submitted: VideoRecord, logger: "logging.Logger | logging.LoggerAdapter[Any]"
) -> Entry:
    """Write a task id that is paid for; if that can't be, say it as loudly as can be."""
    try:
        return await held.write(submitted)
    except Exception as problem:
        left = (
            ""
            if isinstance(problem, RecordConflict)
            else ". The record still says that a create is on its way, so nothing is sent again by itself"
        )
        error = RecordNotWritten(
            f"{submitted.name}: task {submitted.task_id} was submitted and is paid for, but its record could not be "
            f"written ({problem}). Note this task id: `adopt_video` takes it over, under this name or another{left}",
            task_id=submitted.task_id,
        )
        logger.error("%s", error)  # noqa: TRY400 - no traceback; a cancelled run shows nothing but its log
        raise error from problem


async def current(store: VideoStore, record: VideoRecord) -> Entry:
    """Return the stored record of this very task; whoever is to touch its video asks here first.

    Args:
        store: Where it is kept.
        record: The record as it was known before.

    Raises:
        NameTaken: There is no record: somebody removed it, or this is another destination.
        RecordConflict: The name stands for another task by now.
    """
    entry = await store.read(record.name)
    if entry is None:
        raise NameTaken(
            f"name: there is no record of {record.name!r} beside {store.uri(record.name)}: somebody removed it, or the "
            "video was created with another `destination`",
            task_id=record.task_id,
        )
    if entry.record.task_id != record.task_id:
        raise RecordConflict(
            f"{record.name} stands for task {entry.record.task_id} at this destination, not for task {record.task_id}. "
            "Its record was left as it is",
            task_id=record.task_id,
        )
    return entry


async def _settle(
    store: VideoStore,
    record: VideoRecord,
    change: Callable[[VideoRecord], VideoRecord],
    *,
    known: Entry | None = None,
) -> VideoRecord:
    """Apply the last change to the record of this very task; a completed one stays as it is."""
    for delay in CONFLICT_DELAYS:
        entry, known = known or await current(store, record), None
        if entry.record.state is RecordState.COMPLETED:
            return entry.record
        try:
            return (await store.replace(entry, change(entry.record))).record
        except RecordConflict:
            await asyncio.sleep(delay)
    raise DestinationUnavailable(f"{record.name}: others kept writing its record; trying again may help")


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
