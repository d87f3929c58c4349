"""Many videos by workers that are killed at random, while a fifth of all requests goes wrong.

`make soak` makes 300. What nobody but a person can decide is decided as docs/what-happens-when.md has it: a look at the
dashboard tells whether a create was accepted, and then it is adopted, else sent again. So each is paid exactly once.
"""

import hashlib
import os
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import boto3
import pytest

from prefect_octopusx.api import SubmissionUncertain
from prefect_octopusx.blocks import OctopusXCredentials, S3Destination
from prefect_octopusx.flows import adopt_video, collect_videos, generate_video
from prefect_octopusx.sandbox import Sandbox
from prefect_octopusx.sandbox.files import video_bytes
from prefect_octopusx.storage import VideoRecord
from tests.soak.faults import LOST, Chance, FaultyBucket, FaultyGateway
from tests.soak.worker import Job, request, start

pytestmark = pytest.mark.usefixtures("prefect_api", "retries_at_once")

NAMES = tuple(f"video-{number:03}" for number in range(int(os.environ.get("SOAK_NAMES", "6"))))
WORKERS = 3
PAUSE = 2.0
"""Seconds between kills, on the average, to begin with."""
RARER = 10
"""How many times as long it is at the end: on a busy machine to start a worker may take longer than it would live."""
LIMIT = 60.0 + 10.0 * len(NAMES)
"""Seconds after which it has hung."""


async def test_each_is_paid_once_and_stored_once(
    sandbox: Sandbox,
    credentials: OctopusXCredentials,
    s3_destination: S3Destination,
    s3_url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    begun = time.monotonic()
    seed = random.randrange(2**32)
    gateway, bucket = Chance(seed), Chance(seed + 1)
    sandbox._state.faults = FaultyGateway(gateway)
    with FaultyBucket(s3_url, bucket).running() as endpoint:
        job = Job(NAMES, credentials, s3_destination.model_copy(update={"endpoint_url": endpoint}), tmp_path)
        killed = keep_killing(job, random.Random(seed))
    worked = time.monotonic() - begun
    gateway.rate = 0.0
    options = {"destination": s3_destination, "credentials": credentials, "poll_interval": 0.05}
    decided = Counter([await settle(sandbox, name, options) for name in NAMES])
    await collect_videos(destination=s3_destination, credentials=credentials)

    check(sandbox, s3_destination)
    lost = sum(gateway.drawn[kind] for kind in LOST)
    assert decided["adopted"] + decided["sent again"] <= lost + killed * 3
    runs = Counter(line.split()[2] for line in (tmp_path / "log").read_text().splitlines())
    with capsys.disabled():
        print(  # noqa: T201 - the figures are what one soaks for
            f"\nsoak, seed {seed}: {len(NAMES)} videos stored, {len(sandbox.ledger)} billed, {killed} workers killed,"
            f"\n  {gateway.drawn.total()} of {gateway.asked} requests to the gateway and {bucket.drawn.total()} of "
            f"{bucket.asked} to the bucket failed, {lost} replies to creates lost;"
            f"\n  runs that came to an end: {dict(runs)}; then, by a person: {dict(decided)};"
            f"\n  {worked:.0f} s of work, {time.monotonic() - begun - worked:.0f} s of tidying up"
        )


def keep_killing(job: Job, chance: random.Random) -> int:
    """Let workers work, and kill one now and then, until nothing is left to do. Return how many were killed."""
    killed = 0
    begun = time.monotonic()
    workers = [start(job, chance.randrange(2**32)) for _ in range(WORKERS)]
    try:
        while any(worker.exitcode != 0 for worker in workers):
            share = (time.monotonic() - begun) / LIMIT
            assert share < 1, f"they don't come to an end; left: {job.left()}"
            seat = chance.randrange(WORKERS)
            # Where nothing is left they only have to end, which on a busy machine takes longer than they would live.
            pause = PAUSE * (1 + RARER * share) if job.left() else LIMIT
            workers[seat].join(chance.uniform(0.2, 1.8) * pause)
            if workers[seat].exitcode is None:
                workers[seat].kill()
                workers[seat].join()
                killed += 1
            assert workers[seat].exitcode in {0, -9}, (job.notes / "output").read_text()[-5000:]
            if workers[seat].exitcode:
                workers[seat].close()
                workers[seat] = start(job, chance.randrange(2**32))
    finally:
        for worker in workers:
            worker.kill()
            worker.join()
            worker.close()
    return killed


async def settle(sandbox: Sandbox, name: str, options: dict[str, Any]) -> str:
    """Make sure that a video is stored, and return what a person had to decide for that."""
    try:
        await generate_video(request(name), name=name, lease=1, **options)
    except SubmissionUncertain:
        accepted = [job for job in sandbox.jobs if job.body["prompt"] == request(name).prompt]
        if accepted:
            await adopt_video(accepted[0].id, name, **options)
            return "adopted"
        await generate_video(request(name), name=name, on_uncertain="resubmit", **options)
        return "sent again"
    return "nothing"


def check(sandbox: Sandbox, destination: S3Destination) -> None:
    """Exactly one job for each name was billed, and all that lies in the bucket is its video and its record."""
    jobs = {job.body["prompt"]: job for job in sandbox.jobs}
    assert len(jobs) == len(sandbox.jobs) == len(NAMES)
    assert len(sandbox.ledger) == len(NAMES)
    assert not any(charge.refunded for charge in sandbox.ledger)
    client = boto3.client("s3", endpoint_url=destination.endpoint_url)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=destination.bucket)
    keys = {found["Key"] for page in pages for found in page.get("Contents", [])}
    marks = {key for key in keys if key.startswith("clips/.pending/")}
    assert keys - marks == {f"clips/{name}{ending}" for name in NAMES for ending in (".json", ".mp4")}
    assert not client.list_multipart_uploads(Bucket=destination.bucket).get("Uploads")
    for name in NAMES:
        read = {
            ending: client.get_object(Bucket=destination.bucket, Key=f"clips/{name}{ending}")["Body"].read()
            for ending in (".json", ".mp4")
        }
        record = VideoRecord.from_json(read[".json"], where=name)
        job = jobs[request(name).prompt]
        assert (record.state, record.task_id) == ("completed", job.id)
        assert read[".mp4"] == video_bytes(job)
        assert record.sha256 == hashlib.sha256(read[".mp4"]).hexdigest()
        # Marks of runs that were killed before they could claim are removed when they are a day old.
        assert f"clips/.pending/{name}.{record.claim}" not in marks
