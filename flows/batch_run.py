"""Running a batch: plan, hold back, make what is missing, report. Shared by the flows for many videos."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from prefect import get_run_logger
from prefect.utilities.annotations import quote

from prefect_octopusx.api import OctopusXClient, OctopusXError
from prefect_octopusx.batches import (
    BatchResult,
    PlannedVideo,
    VideoItem,
    VideoResult,
    hold_back,
    results_file,
    write_results,
)
from prefect_octopusx.blocks import Destination, OctopusXCredentials, resolve_destination
from prefect_octopusx.flows.batch_chunks import have_made, why_not_made
from prefect_octopusx.flows.batch_rounds import make_all, make_what_is_ready
from prefect_octopusx.flows.batch_verdict import judged, plan_in_words
from prefect_octopusx.flows.batch_videos import Made, Maker, untouched
from prefect_octopusx.flows.chunks import Chunks
from prefect_octopusx.flows.lateness import too_late
from prefect_octopusx.flows.leaving import departures, leave, refuse_lost_records, way_to_wait
from prefect_octopusx.flows.options import BatchOptions
from prefect_octopusx.flows.parameters import forget_queries
from prefect_octopusx.flows.patience import comes_back_later
from prefect_octopusx.flows.same_list import SameList, compare_list, tell_of_dropped
from prefect_octopusx.storage import (
    DestinationError,
    DestinationUnavailable,
    RecordState,
    Step,
    VideoRecord,
    tidy_completed,
)
from prefect_octopusx.tasks import Batch, plan_videos
from prefect_octopusx.tasks.batch_report import BatchProgress, show_plan, show_results
from prefect_octopusx.tasks.runs import came_back, flow_run_id, top_run_id
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
    await forget_queries(logger=logger)
    if not items:
        logger.info("%s: there is nothing to do", name)
        return BatchResult(name=name, results=())
    destination = await resolve_destination(destination)
    same = compare_list(items)
    async with (
        comes_back_later(name),
        Batch.opened(
            destination=destination,
            credentials=credentials,
            requests_per_minute=options.requests_per_minute,
            transfers=options.transfers,
        ) as batch,
    ):
        run = _Run(batch, name, options, known, same, logger)
        if options.deployment is not None:
            chunks = Chunks(name, destination=destination, credentials=credentials, options=options, logger=logger)
            found = await run.have_made(items, chunks, destination)
            return found if options.dry_run else judged(found, options)
        planned = await run.plan(items, again=came_back())
        if options.dry_run:
            return await run.tell_plan(planned)
        requests = [video.item.request for video in planned if video.is_worked_on]
        way = await way_to_wait(options.wait, requests, destination=destination, logger=logger)
        result = await run.make(planned, leaves=way == "reschedule")
        while isinstance(result, Away):
            await leave(result.delay, result.why, logger=logger, labels=same.labels)
            await asyncio.sleep(result.delay)  # it could not leave
            result = await run.make(await run.plan(items, again=True), leaves=True)
    judged(result, options)
    await forget_queries(logger=logger, all_is_sent=True)
    return result


class Away(NamedTuple):
    """Some videos are in the making, and the run may leave for so many seconds."""

    delay: float
    why: str


class _Run:
    """One run of one batch."""

    def __init__(
        self,
        batch: Batch,
        name: str,
        options: BatchOptions,
        known: Sequence[VideoResult],
        same: SameList,
        logger: Logger,
    ) -> None:
        self._batch = batch
        self._name = name
        self._options = options
        self._known = known
        self._same = same
        self._logger = logger
        self._top_run: str | None = None
        self._is_too_late = False

    async def plan(self, items: Sequence[VideoItem], *, again: bool) -> list[PlannedVideo]:
        """Look at every video, and hold back what is not to be paid for in this run."""
        options = self._options
        self._top_run = await top_run_id()
        planned = await self._planned(items, again=again)
        changed = await self._changed(items)
        # Whether its chunks have lost anything is for them to find out: they may not have begun.
        loses = self._options.deployment is None and not changed
        if loses and all(video.outlook.step is Step.CREATE and not video.outlook.record for video in planned):
            await refuse_lost_records(self._name)
        allowed = options.max_new_videos
        if allowed is not None:  # a retry of this run, or of one around it, goes on counting
            allowed -= sum(_counts(video.outlook.record, self._top_run) for video in planned)
        late = await too_late(options.max_lateness)
        self._is_too_late = late is not None
        planned = hold_back(planned, max_new_videos=allowed, why=late or changed)
        self._logger.info("%s: %s", self._name, plan_in_words(planned))
        return planned

    async def _planned(self, items: Sequence[VideoItem], *, again: bool) -> list[PlannedVideo]:
        how: dict[str, Any] = {
            "batch": self._batch,
            "on_uncertain": self._options.on_uncertain,
            "retry_failed": self._options.retry_failed,
            "asked_by": self._top_run,
        }
        if again:
            try:
                return await plan_videos.fn(items, **how)  # a task run for each look would bury the run
            except DestinationUnavailable:
                if await departures():
                    raise
        planned: list[PlannedVideo] = await plan_videos(quote(items), **how)
        return planned

    async def _changed(self, items: Sequence[VideoItem]) -> str | None:
        """Return why nothing more is created, if the list has changed since the run left."""
        if not self._same.has_changed:
            return None
        if not self._same.is_told:
            await tell_of_dropped(self._batch.store, items, name=self._name, top_run=self._top_run, logger=self._logger)
        return "the list has changed while this run was away"

    async def tell_plan(self, planned: list[PlannedVideo]) -> BatchResult:
        """Show what a run would do, and end."""
        for video in planned:
            if video.outlook.step is Step.SKIP:
                continue  # the table has them
            step = "hold back" if video.held else video.outlook.step.value
            note = video.held or video.outlook.error
            why = f". {note}" if note else ""
            self._logger.info("%s (%s): %s%s", video.item.name, video.item.request.model, step, why)
        words = f"Dry run, nothing was sent: {plan_in_words(planned)}"
        await show_plan(self._name, planned, summary=words, logger=self._logger)
        results = tuple(untouched(video) for video in planned)
        return BatchResult(name=self._name, results=results, plan=words, too_late=self._is_too_late)

    async def make(self, planned: list[PlannedVideo], *, leaves: bool) -> BatchResult | Away:
        """Make what is missing, and write down what became of all; or tell what is left in the making."""
        pays = not leaves and any(video.may_pay for video in planned)
        before = await _used(self._batch.client, self._logger) if pays else None
        skipped = (video.outlook.record for video in planned if video.outlook.step is Step.SKIP)
        await tidy_completed(self._batch.store, filter(None, skipped))
        made = await self._made(planned, leaves=leaves)
        delays = [one.next_look for one in made if one.next_look is not None]
        if delays:
            stored = sum(one.result.is_stored for one in made)
            words = f"{self._name}: {len(delays)} of {len(made)} videos are in the making, {stored} stored"
            return Away(min(delays), words)
        after = await _used(self._batch.client, self._logger) if before is not None else None
        ours = flow_run_id()
        result = BatchResult(
            name=self._name,
            results=tuple(one.result for one in made),
            created=sum(bool(one.record and one.record.flow_run_id == ours and one.record.task_id) for one in made),
            too_late=self._is_too_late,
            used_before=before,
            used_after=after,
        )
        return await self._written(result)

    async def have_made(self, items: Sequence[VideoItem], chunks: Chunks, destination: Destination) -> BatchResult:
        """Have what is missing made by other runs, and tell what became of all."""
        if self._options.dry_run:
            await chunks.check(items)
            return await self.tell_plan(await self.plan(items, again=False))
        why, logger = "This run only waits for others", self._logger
        way = await way_to_wait(self._options.wait, (), destination=destination, logger=logger, because=why)
        found = await have_made(
            chunks,
            partial(self.plan, items, again=came_back()),
            name=self._name,
            total=len(items),
            leaves=way == "reschedule",
            labels=self._same.labels,
            logger=logger,
        )
        told = await why_not_made(found, self._batch.store)
        ours = {str(one.run.id) for one in found.runs}
        records = [video.outlook.record for video in found.planned]
        result = BatchResult(
            name=self._name,
            results=tuple(_left(video, told) for video in found.planned),
            created=sum(bool(record and record.task_id and record.flow_run_id in ours) for record in records),
            too_late=self._is_too_late,
        )
        return await self._written(result)

    async def _made(self, planned: list[PlannedVideo], *, leaves: bool) -> list[Made]:
        working = [video for video in planned if video.is_worked_on]
        progress = BatchProgress(self._name, total=len(planned), done=len(planned) - len(working), logger=self._logger)
        await progress.begin()
        maker = Maker(self._batch, self._options, top_run=self._top_run, leaves=leaves, logger=self._logger)
        how = make_what_is_ready if leaves else make_all
        made = await how(working, maker, max_in_flight=self._options.max_in_flight, done=progress.one_more)
        return [made.get(video.item.name) or Made(untouched(video), video.outlook.record) for video in planned]

    async def _written(self, result: BatchResult) -> BatchResult:
        """Write the results manifest and the table. Trouble is logged: what the videos came to matters more."""
        try:
            uri = await self._batch.store.write_file(results_file(self._name), write_results(self._all(result)))
            result = result.model_copy(update={"uri": uri})
        except DestinationError as error:
            self._logger.error("%s: the results manifest can't be written: %s", self._name, error)  # noqa: TRY400 - said
        store, summary = self._batch.store, result.summary()
        await show_results(store, self._name, result.results, summary=summary, logger=self._logger)
        return result

    def _all(self, result: BatchResult) -> list[VideoResult]:
        """Return these results, and the known ones of other videos, in the order of the known ones."""
        new = {one.name: one for one in result.results}
        return [new.pop(one.name, one) for one in self._known] + list(new.values())


def _left(video: PlannedVideo, told: Mapping[str, str]) -> VideoResult:
    """Return the result of a video that other runs were to make."""
    why = told.get(video.item.name)
    if why is None and video.may_pay:  # a refused create of another one left room, too late
        video = video._replace(held="max_new_videos: no run was asked to make it; the next batch goes on from there")
    return untouched(video, why=why)


def _counts(record: VideoRecord | None, top_run: str | None) -> bool:
    """Tell whether this run sent a create that may have been accepted: what surely was not is free to be sent again."""
    free = {RecordState.RELEASED, RecordState.REFUSED}
    return record is not None and record.top_run_id == top_run and record.state not in free


async def _used(client: OctopusXClient, logger: Logger) -> float | None:
    """Return what the key has used; None where the API does not say, which is no reason to stop."""
    try:
        return (await client.key_usage()).used
    except OctopusXError as error:
        logger.info("What the key has used is not known: %s", error)
        return None
