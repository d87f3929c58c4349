"""What a run would find, and do, about a name; told without writing or sending anything."""

import asyncio
from enum import StrEnum
from typing import NamedTuple

from prefect_octopusx.api.errors import InvalidRequest, OctopusXError
from prefect_octopusx.api.requests import VideoRequest
from prefect_octopusx.storage.claims import (
    OnUncertain,
    check_state,
    is_replaceable,
    may_send,
    refuse_foreign_video,
)
from prefect_octopusx.storage.errors import DestinationUnavailable, RecordConflict
from prefect_octopusx.storage.records import RecordState, VideoRecord
from prefect_octopusx.storage.store import Entry, VideoStore
from prefect_octopusx.storage.verdicts import name_taken

__all__ = ["Outlook", "Step", "foresee"]


class Step(StrEnum):
    """What a run does next about a video."""

    CREATE = "create"
    """Send a create, and pay for it."""
    FOLLOW = "follow"
    """Wait for another run that is submitting it, and find out whether it lives. If its create does not get through,
    send it."""
    RESUME = "resume"
    """It is in the making and paid for: wait, and store it."""
    SKIP = "skip"
    """It is stored."""
    STOP = "stop"
    """Nothing; the error says why."""

    @property
    def may_pay(self) -> bool:
        """Whether a create may be sent; who follows another run sends it if that one's does not get through."""
        return self in {Step.CREATE, Step.FOLLOW}


class Outlook(NamedTuple):
    """What a run would find and do about a name.

    Attributes:
        step: What comes next.
        record: That of this request, or of one that it is to replace; never that of another request's video.
        error: Why there is nothing to do, for `STOP`.
    """

    step: Step
    record: VideoRecord | None = None
    error: OctopusXError | None = None


async def foresee(
    store: VideoStore,
    request: VideoRequest,
    *,
    name: str,
    on_uncertain: OnUncertain = "stop",
    retry_failed: bool = False,
    asked_by: str | None = None,
    is_unused: bool = False,
) -> Outlook:
    """Tell what `submit` with these arguments would do, as far as can be told now. Free, and changes nothing.

    Args:
        store: Where the record is kept.
        request: What to make.
        name: The idempotency key.
        on_uncertain: As in `submit`.
        retry_failed: As in `submit`.
        asked_by: As in `submit`.
        is_unused: Whether `store.unused` told of this name.

    Returns:
        What comes next, and what the record says now.

    Raises:
        DestinationUnavailable: The destination does not answer now.
        ValueError: The name can't name a video.
    """
    try:
        digest = await asyncio.to_thread(lambda: request.digest)  # reads pictures
    except (OSError, ValueError) as error:
        return Outlook(Step.STOP, error=InvalidRequest(f"{name}: the request can't be sent: {error}"))
    if is_unused:
        return Outlook(Step.CREATE)
    entry: Entry | None = None
    try:
        entry = await store.read(name)
        if entry is None:
            await refuse_foreign_video(store, name)
            return Outlook(Step.CREATE)
        return await _of(store, entry, digest, asked_by, on_uncertain, retry_failed=retry_failed)
    except DestinationUnavailable:
        raise
    except RecordConflict:  # somebody was quicker, just now
        return Outlook(Step.FOLLOW)
    except OctopusXError as error:
        ours = entry.record if entry and entry.record.digest == digest else None
        return Outlook(Step.STOP, ours, error)


async def _of(
    store: VideoStore,
    entry: Entry,
    digest: str,
    asked_by: str | None,
    on_uncertain: OnUncertain,
    *,
    retry_failed: bool,
) -> Outlook:
    record = entry.record
    if not is_replaceable(record, digest):
        raise name_taken(record)
    dead = entry.age >= record.lease
    may = may_send(record, digest, asked_by=asked_by, on_uncertain=on_uncertain, retry_failed=retry_failed)
    if record.state is RecordState.SUBMITTING and not (dead and may):
        return Outlook(Step.FOLLOW, record)  # of a dead one, too, it is for a run to write down that it is uncertain
    if may:
        return Outlook(Step.CREATE, record)
    await check_state(store, record)
    return Outlook(Step.RESUME if record.state is RecordState.SUBMITTED else Step.SKIP, record)
