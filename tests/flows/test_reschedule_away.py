"""Runs that come back for a look while their bucket does not answer: they leave again, and store when it does."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from prefect_octopusx.blocks import S3Destination
from prefect_octopusx.flows import patience
from prefect_octopusx.sandbox import Fault
from prefect_octopusx.storage import DestinationUnavailable, RecordState
from tests.flows.deployed import Deployed, Studio
from tests.s3 import S3Server

pytestmark = pytest.mark.usefixtures("prefect_api", "retries_at_once")


class Bucket:
    """A bucket that goes away, and comes back with all it had."""

    def __init__(self, name: str) -> None:
        server = S3Server()
        self.destination = S3Destination(bucket=name, endpoint_url=server.url, region="us-east-1")
        self.go_away, self.come_back = server.stop, server.start
        boto3.client("s3", endpoint_url=server.url).create_bucket(Bucket=name)

    @property
    def fields(self) -> dict[str, Any]:
        return self.destination.model_dump(include={"bucket", "endpoint_url", "region"})


@pytest.fixture
def bucket(request: pytest.FixtureRequest) -> Iterator[Bucket]:
    found = Bucket(f"away-{abs(hash(request.node.nodeid)):x}")
    yield found
    found.go_away()


async def left(run: Deployed) -> str:
    """Start the run, see it leave, and return what it says of why."""
    await run.leave()
    state = (await run.read()).state
    assert state is not None
    return str(state.message)


async def test_a_look_leaves_again_and_the_next_one_stores(studio: Studio, bucket: Bucket) -> None:
    run = await studio.deploy(destination=bucket.fields)
    await run.leave()
    studio.finish()
    bucket.go_away()
    assert (await left(run)).startswith("cat: the destination does not answer (")
    assert (await run.away()).total_seconds() == pytest.approx(60, abs=5)
    bucket.come_back()
    await run.bring_forward()
    assert (await run.start()).state is RecordState.COMPLETED
    assert studio.posts == 1
    assert len(await run.task_runs(3)) == 3


async def test_a_bucket_that_goes_while_the_video_is_on_its_way(studio: Studio, bucket: Bucket) -> None:
    run = await studio.deploy(destination=bucket.fields)
    await run.leave()
    studio.finish()
    studio.sandbox.add_fault(Fault("file_slow", delay=2))
    process = asyncio.create_task(left(run))
    async with asyncio.timeout(30):
        while not any(trace.path.startswith("/files") for trace in studio.sandbox.requests):
            await asyncio.sleep(0.02)
    bucket.go_away()
    assert "the destination does not answer" in await process
    bucket.come_back()
    await run.bring_forward()
    assert (await run.start()).state is RecordState.COMPLETED
    assert studio.posts == 1


async def test_a_run_that_never_left_fails(studio: Studio, bucket: Bucket) -> None:
    """Somebody may be watching, and nothing is paid for."""
    run = await studio.deploy(destination=bucket.fields)
    bucket.go_away()
    with pytest.raises(DestinationUnavailable):
        await run.start()
    assert studio.posts == 0
    bucket.come_back()


async def test_it_tries_less_and_less_often_and_fails_after_a_day(
    studio: Studio, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await studio.deploy(destination=bucket.fields)
    await run.leave()
    bucket.go_away()
    for minutes, seconds in ((0, 60), (20, 300), (23 * 60, 1800)):
        now = datetime.now(UTC) + timedelta(minutes=minutes)
        monkeypatch.setattr(patience, "_now", lambda now=now: now)
        await left(run)
        assert (await run.away()).total_seconds() == pytest.approx(seconds, abs=15)
        await run.bring_forward()
    monkeypatch.setattr(patience, "_now", lambda: datetime.now(UTC) + timedelta(hours=25))
    with pytest.raises(DestinationUnavailable):
        await run.start()
    bucket.come_back()


async def test_a_batch_leaves_again_and_stores_all_later(studio: Studio, bucket: Bucket) -> None:
    run = await studio.deploy_batch(3, destination=bucket.fields)
    await run.leave()
    studio.finish()
    bucket.go_away()
    assert (await left(run)).startswith("cats: the destination does not answer (")
    bucket.come_back()
    await run.bring_forward()
    assert (await run.start()).stored == 3
    assert studio.posts == 3


async def test_a_batch_whose_bucket_goes_while_videos_are_on_their_way(studio: Studio, bucket: Bucket) -> None:
    run = await studio.deploy_batch(2, destination=bucket.fields)
    await run.leave()
    studio.finish()
    studio.sandbox.add_fault(Fault("file_slow", delay=2, times=2))
    process = asyncio.create_task(left(run))
    async with asyncio.timeout(30):
        while not any(trace.path.startswith("/files") for trace in studio.sandbox.requests):
            await asyncio.sleep(0.02)
    bucket.go_away()
    await process
    assert (await run.away()).total_seconds() == pytest.approx(300, abs=5)
    bucket.come_back()
    await run.bring_forward()
    assert (await run.start()).stored == 2
    assert studio.posts == 2
