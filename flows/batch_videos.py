"""One video of a batch: made in a task run of its own, or looked at and left; it never stops the others."""

import time
from typing import NamedTuple

from prefect.client.schemas.objects import State

from prefect_octopusx.api import OctopusXError, look_once
from prefect_octopusx.api.pacing import default_deadline
from prefect_octopusx.batches import PlannedVideo, VideoResult
from prefect_octopusx.flows.leaving import START_COST
from prefect_octopusx.flows.options import BatchOptions
from prefect_octopusx.flows.stopping import Stop
from prefect_octopusx.storage import DestinationUnavailable, NameTaken, RecordState, Step, VideoRecord
from prefect_octopusx.tasks import Batch, make_video
from prefect_octopusx.tasks.steps import Logger

__all__ = ["Made", "Maker", "untouched"]

_UNTIL_IT_ANSWERS = 300.0
"""Seconds until the next look where a video is ready, but its destination does not answer."""


class Made(NamedTuple):
    """What became of a video of a batch."""

    result: VideoResult
    record: VideoRecord | None = None
    next_look: float | None = None
    """Seconds until there may be more: it is in the making, and was left there. None: this is all."""


class Maker:
    """Makes the videos of one run of one batch.

    Args:
        batch: What they share.
        options: How.
        top_run: The run that they are asked for by.
        leaves: Whether videos in the making are left there, instead of being waited for.
        logger: The run's logger.
    """

    def __init__(
        self, batch: Batch, options: BatchOptions, *, top_run: str | None, leaves: bool, logger: Logger
    ) -> None:
        self._batch = batch
        self._options = options
        self._top_run = top_run
        self._leaves = leaves
        self._logger = logger
        self._stop = Stop()
        self._make_video = make_video.with_options(asset_deps=[options.made_from] if options.made_from else None)

    async def make(self, video: PlannedVideo) -> Made:
        """Make one video, if there is anything to do; it never raises because of that one."""
        resumed = video.outlook.record if video.outlook.step is Step.RESUME else None
        if self._leaves and resumed is not None:
            next_look = await self._look(resumed)
            if next_look is not None:
                return Made(untouched(video), resumed, next_look)
        name = video.item.name
        await self._batch.may_start(name)
        try:
            stopped = self._stop.reason(video.item) if video.may_pay else None
            found = None if stopped else await self._made(video, wait=not self._leaves or resumed is not None)
        finally:
            self._batch.has_started(name)
        if isinstance(found, VideoRecord) and found.state is RecordState.SUBMITTED:  # just now, and not waited for
            next_look = await self._look(found)
            if next_look is not None:
                return Made(VideoResult.of(video.item, found), found, next_look)
            found = await self._made(video, wait=True)
        if found is None:
            return Made(untouched(video, why=stopped), video.outlook.record)
        if isinstance(found, VideoRecord):
            return Made(VideoResult.of(video.item, found), found)
        if self._leaves and resumed and isinstance(found, DestinationUnavailable) and not self.is_overdue(video):
            return Made(untouched(video, why=str(found)), resumed, _UNTIL_IT_ANSWERS)
        if scope := self._stop.note(found, video.item):
            self._logger.error("Nothing more is created in this run (%s). %s", scope, found)
        return await self._failed(video, found)

    def is_overdue(self, video: PlannedVideo) -> bool:
        """Tell whether a video is in the making for longer than it is waited for."""
        record = video.outlook.record
        if record is None or record.submitted_at is None:
            return False
        deadline = self._options.deadline
        most = default_deadline(off_peak=record.off_peak) if deadline is None else deadline
        return time.time() - record.submitted_at.timestamp() >= most

    async def _look(self, record: VideoRecord) -> float | None:
        """Return the seconds until the next look; None if there is something to do at once."""
        found = await look_once(
            self._batch.client,
            record.task_id or "",
            alt_ids=record.alt_ids,
            submitted_at=record.submitted_at.timestamp() if record.submitted_at else time.time(),
            off_peak=record.off_peak,
            poll_interval=self._options.poll_interval,
            deadline=self._options.deadline,
            start_cost=START_COST,
            logger=self._logger,
            scheduler=self._batch.scheduler,
        )
        return found.delay if found else None

    async def _made(self, video: PlannedVideo, *, wait: bool) -> VideoRecord | Exception:
        options = self._options
        consents = video.may_pay  # what was in the making when the guards were asked may have failed since
        state: State[VideoRecord] = await self._make_video(
            video.item.request,
            name=video.item.name,
            batch=self._batch,
            on_uncertain=options.on_uncertain if consents else "stop",
            retry_failed=options.retry_failed and consents,
            asked_by=self._top_run,
            poll_interval=options.poll_interval,
            deadline=options.deadline,
            lease=options.lease,
            wait=wait,
            return_state=True,
        )
        found: VideoRecord | Exception = await state.aresult(raise_on_failure=False)
        return found

    async def _failed(self, video: PlannedVideo, error: Exception) -> Made:
        if isinstance(error, NameTaken):  # the record is of another request
            return Made(VideoResult.of(video.item, None, error=error))
        try:
            entry = await self._batch.store.read(video.item.name)
        except OctopusXError as trouble:
            self._logger.warning("%s: its record can't be read: %s", video.item.name, trouble)
            return Made(VideoResult.of(video.item, video.outlook.record, error=error, known=False))
        record = entry.record if entry else None
        return Made(VideoResult.of(video.item, record, error=error), record)


def untouched(video: PlannedVideo, *, why: str | None = None) -> VideoResult:
    """Return the result of a video that nothing was done about in this run."""
    error = why or video.held or video.outlook.error
    return VideoResult.of(video.item, video.outlook.record, error=error, held=video.held is not None)
