"""What becomes of videos, told to Prefect as events: for automations, and for whoever looks at the event feed.

A video moves when its record does, and every record is written through a store. So the store tells: once for each move,
whichever run makes it, and not again when a run resumes or follows what another one began.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any, BinaryIO, Literal
from uuid import NAMESPACE_URL, uuid5

from prefect.events import emit_event
from prefect.logging import get_logger

from prefect_octopusx.blocks import Destination, resolve_destination
from prefect_octopusx.storage import Entry, Link, Mark, RecordState, VideoRecord, VideoStore, VideoWriter
from prefect_octopusx.storage.store import Suffix
from prefect_octopusx.tasks.assets import tell_materialized

__all__ = ["open_store"]

_TOLD = {RecordState.SUBMITTED, RecordState.COMPLETED, RecordState.FAILED, RecordState.UNCERTAIN}
_LONGEST = 2000  # characters of an error; Prefect refuses events that are too large
_FACTS = {
    "state",
    "task_id",
    "model",
    "off_peak",
    "submitted_at",
    "completed_at",
    "size",
    "sha256",
    "error",
    "error_code",
}


async def open_store(destination: Destination | None) -> VideoStore:
    """Return the store of a destination; what its records come to is told to Prefect.

    Args:
        destination: Where to; `s3-destination/default` by default, else the folder `videos`.

    Raises:
        DestinationError: The destination can't be used.
    """
    return _TellingStore(await (await resolve_destination(destination)).store())


def _tell(record: VideoRecord, uri: str) -> None:
    """Emit the event `octopusx.video.STATE`, and for a stored video that of its asset.

    Prefect sends them in the background; trouble is logged, never raised.
    """
    now = datetime.now(UTC)
    try:
        emit_event(
            f"octopusx.video.{record.state}",
            resource={
                "prefect.resource.id": f"octopusx.video.{uri}",
                "prefect.resource.name": record.name,
                "octopusx.model": record.model,
                "octopusx.family": record.family,
                "octopusx.state": record.state.value,
                "octopusx.destination": uri.removesuffix(f"/{record.name}.mp4"),
            },
            payload=_facts(record, now) | {"uri": uri},
            occurred=now,
            # A claim comes to a state once. Where a store lets two runs write that at once, Prefect takes one.
            id=uuid5(NAMESPACE_URL, f"{uri} {record.claim} {record.state}"),
        )
        if record.state is RecordState.COMPLETED:
            tell_materialized(record)
    except Exception as trouble:  # noqa: BLE001 - a paid video does not fail because nobody can be told of it
        get_logger("octopusx").warning("%s: could not tell that it is %s: %s", record.name, record.state, trouble)


def _facts(record: VideoRecord, now: datetime) -> dict[str, Any]:
    facts = record.model_dump(mode="json", include=_FACTS, exclude_none=True)
    if record.error:
        facts["error"] = record.error[:_LONGEST]
    facts["attempts"] = len(record.earlier) + 1
    if record.submitted_at is not None:
        facts["seconds"] = round(((record.completed_at or now) - record.submitted_at).total_seconds(), 3)
    return facts


class _TellingStore(VideoStore):
    """A store that tells of each record that moves in it; all else is the store's own."""

    def __init__(self, store: VideoStore) -> None:
        self._store = store
        self.settling = store.settling
        self.poster = store.poster
        self.player = store.player

    async def create(self, record: VideoRecord) -> Entry:
        written = await self._store.create(record)
        self._tell(written.record)
        return written

    async def replace(self, entry: Entry, record: VideoRecord) -> Entry:
        written = await self._store.replace(entry, record)
        if (record.state, record.claim) != (entry.record.state, entry.record.claim):
            self._tell(written.record)
        return written

    def _tell(self, record: VideoRecord) -> None:
        if record.state in _TOLD:
            _tell(record, self.uri(record.name))

    def uri(self, name: str, suffix: Suffix = ".mp4") -> str:
        return self._store.uri(name, suffix)

    async def read(self, name: str) -> Entry | None:
        return await self._store.read(name)

    async def unused(self, names: Sequence[str]) -> frozenset[str]:
        return await self._store.unused(names)

    async def has_video(self, name: str) -> bool:
        return await self._store.has_video(name)

    async def digest(self, name: str) -> tuple[int, str]:
        return await self._store.digest(name)

    async def mark(self, name: str, claim: str) -> None:
        await self._store.mark(name, claim)

    async def unmark(self, name: str, claim: str) -> None:
        await self._store.unmark(name, claim)

    def pending(self) -> AsyncIterator[Mark]:
        return self._store.pending()

    async def sweep(self, name: str) -> None:
        await self._store.sweep(name)

    async def read_file(self, name: str) -> bytes | None:
        return await self._store.read_file(name)

    async def write_file(self, name: str, data: bytes) -> str:
        return await self._store.write_file(name, data)

    def open(self, name: str, suffix: Suffix = ".mp4") -> BinaryIO | None:
        return self._store.open(name, suffix)

    async def write_beside(self, name: str, suffix: Literal[".jpg", ".html"], data: bytes) -> None:
        await self._store.write_beside(name, suffix, data)

    async def link(self, name: str, suffix: Suffix = ".mp4") -> Link | None:
        return await self._store.link(name, suffix)

    def writer(self, name: str) -> AbstractAsyncContextManager[VideoWriter]:
        return self._store.writer(name)
