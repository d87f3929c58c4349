"""Who may send the create of a name: the one whose conditional write of the record succeeds.

Why it is safe to take a claim for dead by its lease: nothing is sent because of it. A dead claim only becomes
`uncertain`, which stops every run until a person decides; and if its holder lives after all (it was frozen, say), it
still may write its task id down over that verdict (see `leases.py`). How long a claim has not been renewed is told by
the store's own clock, and by the time that was waited since the first look; no worker's clock takes part.
"""

import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import uuid4

from prefect_octopusx.api.errors import OctopusXError
from prefect_octopusx.storage.errors import DestinationError, DestinationUnavailable, NameTaken, RecordConflict
from prefect_octopusx.storage.records import RecordState, VideoRecord
from prefect_octopusx.storage.store import Entry, VideoStore
from prefect_octopusx.storage.tidying import unmark
from prefect_octopusx.storage.verdicts import failure, name_taken, refusal, uncertain

__all__ = [
    "CONFLICT_DELAYS",
    "WRITE_DELAYS",
    "Claimant",
    "OnUncertain",
    "OtherRun",
    "check_state",
    "is_replaceable",
    "may_send",
    "refuse_foreign_video",
    "refuse_missing_video",
    "settle_if_dead",
]

OnUncertain = Literal["stop", "resubmit"]
"""What to do where nobody knows whether an earlier create was accepted: stop, or send again and maybe pay twice."""

WRITE_DELAYS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Seconds between tries of a record's write while the destination is away."""
CONFLICT_DELAYS = (0.0, 0.05, 0.1, 0.2, 0.4, *(0.8,) * 25)
"""Seconds between tries of a record's write while others write it too."""
_UNDECIDED = (RecordState.SUBMITTING, RecordState.UNCERTAIN)


class Claimant:
    """Takes a name for one run: its `take` returns when it is clear who sends, or raises.

    A claim of another run is followed until it moves, or until its lease is over.

    Args:
        store: Where the record is.
        claim: The record to write, in state submitting, with a token of its own.
        on_uncertain: Whether an undecided create of another run may be sent again.
        retry_failed: Whether what failed or was refused in another run may be tried anew.
        take_turn: Awaited once, before a claim is written; it may take long.
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
        take_turn: Callable[[], Awaitable[None]],
        logger: "logging.Logger | logging.LoggerAdapter[Any]",
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._store = store
        self._claim = claim
        self._on_uncertain = on_uncertain
        self._retry_failed = retry_failed
        self._take_turn = take_turn
        self._has_turn = False
        self._logger = logger
        self._clock = clock
        self._sleep = sleep
        self._other = OtherRun()
        self._marks: list[str] = []

    async def take(self) -> Entry:
        """Return our own claim (submitting: send now), or the record of a video that needs no create.

        Raises:
            SubmissionUncertain: Nobody knows whether an earlier create was accepted.
            VideoFailed: The video failed earlier.
            InvalidRequest: The API refused this request earlier.
            NameTaken: The name belongs to another request, or to a file that no record explains.
            DestinationError: The destination can't be used.
        """
        try:
            entry = await self._take()
        except DestinationError:
            raise  # a claim of ours may have arrived all the same: its mark stays
        except OctopusXError:
            await self._unmark()
            raise
        await self._unmark(but=entry.record.claim)
        return entry

    async def _take(self) -> Entry:
        troubles = iter(WRITE_DELAYS)
        conflicts = iter(CONFLICT_DELAYS)
        while True:
            try:
                entry = await self._look()
            except RecordConflict as error:  # somebody was quicker
                await self._sleep(_next_or_give_up(conflicts, error))
            except DestinationUnavailable as error:
                # A write may have arrived all the same, and only this very claim can be told from another run's.
                delay = next(troubles, None) if self._marks else None
                if delay is None:
                    raise
                self._logger.warning("%s: %s", self._claim.name, error)
                await self._sleep(delay)
            else:
                if entry is not None:
                    return entry
                await self._sleep(self._other.next_look)

    async def _look(self) -> Entry | None:
        """Look at the record once and do what it calls for; None: another run is at it, look again later."""
        name = self._claim.name
        entry = await self._store.read(name)
        if entry is None:
            await self._wait_for_turn()
            await refuse_foreign_video(self._store, name)
            await self._mark()
            return await self._settled(await self._store.create(self._fresh()))
        record = entry.record
        if record.claim == self._claim.claim and record.state in _UNDECIDED:  # a write of ours that seemed to fail
            if record.state is RecordState.SUBMITTING:
                return await self._settled(entry)
            # Somebody took us for dead since. Nothing was sent yet, we know best.
            return await self._settled(await self._store.replace(entry, self._fresh(earlier=record.earlier)))
        if not is_replaceable(record, self._claim.digest):
            raise name_taken(record)
        if record.state is RecordState.SUBMITTING and self._other.lives(entry):
            if self._other.is_new:
                self._logger.info("%s: another run is submitting it; following", name)
            return None
        if self._may_send(record):
            await self._wait_for_turn()
            await self._mark()
            taken = await self._settled(await self._store.replace(entry, self._fresh(earlier=record.superseded())))
            await unmark(self._store, record.name, record.claim)
            return taken
        if record.state is RecordState.SUBMITTING:
            record = (await self._store.replace(entry, _lost(record))).record
        await check_state(self._store, record)
        return entry

    async def _wait_for_turn(self) -> None:
        """Wait for the turn, before the claim: who dies holding one leaves a create that nobody is sure of.

        What was read before may have changed by then; the write of the claim is on condition that it has not.
        """
        if not self._has_turn:
            await self._take_turn()
            self._has_turn = True

    async def _settled(self, claimed: Entry) -> Entry:
        """Make sure that our claim was the last one, where the store itself does not."""
        if not self._store.settling:
            return claimed
        await self._sleep(self._store.settling)
        found = await self._store.read(self._claim.name)
        if found is None or found.record.claim != self._claim.claim:
            raise RecordConflict(f"{self._claim.name} was claimed by another run at the same time.")
        return claimed

    def _fresh(self, **changes: Any) -> VideoRecord:  # noqa: ANN401 - fields of the record
        """Return our claim as of now: its age counts from when it is written, not from when we began to wait."""
        return self._claim.model_copy(update={"claimed_at": datetime.fromtimestamp(self._clock(), UTC), **changes})

    def _may_send(self, record: VideoRecord) -> bool:
        return may_send(
            record,
            self._claim.digest,
            asked_by=self._claim.asked_by,
            on_uncertain=self._on_uncertain,
            retry_failed=self._retry_failed,
        )

    async def _mark(self) -> None:
        """Enter the claim that is to be written into the index, with a token of its own for each try.

        An earlier try may have been written, though it seemed to fail, and then its mark goes with what came over it.
        """
        if self._marks:
            self._claim = self._claim.model_copy(update={"claim": uuid4().hex})
        await self._store.mark(self._claim.name, self._claim.claim)
        self._marks.append(self._claim.claim)

    async def _unmark(self, *, but: str | None = None) -> None:
        for mark in self._marks:
            if mark != but:
                await unmark(self._store, self._claim.name, mark)


def is_replaceable(record: VideoRecord, digest: str) -> bool:
    """Tell whether a record is of this very request, or of another one that is over without a video."""
    over = {RecordState.FAILED, RecordState.REFUSED, RecordState.RELEASED}
    return record.digest == digest or record.state in over


def may_send(
    record: VideoRecord, digest: str, *, asked_by: str | None, on_uncertain: OnUncertain, retry_failed: bool
) -> bool:
    """Tell whether the request with this digest may be sent in place of what the record tells of."""
    if record.state is RecordState.RELEASED:
        return True
    if record.state is RecordState.REFUSED and record.digest != digest:
        return True  # the request was changed; nothing was billed for the first
    # A person's consent is for what was left behind before, not for each retry of the run that has it.
    spent = {record.asked_by, *(attempt.asked_by for attempt in record.earlier)} - {None}
    if asked_by in spent:
        return False
    return (record.state in {RecordState.FAILED, RecordState.REFUSED} and retry_failed) or (
        record.state in _UNDECIDED and on_uncertain == "resubmit"
    )


@dataclass
class OtherRun:
    """Another run that holds the claim. It lives as long as it renews it."""

    version: str = ""
    age: float = 0.0
    """Seconds since it was renewed; counted here too, for stores that don't tell."""
    lease: float = 0.0
    looks: int = 0

    def lives(self, entry: Entry) -> bool:
        """Tell whether the lease of this claim still holds. Looked at every `next_look` seconds."""
        self.looks += 1
        if entry.version != self.version:
            self.version, self.lease, self.age = entry.version, entry.record.lease, entry.age
        else:
            self.age = max(self.age + self.next_look, entry.age)
        return self.age < self.lease

    @property
    def is_new(self) -> bool:
        """Whether this was the first look."""
        return self.looks == 1

    @property
    def next_look(self) -> float:
        """Seconds until a look may find something new."""
        return min(2.0, self.lease / 4)


async def settle_if_dead(store: VideoStore, entry: Entry) -> VideoRecord:
    """Return the record; a claim whose lease was over when it was read becomes uncertain.

    Args:
        store: Where it is kept.
        entry: The record as it was read.
    """
    record = entry.record
    if record.state is not RecordState.SUBMITTING or entry.age < record.lease:
        return record
    try:
        return (await store.replace(entry, _lost(record))).record
    except RecordConflict:  # its run lives after all
        return record


def _lost(record: VideoRecord) -> VideoRecord:
    return record.moved(RecordState.UNCERTAIN, error="A run ended, or lost its destination, while it sent the create")


def _next_or_give_up(delays: Iterator[float], error: RecordConflict) -> float:
    delay = next(delays, None)
    if delay is None:
        raise DestinationError(
            f"{error.args[0]} This went on {len(CONFLICT_DELAYS)} times: the store may not honour conditional writes "
            "(If-None-Match, If-Match on PutObject), without which no name can be claimed"
        ) from error
    return delay


async def refuse_foreign_video(store: VideoStore, name: str) -> None:
    """Refuse a name under which a file lies that no record explains.

    Raises:
        NameTaken: There is one.
        RecordConflict: It was claimed and stored just now.
    """
    if not await store.has_video(name):
        return
    if await store.read(name) is not None:
        raise RecordConflict(f"{name} was claimed and stored just now.")
    raise NameTaken(
        f"name: {store.uri(name)} exists, but no record explains it; it is not overwritten. "
        "Choose another name, or move the file away"
    )


async def check_state(store: VideoStore, record: VideoRecord) -> None:
    """Raise what a record's state means to whoever asks for its video; nothing if it is submitted or stored."""
    if record.state in _UNDECIDED:
        raise uncertain(record)
    if record.state is RecordState.FAILED:
        raise failure(record)
    if record.state is RecordState.REFUSED:
        raise refusal(record)
    await refuse_missing_video(store, record)


async def refuse_missing_video(store: VideoStore, record: VideoRecord) -> None:
    """Refuse to call a video stored that is not there any more.

    Raises:
        DestinationError: The record is completed, but there is no file.
    """
    if record.state is RecordState.COMPLETED and not await store.has_video(record.name):
        raise DestinationError(
            f"{record.name}: its record says that it is stored, but {store.uri(record.name)} is gone. Put the file "
            f"back. Or remove {record.name}.json, and then run `adopt_video` with this task id, which costs nothing "
            "while OctopusX still has the video (about a day), or make it anew, and pay for it again",
            task_id=record.task_id,
        )
