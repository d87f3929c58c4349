"""Videos as Prefect assets: what is told of each that is stored, and what it depends on; read back from the server."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.assets import materialize
from prefect.events import Event

from prefect_octopusx.api import VideoFailed, ViduRequest
from prefect_octopusx.blocks import LocalDestination, OctopusXCredentials
from prefect_octopusx.flows import adopt_video, collect_videos, generate_due_videos, generate_video, generate_videos
from prefect_octopusx.sandbox import Fault, Sandbox
from prefect_octopusx.storage import VideoRecord
from prefect_octopusx.tasks import create_video, download_video, upload_video, video_asset, wait_for_video
from prefect_octopusx.tasks.assets import asset_key
from tests.pictures import png
from tests.tasks.told import Told

pytestmark = pytest.mark.usefixtures("prefect_api", "retries_at_once")

SECRET = "canary-7d1f"
PLAIN = ViduRequest(model="viduq3-pro", prompt="a cat")
MATERIALIZED, REFERENCED = "prefect.asset.materialization.succeeded", "prefect.asset.referenced"


@pytest.fixture
async def told(prefect_api: str, tmp_path: Path) -> AsyncIterator[Told]:  # noqa: ARG001 - it only has to run
    async with Told.listening("prefect.asset.", about=str(tmp_path)) as listening:
        yield listening


@pytest.fixture
def given(credentials: OctopusXCredentials, tmp_path: Path) -> dict[str, Any]:
    return {"destination": LocalDestination(folder=tmp_path / "videos"), "credentials": credentials}


async def generate(given: dict[str, Any], request: ViduRequest = PLAIN, **options: Any) -> VideoRecord:  # noqa: ANN401
    return await generate_video(request, name="a/hero", poll_interval=0.05, **given, **options)


def depends_on(event: Event) -> set[str]:
    return {one.id for one in event.related if one.role == "asset"}


async def test_a_stored_video_is_an_asset_with_its_facts_and_pictures(
    told: Told, given: dict[str, Any], sandbox: Sandbox, tmp_path: Path
) -> None:
    picture = f"https://pictures.test{tmp_path}/first.png"
    images = [f"{picture}?sig={SECRET}", png()]
    prompt = f"a cat chasing butterflies as in https://e.test/a.png?sig={SECRET}"
    request = ViduRequest(model="viduq3-pro", prompt=prompt, images=images)
    record = await generate(given, request)
    reference, event = await told.events()
    assert (reference.event, reference.resource.id) == (REFERENCED, picture)
    assert (event.event, depends_on(event)) == (MATERIALIZED, {picture})
    key = f"file://{given['destination'].folder}/a/hero.mp4"
    assert dict(event.resource.items()) == {
        "prefect.resource.id": key,
        "prefect.resource.name": "a/hero",
        "prefect.asset.description": "Video by viduq3-pro: a cat chasing butterflies as in https://e.test/a.png?…",
    }
    assert record.submitted_at
    assert record.completed_at
    assert event.payload == {
        "model": "viduq3-pro",
        "prompt": "a cat chasing butterflies as in https://e.test/a.png?…",
        "task_id": record.task_id,
        "name": "a/hero",
        "bytes": record.size,
        "sha256": record.sha256,
        "attempts": 1,
        "request_digest": request.digest,
        "seconds": pytest.approx((record.completed_at - record.submitted_at).total_seconds(), abs=0.001),
    }
    roles = {one.role: one.name for one in event.related if one.role != "asset"}
    assert roles["flow-run"] == "a/hero (viduq3-pro)"
    assert roles["task-run"] == "save viduq3-pro a/hero"
    for hidden in (SECRET, sandbox.key, "sig=", "base64"):
        assert hidden not in event.model_dump_json()


async def test_what_is_not_stored_by_a_run_is_not_told_by_it(
    told: Told, given: dict[str, Any], sandbox: Sandbox
) -> None:
    sandbox.add_fault(Fault("video_failed"))
    with pytest.raises(VideoFailed):
        await generate(given)
    assert await told.events() == []
    sandbox.add_fault(Fault("file_truncated"))  # the first transfer fails and is retried
    await generate(given, retry_failed=True)
    (event,) = await told.events()
    assert event.payload["attempts"] == 2
    await generate(given)
    assert await told.events() == []


async def test_whoever_stores_it_tells(told: Told, given: dict[str, Any], tmp_path: Path) -> None:
    async with given["credentials"].client() as client:
        theirs = await client.create_video(PLAIN)
    await adopt_video(theirs.id, "adopted", poll_interval=0.05, **given)
    await generate(given, wait="none")
    while (await collect_videos(requests_per_minute=6000, **given))[0].state != "completed":
        pass

    @flow
    async def titled() -> None:
        record = await create_video(PLAIN, name="titled", **given)
        task = await wait_for_video(record, credentials=given["credentials"], poll_interval=0.05)
        path = await download_video(record, task, folder=tmp_path / "work", credentials=given["credentials"])
        of = upload_video.with_options(asset_deps=["s3://titles/cat.srt"])
        await of(path, record, destination=given["destination"])

    await titled()
    events = [event for event in await told.events() if event.event == MATERIALIZED]
    assert [event.resource.name for event in events] == ["adopted", "a/hero", "titled"]
    assert [depends_on(event) for event in events] == [set(), set(), {"s3://titles/cat.srt"}]
    assert events[0].payload.keys() >= {"task_id", "sha256"}  # what is known of a video of other tools


async def test_a_batch_depends_on_its_manifest(told: Told, given: dict[str, Any], tmp_path: Path) -> None:
    manifest = tmp_path / "launch.csv"
    manifest.write_text("name,model,prompt,date\none,viduq3-pro,x,2026-12-01\ntwo,viduq3-pro,y,2026-12-01\n")
    options = {"poll_interval": 0.1, "requests_per_minute": 6000} | given
    await generate_due_videos(str(manifest), scheduled="2026-12-01T09:00:00", **options)
    key = f"file://{manifest}"
    heard = [(event.event, event.resource.id.rpartition("/")[2]) for event in await told.events()]
    assert sorted(heard) == [
        (MATERIALIZED, "one.mp4"),
        (MATERIALIZED, "two.mp4"),
        (REFERENCED, "launch.csv"),
        (REFERENCED, "launch.csv"),
    ]
    manifest.write_text("name,model,prompt\none,viduq3-pro,x\nthree,viduq3-pro,z\n")
    await generate_videos(manifest, **options)
    (three,) = [event for event in await told.events() if event.event == MATERIALIZED]
    assert (three.resource.name, depends_on(three)) == ("three", {key})


async def test_what_is_made_from_a_video_depends_on_it(told: Told, given: dict[str, Any], tmp_path: Path) -> None:
    record = await generate(given)

    @materialize(asset_key(str(tmp_path / "hero.srt")))
    async def caption(of: VideoRecord) -> str:
        return of.name

    @flow
    async def captioned() -> None:
        await caption.with_options(asset_deps=[video_asset(record)])(record)

    await captioned()
    _, video, captions = await told.events()
    assert (video.event, video.resource.name) == (REFERENCED, "a/hero")
    assert depends_on(captions) == {video.resource.id}


@pytest.mark.parametrize(
    ("location", "key"),
    [
        ("s3://my-videos/clips/kätzchen/猫.mp4", "s3://my-videos/clips/kätzchen/猫.mp4"),
        ("/data/my videos/cat.mp4", "file:///data/my-videos/cat.mp4-……"),
        ("/data/my#videos/cat.mp4", "file:///data/my-videos/cat.mp4-……"),
        (f"s3://{'b' * 60}/{'k' * 900}.mp4", f"s3://{'b' * 60}/{'k' * 437}-……"),
    ],
)
def test_every_address_has_a_key(location: str, key: str) -> None:
    found = asset_key(location)
    assert found == asset_key(location)
    assert len(found) <= 512
    assert (found[:-8] + "……" if key.endswith("……") else found) == key


def test_keys_tell_addresses_apart() -> None:
    assert len({asset_key(f"/data/my{odd}videos") for odd in ("-", " ", "#", "  ")}) == 4


async def test_a_relative_path_is_one_of_this_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert asset_key("lists/../launch.csv") == f"file://{tmp_path}/launch.csv"


def test_what_is_not_stored_is_no_asset() -> None:
    record = VideoRecord.model_validate_json(
        json.dumps(
            {"name": "hero", "state": "submitted", "model": "m", "family": "f", "request": {}, "digest": "d"}
            | {"claimed_at": "2026-12-01T00:00:00Z"}
        )
    )
    with pytest.raises(ValueError, match="hero is submitted"):
        video_asset(record)
