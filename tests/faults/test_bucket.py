"""The matrix of faults, for a bucket: a real S3 server, and before it a relay that answers in its place."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from prefect_octopusx.sandbox import Sandbox
from prefect_octopusx.storage import RecordState, S3Options, S3Store, VideoStore
from tests.clocks import Clock
from tests.faults.relay import Relay
from tests.faults.store_rows import BUCKET_ROWS
from tests.faults.table import Provocation, Row
from tests.faults.world import World, live_through

_BUCKET = "faults"
_CASES = [
    pytest.param(row, by, id=f"{row.fault}, {number}") for row in BUCKET_ROWS for number, by in enumerate(row.by, 1)
]


@pytest.fixture(scope="module")
def session() -> boto3.Session:
    """Read boto3's large description of S3 once."""
    return boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing", region_name="us-east-1")


@pytest.fixture(scope="module", autouse=True)
def in_no_hurry() -> Any:  # noqa: ANN401 - an iterator
    """Let boto3 try once, and nobody wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_MAX_ATTEMPTS", "1")
        patch.setattr("prefect_octopusx.storage.s3._PAUSES", (0.0, 0.0))
        yield


@pytest.fixture
async def world(
    request: pytest.FixtureRequest, shared: Sandbox, clock: Clock, s3_url: str, session: boto3.Session
) -> AsyncIterator[World]:
    row: Row = request.getfixturevalue("row")
    opened = World(shared, clock, padding=row.padding)

    async def bucket(stack: AsyncExitStack) -> VideoStore:
        opened.bucket = await stack.enter_async_context(Relay(urlsplit(s3_url).port or 0))
        client = session.client("s3", endpoint_url=s3_url)
        stack.callback(_empty, client)
        client.create_bucket(Bucket=_BUCKET)
        options = {"bucket": _BUCKET, "prefix": "clips", "part_size": 5 * 2**20, "session_factory": lambda: session}
        return S3Store(S3Options(endpoint_url=opened.bucket.address, **options))

    shared.reset()
    async with opened.open(bucket):
        yield opened


@pytest.mark.parametrize(("row", "by"), _CASES)
async def test_a_fault_that_stays_until_it_is_taken_away(
    world: World, row: Row, by: Provocation, s3_url: str, session: boto3.Session
) -> None:
    await live_through(world, "bucket", row, by, None)
    with closing(session.client("s3", endpoint_url=s3_url)) as client:
        # Marks of claims that perhaps were written stay, until somebody collects them.
        assert [key for key in _keys(client) if ".pending" not in key] == ["clips/hero.json", "clips/hero.mp4"]
        assert client.get_object(Bucket=_BUCKET, Key="clips/hero.mp4")["Body"].read() == world.video()
        assert not client.list_multipart_uploads(Bucket=_BUCKET).get("Uploads")


@pytest.mark.parametrize(
    ("row", "by"),
    [pytest.param(row, row.by[0], id=row.fault) for row in BUCKET_ROWS if row.fate.again == "yes"],
)
async def test_a_fault_that_passes_is_got_over(world: World, row: Row, by: Provocation) -> None:
    del row
    world.provoke("bucket", by, accepted=None, once=True)
    assert (await world.run()).state is RecordState.COMPLETED
    assert world.billed == "once"
    assert world.bucket
    assert not world.bucket.tricks


def _keys(client: Any) -> list[str]:  # noqa: ANN401 - a client of boto3
    return [found["Key"] for found in client.list_objects_v2(Bucket=_BUCKET).get("Contents", [])]


def _empty(client: Any) -> None:  # noqa: ANN401 - a client of boto3
    with closing(client):
        for key in _keys(client):
            client.delete_object(Bucket=_BUCKET, Key=key)
        for upload in client.list_multipart_uploads(Bucket=_BUCKET).get("Uploads", []):
            client.abort_multipart_upload(Bucket=_BUCKET, Key=upload["Key"], UploadId=upload["UploadId"])
        client.delete_bucket(Bucket=_BUCKET)
