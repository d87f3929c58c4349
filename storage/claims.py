"""Who may send the create of a name: the one whose conditional write of the record succeeds."""

import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from prefect_octopusx.api.client import CREATE_TIMEOUT
from prefect_octopusx.api.errors import SubmissionUncertain, VideoFailed
from prefect_octopusx.storage.errors import DestinationError, DestinationUnavailable, NameTaken, RecordConflict
from prefect_octopusx.storage.records import RecordState, VideoRecord
from prefect_octopusx.storage.store import Entry, VideoStore

__all__ = ["CONFLICT_DELAYS", "WRITE_DELAYS", "Claimant", "OnUncertain", "failure", "sent_at", "uncertain"]

OnUncertain = Literal["stop", "resubmit"]

WRITE_DELAYS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Seconds between tries of a record's write while the destination is away."""
CONFLICT_DELAYS = (0.0, 0.05, 0.1, 0.2, 0.4, *(0.8,) * 25)
"""Seconds between tries of a record's write while others write it too."""
_CLAIM_LIFE = CREATE_TIMEOUT + 60.0
"""Seconds after which a claim without a task id is nobody's any more: no create takes that long to be answered."""
_FOLLOW_INTERVAL = 2.0
_UNDECIDED = (RecordState.SUBMITTING, RecordState.UNCERTAIN)


class Claimant:
    """Takes a name for one run: its `take` returns when it is clear who sends, or raises.

    A claim of another run is followed until it moves, or until it is so old that its run must be dead.

    Args:
        store: Where the record is.
        claim: The record to write, in state submitting, with a token of its own.
        on_uncertain: Whether an undecided create of another run may be sent again.
        retry_failed: Whether a video that failed in another run may be paid for again.
        logger: Where to say what is waited for.
        clock: Returns Unix seconds.
        sleep: Waits some seconds.
    """

    def __init__(
        self,
        store: VideoStore,
        claim: VideoRecord,
        *,
        on_uncertain: OnUncertain,
        retry_failed: bool,
        logger: "logging.Logger | logging.LoggerAdapter[Any]",
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._store = store
        self._claim = claim
        self._on_uncertain = on_uncertain
        self._retry_failed = retry_failed
        self._logger = logger
        self._clock = clock
        self._sleep = sleep
        self._other = _OtherRun()
        self._wrote = False

    async def take(self) -> Entry:
        """Return our own claim (submitting: send now), or the record of a video that needs no create.

        Raises:
            SubmissionUncertain: Nobody knows whether an earlier create was accepted.
            VideoFailed: The video failed earlier.
            NameTaken: The name belongs to another request, or to a file that no record explains.
            DestinationError: The destination can't be used.
        """
        troubles = iter(WRITE_DELAYS)
        conflicts = iter(CONFLICT_DELAYS)
        while True:
            try:
                entry = await self._look()
            except RecordConflict as error:  # somebody was quicker
                await self._sleep(_next_or_give_up(conflicts, error))
            except DestinationUnavailable as error:
                # A write may have arrived all the same, and only this very claim can be told from another run's.
                delay = next(troubles, None) if self._wrote else None
                if delay is None:
                    raise
                self._logger.warning("%s: %s", self._claim.name, error)
                await self._sleep(delay)
            else:
                if entry is not None:
                    return entry
                await self._sleep(_FOLLOW_INTERVAL)

    async def _look(self) -> Entry | None:
        """Look at the record once and do what it calls for; None: another run is at it, look again later."""
        name = self._claim.name
        entry = await self._store.read(name)
        if entry is None:
            await _refuse_foreign_video(self._store, name)
            return await self._store.create(self._fresh())
        record = entry.record
        if record.claim == self._claim.claim:
            return entry  # a write of ours that seemed to fail
        _check_request(record, self._claim)
        if record.state is RecordState.SUBMITTING and self._other.lives(record, now=self._clock()):
            if self._other.is_new:
                self._logger.info("%s: another run is submitting it; following", name)
            return None
        if self._may_send(record):
            return await self._store.replace(entry, self._fresh(earlier=record.superseded()))
        await _check_state(self._store, record)
        return entry

    def _fresh(self, **changes: Any) -> VideoRecord:  # noqa: ANN401 - fields of the record
        """Return our claim as of now: its age counts from when it is written, not from when we began to wait."""
        self._wrote = True
        return self._claim.model_copy(update={"claimed_at": datetime.fromtimestamp(self._clock(), UTC), **changes})

    def _may_send(self, record: VideoRecord) -> bool:
        if record.state is RecordState.REFUSED:
            return True
        # A person's consent is for what other runs left behind, not for each retry of this one.
        if record.flow_run_id is not None and record.flow_run_id == self._claim.flow_run_id:
            return False
        return (record.state is RecordState.FAILED and self._retry_failed) or (
            record.state in _UNDECIDED and self._on_uncertain == "resubmit"
        )


def _next_or_give_up(delays: Iterator[float], error: RecordConflict) -> float:
    delay = next(delays, None)
    if delay is None:
        raise DestinationError(
            f"{error.args[0]} This went on {len(CONFLICT_DELAYS)} times: the store may not honour conditional writes "
            "(If-None-Match, If-Match on PutObject), without which no name can be claimed"
        ) from error
    return delay


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
        raise RecordConflict(f"{name} was claimed and stored just now.")
    raise NameTaken(
        f"name: {store.uri(name)} exists, but no record explains it; it is not overwritten. "
        "Choose another name, or move the file away"
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


async def _check_state(store: VideoStore, record: VideoRecord) -> None:
    if record.state in _UNDECIDED:
        raise uncertain(record)
    if record.state is RecordState.FAILED:
        raise failure(record)
    if record.state is RecordState.COMPLETED and not await store.has_video(record.name):
        raise DestinationError(
            f"{record.name}: its record says that it is stored, but {store.uri(record.name)} is gone. Put the file "
            f"back, or remove {record.name}.json to make the video anew, and pay for it again",
            task_id=record.task_id,
        )


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
