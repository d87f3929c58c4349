"""Whole lives of videos in a real S3 server that checks signatures and honours no `If-Match`: OpenStack Swift."""

import asyncio
import hashlib
from uuid import uuid4

import boto3
import pytest

from prefect_octopusx.api import JimengRequest, SubmissionUncertain, ViduRequest
from prefect_octopusx.blocks import OctopusXCredentials, S3Destination
from prefect_octopusx.flows import adopt_video, collect_videos, generate_video
from prefect_octopusx.sandbox import Fault, Sandbox
from prefect_octopusx.storage import DestinationError
from tests.swift.server import Swift

pytestmark = pytest.mark.usefixtures("prefect_api", "retries_at_once")

CAT = ViduRequest(model="viduq3-pro", prompt="a cat chasing butterflies")


@pytest.fixture
def destination(swift: Swift, monkeypatch: pytest.MonkeyPatch) -> S3Destination:
    swift.be_default(monkeypatch)
    name = f"videos-{uuid4().hex[:8]}"
    boto3.client("s3", endpoint_url=swift.endpoint, region_name=swift.region).create_bucket(Bucket=name)
    return S3Destination(
        bucket=name, prefix="clips", endpoint_url=swift.endpoint, region=swift.region, conditional_writes=False
    )


def keys(destination: S3Destination) -> list[str]:
    client = boto3.client("s3", endpoint_url=destination.endpoint_url, region_name=destination.region)
    assert not client.list_multipart_uploads(Bucket=destination.bucket).get("Uploads")
    return [found["Key"] for found in client.list_objects_v2(Bucket=destination.bucket).get("Contents", [])]


async def test_without_being_told_it_is_found_unfit_before_anything_is_paid(
    destination: S3Destination, credentials: OctopusXCredentials, sandbox: Sandbox
) -> None:
    strict = destination.model_copy(update={"conditional_writes": True})
    with pytest.raises(DestinationError, match=r"does not honour conditional writes.*IfMatch.*`conditional_writes`"):
        await generate_video(CAT, name="hero", destination=strict, credentials=credentials)
    assert sandbox.requests == []
    assert keys(destination) == []


async def test_runs_that_start_together_pay_once(
    destination: S3Destination, credentials: OctopusXCredentials, sandbox: Sandbox
) -> None:
    """Its conditional writes are not atomic; that a claim is read again a while later makes up for that."""
    options = {"destination": destination, "credentials": credentials, "poll_interval": 0.05}
    records = await asyncio.gather(*(generate_video(CAT, name="hero", **options) for _ in range(4)))
    assert all(record == records[0] for record in records)
    assert len(sandbox.ledger) == 1
    assert keys(destination) == ["clips/hero.jpg", "clips/hero.json", "clips/hero.mp4"]
    client = boto3.client("s3", endpoint_url=destination.endpoint_url, region_name=destination.region)
    stored = client.get_object(Bucket=destination.bucket, Key="clips/hero.mp4")["Body"].read()
    assert hashlib.sha256(stored).hexdigest() == records[0].sha256
    assert await generate_video(CAT, name="hero", **options) == records[0]
    assert len(sandbox.ledger) == 1


async def test_lost_replies_and_videos_that_nobody_waited_for(
    destination: S3Destination, credentials: OctopusXCredentials, sandbox: Sandbox
) -> None:
    options = {"destination": destination, "credentials": credentials}
    sandbox.add_fault(Fault("create_lost_reply"))
    with pytest.raises(SubmissionUncertain):
        await generate_video(CAT, name="lost", **options)
    record = await adopt_video(sandbox.jobs[0].id, "lost", poll_interval=0.05, **options)
    assert record.state == "completed"
    boat = JimengRequest(model="jimeng-video-3.0", prompt="a paper boat")
    await generate_video(boat, name="later", wait="none", **options)
    while [row.state for row in await collect_videos(**options)] not in (["completed"], []):
        pass  # asks again: it is in the making
    endings = (".jpg", ".json", ".mp4")
    assert keys(destination) == [f"clips/{name}{ending}" for name in ("later", "lost") for ending in endings]
    assert len(sandbox.ledger) == 2
