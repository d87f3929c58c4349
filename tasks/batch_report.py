"""What a person sees of a batch: a progress artifact while it runs, a table at the end."""

import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import httpx
from prefect import get_client
from prefect.artifacts import acreate_progress_artifact, acreate_table_artifact, aupdate_progress_artifact
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterKey
from prefect.exceptions import PrefectException

from prefect_octopusx.batches import PlannedVideo, VideoResult
from prefect_octopusx.storage import VideoStore
from prefect_octopusx.tasks.contact_sheet import show_contact_sheet
from prefect_octopusx.tasks.progress import artifact_key
from prefect_octopusx.tasks.runs import came_back, flow_run_id
from prefect_octopusx.tasks.steps import Logger
from prefect_octopusx.tasks.video_report import lasting_links

__all__ = ["BatchProgress", "show_plan", "show_results"]

_EVERY = 5.0  # seconds; each update is a request to Prefect's server
_LONGEST = 300  # characters of an error
_MOST_ROWS = 1000  # a browser shows no more with pleasure; the results manifest has all


class BatchProgress:
    """The share of a batch's videos that are done with, as one progress artifact that moves every few seconds.

    Args:
        name: The batch's name.
        total: How many videos it has.
        done: How many need nothing, as far as is known.
        logger: The run's logger.
        clock: Returns seconds.
    """

    def __init__(
        self, name: str, *, total: int, done: float, logger: Logger, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._total = total
        self._done = done
        self._logger = logger
        self._clock = clock
        self._artifact: UUID | None = None
        self._shown_at = 0.0

    async def begin(self) -> None:
        """Make the artifact, or go on with the one that this run made before it left or was retried."""
        await self.reached(self._done)

    async def one_more(self) -> None:
        """Count a video that is done with, be it stored or not."""
        self._done += 1
        if self._done == self._total or self._clock() - self._shown_at >= _EVERY:
            await self._show()

    async def reached(self, done: float) -> None:
        """Show that about so many videos are done with."""
        self._done = done
        if self._artifact is None and came_back():
            self._artifact = await self._made_before()
        await self._show()

    async def _made_before(self) -> UUID | None:
        run_id = flow_run_id()
        ours = ArtifactFilter(
            key=ArtifactFilterKey(any_=[artifact_key(self._name, kind="batch")]),
            flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(run_id)] if run_id else []),
        )
        try:
            async with get_client() as client:
                found = await client.read_artifacts(artifact_filter=ours, limit=1)
        except (httpx.HTTPError, PrefectException):
            return None
        return found[0].id if found else None

    async def _show(self) -> None:
        self._shown_at = self._clock()
        progress = round(100 * self._done / self._total, 1) if self._total else 100.0
        try:
            if self._artifact is None:
                self._artifact = await acreate_progress_artifact(
                    progress, key=artifact_key(self._name, kind="batch"), description=f"{self._total} videos"
                )
            else:
                await aupdate_progress_artifact(self._artifact, progress)
        except (httpx.HTTPError, PrefectException) as error:
            # Paid videos do not fail because their progress can't be shown.
            self._logger.warning("%s: progress can't be shown: %s", self._name, type(error).__name__)


async def show_plan(name: str, planned: Sequence[PlannedVideo], *, summary: str, logger: Logger) -> None:
    """Write the plan of a dry run as a table, what would be paid first."""
    order = sorted(planned, key=lambda video: (not video.may_pay, not video.is_worked_on))
    rows = [
        {
            "name": video.item.name,
            "model": video.item.request.model,
            "plan": "hold back" if video.held else video.outlook.step.value,
            "record": video.outlook.record.state.value if video.outlook.record else "",
            "note": _short(video.held or str(video.outlook.error or "")),
        }
        for video in order
    ]
    await _table(rows, key=artifact_key(name, kind="plan"), description=summary, logger=logger)


async def show_results(
    store: VideoStore, name: str, results: Sequence[VideoResult], *, summary: str, logger: Logger
) -> None:
    """Write the results as a table, what is not stored first, and the stored ones as a contact sheet."""
    order = sorted(results, key=lambda result: result.is_stored)
    links = await lasting_links(store, [one.name for one in order[:_MOST_ROWS] if one.is_stored])
    rows = [
        {
            "name": result.name,
            "state": result.state,
            "model": result.model,
            "uri": result.uri or "",
            **({"link": links.get(result.name, "")} if links else {}),
            "bytes": result.bytes,
            "seconds": result.seconds,
            "attempts": result.attempts,
            "task": result.task_id or "",
            "error": _short(result.error or ""),
        }
        for result in order
    ]
    await _table(rows, key=artifact_key(name, kind="videos"), description=summary, logger=logger)
    await show_contact_sheet(store, name, results, logger=logger)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


async def _table(rows: list[dict[str, Any]], *, key: str, description: str, logger: Logger) -> None:
    if len(rows) > _MOST_ROWS:
        description += f" Shown are the first {_MOST_ROWS} of {len(rows)} rows."
    try:
        await acreate_table_artifact(rows[:_MOST_ROWS], key=key, description=description)
    except (httpx.HTTPError, PrefectException) as error:
        logger.warning("%s: the table can't be shown: %s", key, type(error).__name__)
