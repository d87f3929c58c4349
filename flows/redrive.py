"""What a batch could not make is tried again, and nothing else."""

from typing import Literal

from prefect import flow

from prefect_octopusx.batches import BatchResult, ResultsInvalid, VideoResult, items_of, read_results, results_file
from prefect_octopusx.blocks import LocalDestination, OctopusXCredentials, S3Destination, resolve_destination
from prefect_octopusx.flows.batch_run import run_batch
from prefect_octopusx.flows.manifests import batch_name
from prefect_octopusx.flows.options import (
    BatchOptions,
    BatchWait,
    CanBeEmpty,
    ChunkSize,
    MaxInFlight,
    MaxNewVideos,
    Positive,
    Ratio,
    RequestsPerMinute,
    Transfers,
)
from prefect_octopusx.flows.patience import comes_back_later
from prefect_octopusx.tasks.runs import completed

__all__ = ["redrive_videos"]

_UNDECIDED = {"uncertain", "submitting"}


@flow(name="redrive-videos", flow_run_name="redrive {batch} ({what})")
async def redrive_videos(
    batch: str,
    what: Literal["failed", "uncertain"] = "failed",
    destination: CanBeEmpty[S3Destination | LocalDestination] = None,
    credentials: CanBeEmpty[OctopusXCredentials] = None,
    dry_run: bool = False,
    max_new_videos: CanBeEmpty[MaxNewVideos] = None,
    fail_if_failed_ratio: Ratio = 0.0,
    max_in_flight: MaxInFlight = 100,
    requests_per_minute: RequestsPerMinute = 120.0,
    transfers: Transfers = 4,
    poll_interval: CanBeEmpty[Positive] = None,
    deadline: CanBeEmpty[Positive] = None,
    wait: BatchWait = "auto",
    deployment: CanBeEmpty[str] = None,
    chunk_size: ChunkSize = 50,
) -> BatchResult:
    """Try again, **and pay for**, what a batch did not store, by its results manifest `NAME-results.jsonl`.

    `failed` are those that failed or were refused, did not get through, or were not ready in time (those are paid for
    already). `uncertain` are those of which nobody knows whether they are in the making and billed: look in the
    OctopusX dashboard first, since each may be paid for twice. What was never sent, only because a money guard held it
    back, is in neither: run the batch itself again for it.

    Args:
        batch: The batch's name, as in `NAME-results.jsonl`.
        what: Which of them.
        destination: Where the batch went. Left out, the saved block `s3-destination/default`, else the folder `videos`.
        credentials: The API key. Left out, `octopusx-credentials/default`, else the Secret `octopusx-api-key`, else
            the environment variable `OCTOPUSX_API_KEY`.
        dry_run: Only say what would be done.
        max_new_videos: How many creates this run may send at most, with all its retries.
        fail_if_failed_ratio: The run fails if more than this share of those that are tried again, from 0 to 1, is not
            stored at the end.
        max_in_flight: How many videos are in the making at once.
        requests_per_minute: How often the API is asked, creates and looks together.
        transfers: How many videos are stored at the same time.
        poll_interval: Seconds between looks at each video; left out, a pacing that fits the model.
        deadline: Seconds after each submission at which waiting ends.
        wait: `process` waits here until all is done. `reschedule` submits all and leaves: the deployment starts this
            run again for each look at the whole batch. `auto` is `reschedule` if there are off-peak videos, else
            `process`. Without a deployment, `reschedule` waits here.
        deployment: Many workers: a deployment of `generate_videos`, as `generate-videos/NAME`, whose runs make the
            videos. Left out, this run makes all.
        chunk_size: How many videos one of those runs makes.

    Returns:
        What became of those that were tried again. The results manifest has the others too, as they were.

    Raises:
        ResultsInvalid: There is no such manifest, or a request could not be kept in it. Nothing was sent.
        BatchFailed: More videos failed than `fail_if_failed_ratio` allows.
        OctopusXError: The destination or the key can't be used.
    """
    destination = await resolve_destination(destination)
    name = results_file(batch_name(batch))
    async with comes_back_later(batch):
        data = await (await destination.store()).read_file(name)
    if data is None:
        raise ResultsInvalid(f"batch: there is no {name} at the destination. Check `batch` and `destination`.")
    known = read_results(data, where=name)
    result = await run_batch(
        items_of([result for result in known if _is_chosen(result, what)]),
        name=batch_name(batch),
        known=known,
        destination=destination,
        credentials=credentials,
        options=BatchOptions(
            max_in_flight=max_in_flight,
            max_new_videos=max_new_videos,
            fail_if_failed_ratio=fail_if_failed_ratio,
            dry_run=dry_run,
            requests_per_minute=requests_per_minute,
            transfers=transfers,
            on_uncertain="resubmit" if what == "uncertain" else "stop",
            retry_failed=what == "failed",
            poll_interval=poll_interval,
            deadline=deadline,
            wait=wait,
            deployment=deployment,
            chunk_size=chunk_size,
        ),
    )
    return completed(result, result.summary(), name=result.state_name)


def _is_chosen(result: VideoResult, what: str) -> bool:
    if result.is_stored or (result.held and result.state == "not_created"):
        return False  # what failed before and was held back still is one that failed
    return (result.state in _UNDECIDED) == (what == "uncertain")
