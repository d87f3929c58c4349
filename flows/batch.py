"""A list of prompts becomes a folder of verified videos, each paid for once."""

from datetime import datetime
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from prefect_octopusx.api import VideoRequest
from prefect_octopusx.batches import BatchResult, VideoItem, named_items
from prefect_octopusx.blocks import LocalDestination, OctopusXCredentials, S3Destination
from prefect_octopusx.flows.batch_run import run_batch
from prefect_octopusx.flows.chunks import made_from_of_this_chunk
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
from prefect_octopusx.storage import LEASE, OnUncertain
from prefect_octopusx.tasks.assets import asset_key
from prefect_octopusx.tasks.runs import completed

__all__ = ["generate_videos"]


def _run_name() -> str:
    parameters = flow_run.parameters
    return parameters.get("name") or Path(str(parameters.get("manifest") or "videos")).stem


@flow(name="generate-videos", flow_run_name=_run_name)
async def generate_videos(
    manifest: CanBeEmpty[Location] = None,
    requests: CanBeEmpty[dict[str, VideoRequest]] = None,
    destination: CanBeEmpty[S3Destination | LocalDestination] = None,
    credentials: CanBeEmpty[OctopusXCredentials] = None,
    name: CanBeEmpty[str] = None,
    defaults: CanBeEmpty[dict[str, Any]] = None,
    dry_run: bool = False,
    max_new_videos: CanBeEmpty[MaxNewVideos] = None,
    max_lateness: CanBeEmpty[Positive] = None,
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
    timezone: Timezone = "UTC",
    scheduled: CanBeEmpty[datetime] = None,
) -> BatchResult:
    """Make every video of a list that is not made yet. Run it again, and it does only what is missing.

    The whole list is checked before anything is paid. A video that fails does not stop the others.

    Args:
        manifest: The list: a path or `s3://bucket/key`, ending in .jsonl, .csv or .yaml. Docs: Manifests.
        requests: The list, in place of a manifest: requests by the names of their videos, in the form as JSON. Prefect
            keeps it as a parameter of the run, of at most 512 KiB: more than about a thousand belong in a manifest.
        destination: Where to. Left out, the saved block `s3-destination/default`, else the folder `videos`.
        credentials: The API key. Left out, `octopusx-credentials/default`, else the Secret `octopusx-api-key`, else
            the environment variable `OCTOPUSX_API_KEY`. An `s3://` manifest is read with the
            destination's own endpoint and credentials, if that is a bucket.
        name: The batch's name, for `NAME-results.jsonl` at the destination and for the artifacts; by default the
            manifest's file name without its ending, or a name of this run.
        defaults: Fields for all rows of the manifest that do not give them, in the form as JSON.
        dry_run: Only say what would be done: the log and the artifact `plan-NAME` have the plan. Sends nothing.
        max_new_videos: How many creates this run may send at most, with all its retries and those of the runs around
            it; the next run goes on from there.
        max_lateness: Seconds; a run that starts later than that after its scheduled time creates nothing, and only
            stores what is in the making.
        fail_if_failed_ratio: The run fails if more than this share of its videos, from 0 to 1, is not stored at the
            end. What was held back by the three guards above does not count.
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
        deployment: Many workers: the deployment of this flow, as `generate-videos/NAME`, whose runs make the videos,
            `chunk_size` each; this run starts them, shows the progress of all, and does so again for those that crash.
            `max_in_flight`, `requests_per_minute` and `transfers` are for each of them; what they share is told by
            global concurrency limits. Left out, this run makes all.
        chunk_size: How many videos one of those runs makes.
        timezone: The zone in which `{date}` and the like are told, such as Europe/Berlin.
        scheduled: The time for `{date}` and the like; by default that for which this run was scheduled, which no retry
            changes.

    Returns:
        What became of each video; the same is at the destination as `NAME-results.jsonl`.

    Raises:
        ManifestError: The list has faults; all are told, with row and column. Nothing was sent.
        BatchFailed: More videos failed than `fail_if_failed_ratio` allows; the others are stored.
        OctopusXError: The destination or the key can't be used.
        ValueError: Not one of `manifest` and `requests` is given, or something that does not go with it.
    """
    if (manifest is None) == (requests is None):
        raise ValueError("Give one of `manifest` and `requests`.")
    if requests is not None and (defaults or scheduled):
        raise ValueError("defaults, scheduled: they are for a `manifest`; `requests` are made as they are.")
    items: list[VideoItem]
    if manifest is not None:
        loaded = await load_manifest(manifest, defaults=defaults, destination=destination)
        items = loaded.videos(await scheduled_in(timezone, scheduled))
        name = name or loaded.name
    else:
        items = named_items(requests or {})
        name = name or f"videos-{flow_run.id}"
    result = await run_batch(
        items,
        name=batch_name(name),
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
            made_from=asset_key(manifest) if manifest else made_from_of_this_chunk(),
        ),
    )
    return completed(result, result.summary(), name=result.state_name)
