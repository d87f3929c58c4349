"""The content calendar: on each tick of a schedule, make what is due and not yet made."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from prefect import flow, get_run_logger
from prefect.runtime import flow_run
from pydantic import Field

from prefect_octopusx.api import OctopusXError
from prefect_octopusx.batches import BatchResult, Weekday, due_videos, zone_named
from prefect_octopusx.blocks import (
    Destination,
    LocalDestination,
    OctopusXCredentials,
    S3Destination,
    resolve_destination,
)
from prefect_octopusx.flows.batch_run import run_batch
from prefect_octopusx.flows.manifests import Location, Timezone, batch_name, load_manifest, scheduled_in
from prefect_octopusx.flows.options import (
    BatchOptions,
    BatchWait,
    CanBeEmpty,
    ChunkSize,
    Lease,
    MaxInFlight,
    MaxNewVideos,
    Positive,
    Ratio,
    RequestsPerMinute,
    Transfers,
)
from prefect_octopusx.storage import LEASE, OnUncertain, RecordState
from prefect_octopusx.tasks.assets import asset_key
from prefect_octopusx.tasks.runs import came_back, completed

__all__ = ["generate_due_videos"]

_LOOKS_BACK = 20  # rows; what is longer ago is a person's business no more
Days = Annotated[int, Field(ge=0, le=366)]


def _run_name() -> str:
    parameters = flow_run.parameters
    return f"{parameters.get('name') or Path(str(parameters['manifest'])).stem} (due)"


@flow(name="generate-due-videos", flow_run_name=_run_name)
async def generate_due_videos(
    manifest: Location,
    destination: CanBeEmpty[S3Destination | LocalDestination] = None,
    credentials: CanBeEmpty[OctopusXCredentials] = None,
    timezone: Timezone = "UTC",
    look_ahead_days: Days = 0,
    catch_up_days: CanBeEmpty[Days] = None,
    weekdays: CanBeEmpty[list[Weekday]] = None,
    name: CanBeEmpty[str] = None,
    defaults: CanBeEmpty[dict[str, Any]] = None,
    dry_run: bool = False,
    max_new_videos: CanBeEmpty[MaxNewVideos] = None,
    max_lateness: Positive | None = 86_400.0,
    fail_if_failed_ratio: Ratio = 0.0,
    max_in_flight: MaxInFlight = 100,
    requests_per_minute: RequestsPerMinute = 120.0,
    transfers: Transfers = 4,
    on_uncertain: OnUncertain = "stop",
    retry_failed: bool = False,
    poll_interval: CanBeEmpty[Positive] = None,
    deadline: CanBeEmpty[Positive] = None,
    lease: Lease = LEASE,
    wait: BatchWait = "auto",
    deployment: CanBeEmpty[str] = None,
    chunk_size: ChunkSize = 50,
    scheduled: CanBeEmpty[datetime] = None,
) -> BatchResult:
    """Make what is due now, by a manifest with dates or a rotation without. For schedules.

    With dates, each row is made once, at its date. Without, each day takes the next row, and the names tell the days
    apart by `{date}`. The same tick run twice makes nothing twice: the names are the same, and so are the videos.

    Args:
        manifest: The calendar: a path or `s3://bucket/key`. Docs: Calendar.
        destination: Where to. Left out, the saved block `s3-destination/default`, else the folder `videos`.
        credentials: The API key. Left out, `octopusx-credentials/default`, else the Secret `octopusx-api-key`, else
            the environment variable `OCTOPUSX_API_KEY`.
        timezone: The zone of the calendar's dates, such as Europe/Berlin; best the one of the schedule.
        look_ahead_days: How many days ahead to make videos, so that they are there in time.
        catch_up_days: How many days back to make what is missing: 1 by default with dates, 0 for a rotation. What is
            older is reported, not made.
        weekdays: The days that a rotation has videos for; all by default.
        name: The batch's name; by default the manifest's, with the date: `NAME-2026-12-01-results.jsonl`.
        defaults: Fields for all rows that do not give them, in the form as JSON.
        dry_run: Only say what would be done.
        max_new_videos: How many creates this run may send at most, with all its retries.
        max_lateness: Seconds; a run that starts later than that after its scheduled time creates nothing, so that a
            worker that was away does not bill all that it missed. A day by default; none for no limit.
        fail_if_failed_ratio: The run fails if more than this share of its videos, from 0 to 1, is not stored at the
            end.
        max_in_flight: How many videos are in the making at once.
        requests_per_minute: How often the API is asked, creates and looks together.
        transfers: How many videos are stored at the same time.
        on_uncertain: For videos of which nobody knows whether an earlier create was accepted: `stop`, or `resubmit` at
            the risk of paying twice.
        retry_failed: Whether to try anew, and pay for, what failed or was refused.
        poll_interval: Seconds between looks at each video; left out, a pacing that fits the model.
        deadline: Seconds after each submission at which waiting ends.
        lease: Seconds without a sign of life after which other runs take this one for dead while its create is on the
            way.
        wait: `process` waits here until all is done. `reschedule` submits all and leaves: the deployment starts this
            run again for each look at the whole batch. `auto` is `reschedule` if there are off-peak videos, else
            `process`. Without a deployment, `reschedule` waits here.
        deployment: Many workers: a deployment of `generate_videos`, as `generate-videos/NAME`, whose runs make the
            videos. Left out, this run makes all.
        chunk_size: How many videos one of those runs makes.
        scheduled: The tick; by default the time for which this run was scheduled, which no retry changes. Given, it
            makes up for a tick that was missed.

    Returns:
        What became of each video that is due.

    Raises:
        ManifestError: The calendar has faults, also in rows that are not due; all are told. Nothing was sent.
        BatchFailed: More videos failed than `fail_if_failed_ratio` allows; the others are stored.
        OctopusXError: The destination or the key can't be used.
    """
    calendar = await load_manifest(manifest, defaults=defaults, destination=destination)
    tick = await scheduled_in(timezone, scheduled)
    due = due_videos(
        calendar,
        tick=tick,
        zone=zone_named(timezone),
        look_ahead_days=look_ahead_days,
        catch_up_days=catch_up_days,
        weekdays=weekdays,
    )
    logger = get_run_logger()
    logger.info("%s: %d due at %s, %d still to come", calendar.name, len(due.items), tick.isoformat(), due.later)
    if not came_back() and (missed := await _never_stored(due.over[-_LOOKS_BACK:], destination)):
        logger.warning(
            "%s: never stored, and too long ago for `catch_up_days`: %s. To make them up, run this flow with "
            "`scheduled` at their time",
            calendar.name,
            ", ".join(missed),
        )
    result = await run_batch(
        due.items,
        name=batch_name(name or f"{calendar.name}-{tick:%Y-%m-%d}"),
        destination=destination,
        credentials=credentials,
        options=BatchOptions(
            max_in_flight=max_in_flight,
            max_new_videos=max_new_videos,
            fail_if_failed_ratio=fail_if_failed_ratio,
            dry_run=dry_run,
            max_lateness=max_lateness,
            requests_per_minute=requests_per_minute,
            transfers=transfers,
            on_uncertain=on_uncertain,
            retry_failed=retry_failed,
            poll_interval=poll_interval,
            deadline=deadline,
            lease=lease,
            wait=wait,
            deployment=deployment,
            chunk_size=chunk_size,
            made_from=asset_key(manifest),
        ),
    )
    return completed(result, result.summary(), name=result.state_name)


async def _never_stored(names: Sequence[str], destination: Destination | None) -> list[str]:
    """Return which of these have no completed record. Only told, so no trouble with one stops the calendar."""
    store = await (await resolve_destination(destination)).store()

    async def is_stored(name: str) -> bool:
        try:
            entry = await store.read(name)
        except OctopusXError as error:
            get_run_logger().warning("%s: its record can't be read: %s", name, error)
            return True
        return entry is not None and entry.record.state is RecordState.COMPLETED

    stored = await asyncio.gather(*map(is_stored, names))
    return [name for name, done in zip(names, stored, strict=True) if not done]
