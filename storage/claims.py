"""Who may send the create of a name: the one whose conditional write of the record succeeds."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from prefect_octopusx.api.client import CREATE_TIMEOUT
from prefect_octopusx.api.errors import SubmissionUncertain, VideoFailed
from prefect_octopusx.storage.errors import DestinationUnavailable, NameTaken, RecordConflict
from prefect_octopusx.storage.records import RecordState, VideoRecord
from prefect_octopusx.storage.store import Entry, VideoStore

__all__ = ["WRITE_DELAYS", "OnUncertain", "claim_name", "failure", "sent_at", "uncertain"]

OnUncertain = Literal["stop", "resubmit"]

WRITE_DELAYS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Seconds between tries of a record's write while the destination is away."""
_CLAIM_LIFE = CREATE_TIMEOUT + 60.0
"""Seconds after which a claim without a task id is nobody's any more: no create takes that long to be answered."""
_FOLLOW_INTERVAL = 2.0
_UNDECIDED = (RecordState.SUBMITTING, RecordState.UNCERTAIN)


async def claim_name(
    store: VideoStore,
    claim: VideoRecord,
    *,
    on_uncertain: OnUncertain,
    retry_failed: bool,
    logger: "logging.Logger | logging.LoggerAdapter[Any]",
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Entry:
    """Return our own claim (submitting: send now), or the record of a video that needs no create.

    A claim of another run is followed until it moves, or until it is so old that its run must be dead.

    Args:
        store: Where the record is.
        claim: The record to write, in state submitting, with a token of its own.
        on_uncertain: Whether an undecided create may be sent again.
        retry_failed: Whether a failed video may be paid for again.
        logger: Where to say that another run is followed.
        clock: Returns Unix seconds.
        sleep: Waits some seconds.

    Raises:
        SubmissionUncertain: Nobody knows whether an earlier create was accepted.
        VideoFailed: The video failed earlier.
        NameTaken: The name belongs to another request, or to a file that no record explains.
        DestinationError: The destination can't be used.
    """
    other = _OtherRun()
    troubles = iter(WRITE_DELAYS)
    wrote = False
    while True:
        try:
            entry = await store.read(claim.name)
            if entry is None:
                await _refuse_foreign_video(store, claim.name)
                wrote = True
                return await store.create(claim)
            record = entry.record
            if record.claim == claim.claim:
                return entry  # a write of ours that seemed to fail
            _check_request(record, claim)
            if record.state is RecordState.SUBMITTING and other.lives(record, now=clock()):
                if other.is_new:
                    logger.info("%s: another run is submitting it; following", claim.name)
                await sleep(_FOLLOW_INTERVAL)
                continue
            if _may_send(record, on_uncertain=on_uncertain, retry_failed=retry_failed):
                wrote = True
                return await store.replace(entry, claim.model_copy(update={"earlier": record.superseded()}))
        except RecordConflict:
            continue  # somebody was quicker: look again
        except DestinationUnavailable as error:
            # A write may have arrived all the same, and only this very claim can be told from another run's.
            delay = next(troubles, None) if wrote else None
            if delay is None:
                raise
            logger.warning("%s: %s", claim.name, error)
            await sleep(delay)
            continue
        _check_state(record)
        return entry


@dataclass
class _OtherRun:
    """Another run that holds the claim. It lives while its claim is young, by its clock and by our own patience."""

    claim: str = ""
    looks: int = 0

    def lives(self, record: VideoRecord, *, now: float) -> bool:
        self.looks = self.looks + 1 if record.claim == self.claim else 1
        self.claim = record.claim
        age = now - record.claimed_at.timestamp()
        return age < _CLAIM_LIFE and self.looks * _FOLLOW_INTERVAL < _CLAIM_LIFE

    @property
    def is_new(self) -> bool:
        return self.looks == 1


async def _refuse_foreign_video(store: VideoStore, name: str) -> None:
    if not await store.has_video(name):
        return
    if await store.read(name) is not None:
        raise RecordConflict(f"{name} was claimed and stored just now")
    raise NameTaken(
        f"name: {store.uri(name)} exists, but no record explains it; it is not overwritten. "
        "Choose another name, or move the file away"
    )


def _may_send(record: VideoRecord, *, on_uncertain: OnUncertain, retry_failed: bool) -> bool:
    return (
        record.state is RecordState.REFUSED
        or (record.state is RecordState.FAILED and retry_failed)
        or (record.state in _UNDECIDED and on_uncertain == "resubmit")
    )


def _check_request(record: VideoRecord, claim: VideoRecord) -> None:
    """Refuse another request under the name, unless the first one is over: refused or failed."""
    if record.digest == claim.digest or record.state in {RecordState.REFUSED, RecordState.FAILED}:
        return
    raise NameTaken(
        f"name: {record.name!r} already stands for another request ({record.model}, {record.state}, sent "
        f"{sent_at(record)}). A name is paid for once: give the new request a name of its own, or remove "
        f"{record.name}.json and {record.name}.mp4 from the destination to make it anew",
        task_id=record.task_id,
    )


def _check_state(record: VideoRecord) -> None:
    if record.state in _UNDECIDED:
        raise uncertain(record)
    if record.state is RecordState.FAILED:
        raise failure(record)


def uncertain(record: VideoRecord) -> SubmissionUncertain:
    """Return the error for a create that nobody knows the fate of: what was sent, when, and the ways on."""
    reason = record.error or f"A run ended while it sent the create of {record.model}. The video may be in the making"
    return SubmissionUncertain(
        f"{record.name}: {reason}. Sent {sent_at(record)}, digest {record.digest[:12]}. Nothing is sent again by "
        "itself: look for it in the OctopusX dashboard. If it is there, take its task id over (docs/records.md shows "
        'how); if it is not, run again with `on_uncertain="resubmit"`',
        code=record.error_code,
    )


def failure(record: VideoRecord) -> VideoFailed:
    """Return the error for a video that failed."""
    return VideoFailed(
        f"{record.name}: {record.model} failed, task {record.task_id}: {record.error}. "
        "To pay for a new attempt, run it again with `retry_failed=True`, or under another name",
        task_id=record.task_id,
        code=record.error_code,
    )


def sent_at(record: VideoRecord) -> str:
    """Return when the create was sent, for messages."""
    return f"{record.submitted_at or record.claimed_at:%Y-%m-%d %H:%M:%S} UTC"
