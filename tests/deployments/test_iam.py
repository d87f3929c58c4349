"""The policies in deployments/iam: they are enough for their work, and nothing in them is too much."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import boto3
import pytest

from prefect_octopusx.api import ViduRequest
from prefect_octopusx.blocks import OctopusXCredentials, S3Destination
from prefect_octopusx.doctor import Verdict, diagnose
from prefect_octopusx.flows import collect_videos, generate_video, generate_videos
from prefect_octopusx.sandbox import Sandbox
from prefect_octopusx.storage import DestinationError, S3Options, S3Store, VideoRecord, foresee
from tests.docs.pages import ROOT, blocks, text
from tests.rights import Rights
from tests.storage.conftest import record

Policy = dict[str, Any]

CAT = ViduRequest(model="viduq3-pro", prompt="a cat chasing butterflies")
CHECKS = ["destination-write", "destination-conditions", "bucket-multipart", "bucket-listing"]


def policy(name: str, bucket: str) -> Policy:
    found: Policy = json.loads((ROOT / "deployments" / "iam" / name).read_text().replace("my-videos", bucket))
    return found


def listed(given: str | list[str]) -> list[str]:
    return [given] if isinstance(given, str) else given


def rights(given: Policy) -> list[tuple[str, str]]:
    """Return each action with each resource that it is allowed on."""
    return [
        (action, resource)
        for statement in given["Statement"]
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    ]


def allowing(given: list[tuple[str, str]]) -> Policy:
    statements = [{"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in given]
    return {"Version": "2012-10-17", "Statement": statements}


WORKER = rights(policy("worker.json", "my-videos"))
READER = rights(policy("reader.json", "my-videos"))


class Place(NamedTuple):
    """A bucket, whose owner put something beside the prefix, and its users."""

    bucket: str
    s3_url: str
    owner: Any
    users: Rights

    def options(self, session: boto3.Session, prefix: str = "clips") -> S3Options:
        return S3Options(bucket=self.bucket, prefix=prefix, endpoint_url=self.s3_url, session_factory=lambda: session)

    def store(self, session: boto3.Session, prefix: str = "clips") -> S3Store:
        return S3Store(self.options(session, prefix))


@pytest.fixture
def place(s3_url: str) -> Iterator[Place]:
    owner = boto3.client("s3", endpoint_url=s3_url)
    name = f"b-{uuid4().hex[:12]}"
    owner.create_bucket(Bucket=name)
    for key in ("clips/old.mp4", "clips/old.json", "others/.pending/fox", "others/fox.json"):
        owner.put_object(Bucket=name, Key=key, Body=record("old").to_json())
    yield Place(name, s3_url, owner, Rights(s3_url))
    owner.close()


@pytest.fixture
def destination(place: Place, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> S3Destination:
    """Let boto3 find the keys of a user with these rights where it looks first; without a parameter, a worker's."""
    given = [
        (action, resource.replace("my-videos", place.bucket)) for action, resource in getattr(request, "param", WORKER)
    ]
    keys = place.users.user(allowing(given)).get_credentials()
    assert keys
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys.secret_key)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    return S3Destination(
        bucket=place.bucket, prefix="clips", endpoint_url=place.s3_url, region="us-east-1", player=True
    )


async def troubles(destination: S3Destination) -> list[str]:
    """Return what of a worker's dealings with a bucket does not work, by the doctor and by the index of pending."""
    diagnosis = await diagnose(destination, only=CHECKS)
    found = [check.name for check in diagnosis.checks if check.verdict is Verdict.FAILED]
    store = await destination.store()
    try:
        await store.mark("hen", "0" * 32)
        await store.unmark("hen", "0" * 32)
    except DestinationError:
        found.append("index")
    return found


@pytest.mark.usefixtures("prefect_api")
async def test_a_worker_does_its_whole_work(
    destination: S3Destination, place: Place, credentials: OctopusXCredentials, sandbox: Sandbox, tmp_path: Path
) -> None:
    manifest = tmp_path / "night.jsonl"
    manifest.write_text(json.dumps({"name": "boat", "model": "jimeng-video-3.0", "prompt": "a paper boat"}))
    options: dict[str, Any] = {"destination": destination, "credentials": credentials}
    with place.users.enforced():
        assert (await generate_video(CAT, name="hero", poll_interval=0.05, **options)).state == "completed"
        assert (await generate_videos(manifest, poll_interval=0.05, **options)).stored == 1
        await generate_video(CAT, name="later", wait="none", **options)
        while [row.state for row in await collect_videos(**options)] not in (["completed"], []):
            pass  # asks again: it is in the making
        assert await troubles(destination) == []
    assert len(sandbox.ledger) == 3
    found = place.owner.list_objects_v2(Bucket=place.bucket, Prefix="clips/")["Contents"]
    made = {
        f"clips/{name}{ending}" for name in ("hero", "boat", "later") for ending in (".html", ".jpg", ".json", ".mp4")
    }
    assert {each["Key"] for each in found} == made | {"clips/old.mp4", "clips/old.json", "clips/night-results.jsonl"}


async def test_a_worker_may_do_nothing_else(place: Place) -> None:
    session = place.users.user(policy("worker.json", place.bucket))
    client = session.client("s3", endpoint_url=place.s3_url)
    beside = place.store(session, "others")
    with place.users.enforced():
        for use in (
            beside.read("fox"),
            beside.create(record("hen")),
            beside.mark("hen", "c1"),
            beside.unmark("hen", "c1"),
        ):
            with pytest.raises(DestinationError, match="access is denied"):
                await use
        for key in ("clips/old.mp4", "clips/old.json", "others/.pending/fox"):
            with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
                client.delete_object(Bucket=place.bucket, Key=key)
        with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
            client.delete_bucket(Bucket=place.bucket)
    client.close()
    assert place.owner.list_objects_v2(Bucket=place.bucket)["KeyCount"] == 4


@pytest.mark.parametrize(
    ("destination", "broken"),
    [
        pytest.param([right for right in WORKER if right != without], without, id=" ".join(without))
        for without in WORKER
    ],
    indirect=["destination"],
)
async def test_a_worker_needs_every_right(destination: S3Destination, place: Place, broken: tuple[str, str]) -> None:
    with place.users.enforced():
        assert await troubles(destination), broken


async def reads(store: S3Store) -> list[VideoRecord]:
    """Do what those do who look but change nothing: plans, links, what is pending, the video itself."""
    entry = await store.read("old")
    assert entry
    assert await store.has_video("old")
    assert (await store.digest("old"))[0]
    assert (await foresee(store, CAT, name="new")).step == "create"
    assert [mark async for mark in store.pending()] == []
    return [entry.record]


async def test_a_reader_reads_and_does_nothing_else(place: Place) -> None:
    store = place.store(place.users.user(policy("reader.json", place.bucket)))
    with place.users.enforced():
        assert await reads(store)
        for use in (store.create(record("hen")), store.mark("hen", "c1"), store.unmark("hen", "c1")):
            with pytest.raises(DestinationError, match="access is denied"):
                await use


@pytest.mark.parametrize("without", READER, ids=" ".join)
async def test_a_reader_needs_every_right(place: Place, without: tuple[str, str]) -> None:
    given = [
        (action, resource.replace("my-videos", place.bucket))
        for action, resource in READER
        if (action, resource) != without
    ]
    store = place.store(place.users.user(allowing(given)))
    with place.users.enforced(), pytest.raises(DestinationError, match="access is denied"):
        await reads(store)


def test_the_page_shows_the_policies_that_are_tested() -> None:
    shown = [json.loads(block) for block in blocks(text("docs/destinations.md"), "json")]
    assert shown == [
        json.loads((ROOT / "deployments" / "iam" / name).read_text()) for name in ("worker.json", "reader.json")
    ]
