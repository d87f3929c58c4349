"""Our own claim while its create is on the way: renewed so that others see that we live, then settled.

The claim's token makes its holder's word final: whatever others concluded meanwhile (that its lease ran out, that it is
uncertain), the task id is written over it. Only a run that was told to send again, or a person who adopted another
task, takes the name away; then the id goes into the record's history, so that no paid video is forgotten.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from prefect_octopusx.storage.claims import CONFLICT_DELAYS, WRITE_DELAYS
from prefect_octopusx.storage.errors import DestinationUnavailable, RecordConflict, RecordInvalid
from prefect_octopusx.storage.records import RecordState, VideoRecord
from prefect_octopusx.storage.store import Entry, VideoStore

__all__ = ["HeldClaim"]


class HeldClaim:
    """A record in state submitting that this run wrote, and that it alone may move on.

    Args:
        store: Where it is.
        entry: The claim as written.
        logger: Where to say what goes wrong.
        sleep: Waits some seconds between tries of a write.
    """

    def __init__(
        self,
        store: VideoStore,
        entry: Entry,
        *,
        logger: "logging.Logger | logging.LoggerAdapter[Any]",
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._store = store
        self._entry = entry
        self._logger = logger
        self._sleep = sleep

    @property
    def record(self) -> VideoRecord:
        """The claim as last written."""
        return self._entry.record

    @asynccontextmanager
    async def renewing(self) -> AsyncIterator[None]:
        """Renew the lease four times as often as it must be, as long as this context is open."""
        over = asyncio.Event()
        renewal = asyncio.create_task(self._renew(over))
        try:
            yield
        finally:
            # Not cancelled: a write that a thread goes on with could come after the one that settles the claim.
            over.set()
            await renewal

    async def write(self, record: VideoRecord) -> Entry:
        """Write what became of the create, as stubbornly as is sensible.

        Raises:
            RecordConflict: The name was taken away by then; the task id, if there is one, is in the record's history.
            DestinationError: It could not be written.
        """
        for delay in (*WRITE_DELAYS, None):
            try:
                return await self._settle(record)
            except (RecordConflict, RecordInvalid):
                raise
            except Exception as error:
                if delay is None:
                    raise
                self._logger.warning("%s: %s is not written down yet: %s", record.name, _what(record), error)
                await self._sleep(delay)
        raise AssertionError  # the last try returns or raises

    async def _renew(self, over: asyncio.Event) -> None:
        while not await _is_set(over, within=self.record.lease / 4):
            try:
                await self._renew_once()
            except Exception as error:  # noqa: BLE001 - nothing here may hide the create's answer
                self._logger.warning("%s: the claim could not be renewed: %s", self.record.name, error)

    async def _renew_once(self) -> None:
        renewed = self.record.model_copy(update={"renewed_at": datetime.now(UTC)})
        try:
            self._entry = await self._store.replace(self._entry, renewed)
        except RecordConflict:  # an earlier renewal that seemed to fail, or somebody takes us for dead
            found = await self._store.read(self.record.name)
            if found is not None and self._holds(found.record):
                # Next time, that one is replaced by a claim that lives.
                self._entry = found._replace(record=_with_history_of(found, self.record))

    async def _settle(self, record: VideoRecord) -> Entry:
        for delay in CONFLICT_DELAYS:
            try:
                return await self._store.replace(self._entry, record)
            except RecordConflict:
                found = await self._store.read(record.name)
            if found is None:
                raise RecordConflict(f"{record.name}.json was removed meanwhile.")
            if found.record.task_id == record.task_id is not None:
                return found  # an earlier try of ours, or a person who was quicker
            if self._holds(found.record):
                self._entry, record = found, _with_history_of(found, record)
            elif await self._noted_in_history(found, record):
                raise RecordConflict(f"{record.name} was taken over by another run meanwhile.")
            await asyncio.sleep(delay)
        raise DestinationUnavailable(f"{record.name}: others kept writing its record.")

    def _holds(self, found: VideoRecord) -> bool:
        undecided = found.state in {RecordState.SUBMITTING, RecordState.UNCERTAIN}
        return undecided and found.claim == self.record.claim

    async def _noted_in_history(self, found: Entry, record: VideoRecord) -> bool:
        """Write our attempt with its task id to the history of whoever has the name now; False: try again."""
        if record.task_id is None:
            return True
        (ours,) = record.superseded()[-1:]
        others = (attempt for attempt in found.record.earlier if attempt.claim != record.claim)
        earlier = (*others, ours)
        try:
            await self._store.replace(found, found.record.model_copy(update={"earlier": earlier}))
        except RecordConflict:
            return False
        return True


def _with_history_of(found: Entry, record: VideoRecord) -> VideoRecord:
    """Keep what a run that was overtaken by this one has noted there meanwhile: its task id."""
    return record.model_copy(update={"earlier": found.record.earlier})


async def _is_set(event: asyncio.Event, *, within: float) -> bool:
    try:
        async with asyncio.timeout(within):
            return await event.wait()
    except TimeoutError:
        return False


def _what(record: VideoRecord) -> str:
    return f"task {record.task_id}" if record.task_id else f"that the create was {record.state}"
