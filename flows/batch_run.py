"""Running a batch: plan, hold back, make what is missing, report. Shared by the flows for many videos."""

import asyncio
from collections import Counter
from collections.abc import Sequence

from prefect import get_run_logger
from prefect.client.schemas.objects import State
from prefect.utilities.annotations import quote

from prefect_octopusx.api import OctopusXClient, OctopusXError
from prefect_octopusx.batches import (
    BatchFailed,
    BatchResult,
    PlannedVideo,
    VideoItem,
    VideoResult,
    hold_back,
    results_file,
    write_results,
)
from prefect_octopusx.blocks import Destination, OctopusXCredentials
from prefect_octopusx.flows.options import BatchOptions
from prefect_octopusx.flows.stopping import Stop
from prefect_octopusx.storage import DestinationError, NameTaken, RecordState, Step, VideoRecord
from prefect_octopusx.tasks import Batch, make_video, plan_videos
from prefect_octopusx.tasks.batch_report import BatchProgress, show_plan, show_results
from prefect_octopusx.tasks.runs import flow_run_id, run_times, top_run_id
from prefect_octopusx.tasks.steps import Logger

__all__ = ["run_batch"]


async def run_batch(
    items: Sequence[VideoItem],
    *,
    name: str,
    destination: Destination | None,
    credentials: OctopusXCredentials | None,
    options: BatchOptions,
    known: Sequence[VideoResult] = (),
) -> BatchResult:
    """Make what is missing of `items`, and say what became of each.

    Args:
        items: The videos.
        name: The batch's name.
        destination: Where to.
        credentials: The API key.
        options: How.
        known: Results that the results manifest is to keep, of videos that are not among `items`.

    Raises:
        BatchFailed: More of them failed than `fail_if_failed_ratio` allows.
        OctopusXError: The destination or the key can't be used.
    """
    logger = get_run_logger()
    if not items:
        logger.info("%s: there is nothing to do", name)
        return BatchResult(name=name, results=())
    async with Batch.opened(
        destination=destination,
        credentials=credentials,
        requests_per_minute=options.requests_per_minute,
        transfers=options.transfers,
    ) as batch:
        run = _Run(batch, name, options, known, logger)
        planned = await run.plan(items)
        if options.dry_run:
            return await run.tell_plan(planned)
        result = await run.make(planned)
    return _judged(result, options)


class _Run:
    """One run of one batch."""

    def __init__(
        self, batch: Batch, name: str, options: BatchOptions, known: Sequence[VideoResult], logger: Logger
    ) -> None:
        self._batch = batch
        self._name = name
        self._options = options
        self._known = known
        self._logger = logger
        self._top_run: str | None = None
        self._is_too_late = False
        self._stop = Stop()

    async def plan(self, items: Sequence[VideoItem]) -> list[PlannedVideo]:
        """Look at every video, and hold back what is not to be paid for in this run."""
        options = self._options
        self._top_run = await top_run_id()
        planned = await plan_videos(
            quote(items),
            batch=self._batch,
            on_uncertain=options.on_uncertain,
            retry_failed=options.retry_failed,
            asked_by=self._top_run,
        )
        allowed = options.max_new_videos
        if allowed is not None:  # a retry of this run, or of one around it, goes on counting
            allowed -= sum(_counts(video.outlook.record, self._top_run) for video in planned)
        planned = hold_back(planned, max_new_videos=allowed, why=await self._too_late())
        self._logger.info("%s: %s", self._name, _plan_in_words(planned))
        return planned

    async def tell_plan(self, planned: list[PlannedVideo]) -> BatchResult:
        """Show what a run would do, and end."""
        for video in planned:
            if video.outlook.step is Step.SKIP:
                continue  # the table has them
            step = "hold back" if video.held else video.outlook.step.value
            note = video.held or video.outlook.error
            why = f". {note}" if note else ""
            self._logger.info("%s (%s): %s%s", video.item.name, video.item.request.model, step, why)
        words = f"Dry run, nothing was sent: {_plan_in_words(planned)}"
        await show_plan(self._name, planned, summary=words, logger=self._logger)
        results = tuple(_untouched(video) for video in planned)
        return BatchResult(name=self._name, results=results, plan=words, too_late=self._is_too_late)

    async def make(self, planned: list[PlannedVideo]) -> BatchResult:
        """Make what is missing, and write down what became of all."""
        pays = any(video.may_pay for video in planned)
        before = await _used(self._batch.client, self._logger) if pays else None
        progress = BatchProgress(
            self._name,
            total=len(planned),
            done=sum(not video.is_worked_on for video in planned),
            logger=self._logger,
        )
        await progress.begin()
        seats = asyncio.Semaphore(self._options.max_in_flight)
        async with asyncio.TaskGroup() as group:  # whatever happens, it waits until all have come to rest
            order = sorted(planned, key=lambda video: _ORDER.get(video.outlook.step, 1))
            tasks = {video.item.name: group.create_task(self._one(video, seats, progress)) for video in order}
        made = [tasks[video.item.name].result() for video in planned]
        after = await _used(self._batch.client, self._logger) if before is not None else None
        ours = flow_run_id()
        result = BatchResult(
            name=self._name,
            results=tuple(result for result, _ in made),
            created=sum(bool(record and record.flow_run_id == ours and record.task_id) for _, record in made),
            too_late=self._is_too_late,
            used_before=before,
            used_after=after,
        )
        return await self._written(result)

    async def _one(
        self, video: PlannedVideo, seats: asyncio.Semaphore, progress: BatchProgress
    ) -> tuple[VideoResult, VideoRecord | None]:
        """Make one video, if there is anything to do; it never raises because of that one."""
        if not video.is_worked_on:
            return _untouched(video), video.outlook.record
        name = video.item.name
        async with seats:
            await self._batch.may_start(name)
            try:
                stopped = self._stop.reason(video.item) if video.may_pay else None
                found = None if stopped else await self._made(video)
            finally:
                self._batch.has_started(name)
        await progress.one_more()
        if isinstance(found, VideoRecord):
            return VideoResult.of(video.item, found), found
        if found is None:
            return _untouched(video, why=stopped), video.outlook.record
        if scope := self._stop.note(found, video.item):
            self._logger.error("Nothing more is created in this run (%s). %s", scope, found)
        return await self._failed(video, found)

    async def _failed(self, video: PlannedVideo, error: Exception) -> tuple[VideoResult, VideoRecord | None]:
        if isinstance(error, NameTaken):  # the record is of another request
            return VideoResult.of(video.item, None, error=error), None
        try:
            entry = await self._batch.store.read(video.item.name)
        except OctopusXError as trouble:
            self._logger.warning("%s: its record can't be read: %s", video.item.name, trouble)
            return VideoResult.of(video.item, video.outlook.record, error=error, known=False), None
        record = entry.record if entry else None
        return VideoResult.of(video.item, record, error=error), record

    async def _made(self, video: PlannedVideo) -> VideoRecord | Exception:
        options = self._options
        consents = video.may_pay  # what was in the making when the guards were asked may have failed since
        state: State[VideoRecord] = await make_video(  # type: ignore[misc] # Prefect's overloads forget that it is async
            video.item.request,
            name=video.item.name,
            batch=self._batch,
            on_uncertain=options.on_uncertain if consents else "stop",
            retry_failed=options.retry_failed and consents,
            asked_by=self._top_run,
            poll_interval=options.poll_interval,
            deadline=options.deadline,
            lease=options.lease,
            return_state=True,
        )
        found: VideoRecord | Exception = await state.aresult(raise_on_failure=False)
        return found

    async def _too_late(self) -> str | None:
        most = self._options.max_lateness
        lateness = (await run_times()).lateness
        self._is_too_late = most is not None and lateness > most
        if not self._is_too_late:
            return None
        return f"max_lateness: this run started {lateness:.0f} s after its time, more than {most:.0f} s too late"

    async def _written(self, result: BatchResult) -> BatchResult:
        """Write the results manifest and the table. Trouble is logged: what the videos came to matters more."""
        try:
            uri = await self._batch.store.write_file(results_file(self._name), write_results(self._all(result)))
            result = result.model_copy(update={"uri": uri})
        except DestinationError as error:
            self._logger.error("%s: the results manifest can't be written: %s", self._name, error)  # noqa: TRY400 - said
        await show_results(self._name, result.results, summary=result.summary(), logger=self._logger)
        return result

    def _all(self, result: BatchResult) -> list[VideoResult]:
        """Return these results, and the known ones of other videos, in the order of the known ones."""
        new = {one.name: one for one in result.results}
        return [new.pop(one.name, one) for one in self._known] + list(new.values())


def _counts(record: VideoRecord | None, top_run: str | None) -> bool:
    """Tell whether this run sent a create that may have been accepted: what surely was not is free to be sent again."""
    free = {RecordState.RELEASED, RecordState.REFUSED}
    return record is not None and record.top_run_id == top_run and record.state not in free


def _untouched(video: PlannedVideo, *, why: str | None = None) -> VideoResult:
    error = why or video.held or video.outlook.error
    return VideoResult.of(video.item, video.outlook.record, error=error, held=video.held is not None)


def _plan_in_words(planned: Sequence[PlannedVideo]) -> str:
    counts = Counter("held back" if video.held else _WORDS[video.outlook.step] for video in planned)
    return f"{len(planned)} videos: " + ", ".join(f"{count} {words}" for words, count in counts.items())


_ORDER = {Step.RESUME: 0, Step.FOLLOW: 2}
"""What is paid for goes first; last who only waits for another run, in a seat of those that create."""
_WORDS = {
    Step.CREATE: "to create",
    Step.FOLLOW: "being submitted by another run, alive or dead",
    Step.RESUME: "in the making",
    Step.SKIP: "stored",
    Step.STOP: "that can't go on by themselves",
}


async def _used(client: OctopusXClient, logger: Logger) -> float | None:
    """Return what the key has used; None where the API does not say, which is no reason to stop."""
    try:
        return (await client.key_usage()).used
    except OctopusXError as error:
        logger.info("What the key has used is not known: %s", error)
        return None


def _judged(result: BatchResult, options: BatchOptions) -> BatchResult:
    """Raise if too many failed."""
    if not result.failed or result.failed_ratio <= options.fail_if_failed_ratio:
        return result
    wrong = [one for one in result.results if not one.is_stored and not one.held]
    names = ", ".join(f"{one.name} ({one.state})" for one in wrong[:_NAMED])
    more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
    raise BatchFailed(
        f"{result.name}: {result.summary()} Not stored: {names}{more}. Run it again for what is missing: nothing is "
        "paid twice. What failed is paid for anew only if asked: `redrive_videos`. The first one's error: "
        f"{wrong[0].error}"
    )


_NAMED = 10
