"""A batch that is made by other runs: a chunk of it each, of a deployment; against a real Prefect server."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from prefect import task
from prefect.blocks.system import Secret
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.states import AwaitingRetry, Cancelled
from pydantic import SecretStr

from prefect_octopusx.batches import BatchFailed
from prefect_octopusx.blocks import OctopusXCredentials
from prefect_octopusx.flows import generate_video, generate_videos
from prefect_octopusx.sandbox import Fault
from tests.flows.deployed import Deployed, Studio
from tests.flows.launches import Launch, again
from tests.tasks.told import Told

pytestmark = [
    pytest.mark.usefixtures("prefect_api", "retries_at_once"),
    pytest.mark.parametrize("studio", [0.2], indirect=True, ids=[""]),
]


@pytest.fixture
def launch(studio: Studio) -> Launch:
    return Launch(studio)


async def test_others_make_it_while_the_parent_is_away(launch: Launch, studio: Studio) -> None:
    parent = await launch.parent(5)
    await parent.leave()
    assert studio.posts == 0
    chunks = await launch.chunks(parent)
    assert [run.name for run in chunks] == ["cats-chunks/1-001", "cats-chunks/1-002", "cats-chunks/1-003"]
    assert [list(run.parameters["requests"]) for run in chunks] == [["cat-0", "cat-1"], ["cat-2", "cat-3"], ["cat-4"]]
    state = (await parent.read()).state
    assert state is not None
    assert str(state.message).startswith("cats: 3 runs are making the last 5 of 5 videos")
    for run in chunks:
        await launch.make(run)
    result = await again(parent)
    assert (result.stored, result.created, studio.posts) == (5, 5, 5)
    assert len(await launch.chunks(parent)) == 3


async def test_what_a_chunk_makes_depends_on_the_manifest_of_the_batch(launch: Launch, tmp_path: Path) -> None:
    manifest = tmp_path / "cats.csv"
    manifest.write_text("name,model,prompt\ncat-0,viduq3-pro,x\n")
    parent = await launch.parent(manifest=str(manifest), requests=None)
    async with Told.listening("prefect.asset.materialization.", about=str(tmp_path)) as told:
        await parent.leave()
        (run,) = await launch.chunks(parent)
        await launch.make(run)
        (event,) = await told.events()
    assert [one.id for one in event.related if one.role == "asset"] == [f"file://{manifest}"]


async def test_a_video_that_fails_is_told_by_the_parent(launch: Launch, studio: Studio) -> None:
    studio.sandbox.add_fault(Fault("video_failed", match="cat-1.", reason="too many cats"))
    parent = await launch.parent(2)
    await parent.leave()
    (run,) = await launch.chunks(parent)
    await launch.make(run)
    with pytest.raises(BatchFailed, match="too many cats"):
        await again(parent)
    lines = (studio.destination.folder / "cats-results.jsonl").read_text().splitlines()
    assert [json.loads(line)["state"] for line in lines] == ["completed", "failed"]


async def test_guards_of_the_money_are_kept_by_the_parent(launch: Launch, studio: Studio) -> None:
    parent = await launch.parent(5, max_new_videos=3)
    await parent.leave()
    chunks = await launch.chunks(parent)
    assert sum(len(run.parameters["requests"]) for run in chunks) == 3
    for run in chunks:
        await launch.make(run)
    result = await again(parent)
    assert (result.stored, result.created, studio.posts) == (3, 3, 3)


async def test_a_dry_run_starts_nothing(launch: Launch) -> None:
    parent = await launch.parent(5, dry_run=True)
    assert "5 to create" in (await parent.start()).plan
    assert await launch.chunks(parent) == []


async def test_a_cancelled_batch_takes_its_chunks_along_and_the_same_again_makes_what_is_missing(
    launch: Launch, studio: Studio
) -> None:
    parent = await launch.parent(4)
    await parent.leave()
    first, second = await launch.chunks(parent)
    await launch.make(first)
    await parent.set(Cancelled())
    async with asyncio.timeout(30):
        while not (await Deployed(generate_videos, second.id).states())[-1].startswith("Cancel"):  # Prefect sees to it
            await asyncio.sleep(0.1)
    other = await launch.parent(4)
    await other.leave()
    (rest,) = await launch.chunks(other)
    assert list(rest.parameters["requests"]) == ["cat-2", "cat-3"]
    await launch.make(rest)
    assert (await again(other)).stored == 4
    assert studio.posts == 4


async def test_what_a_refused_create_leaves_of_the_guard_is_for_the_next_batch(launch: Launch, studio: Studio) -> None:
    studio.sandbox.add_fault(Fault("create_413", match="cat-0."))
    parent = await launch.parent(3, max_new_videos=1, fail_if_failed_ratio=1.0)
    await parent.leave()
    (run,) = await launch.chunks(parent)
    await launch.make(run)
    result = await again(parent)
    assert [(one.name, one.held) for one in result.results] == [("cat-0", False), ("cat-1", True), ("cat-2", True)]
    assert (result.created, len(await launch.chunks(parent))) == (0, 1)


async def test_it_waits_in_its_process_if_asked_to(
    launch: Launch, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prefect_octopusx.flows.batch_chunks._EVERY", 0.2)
    parent = await launch.parent(3, wait="process")
    waiting = asyncio.create_task(parent.start())
    async with asyncio.timeout(30):
        while len(chunks := await launch.chunks(parent)) < 2:
            await asyncio.sleep(0.1)
    for run in chunks:
        await launch.make(run)
    assert (await waiting).stored == 3
    assert studio.posts == 3


async def test_a_saved_block_with_the_key_is_given_by_its_id(launch: Launch, studio: Studio) -> None:
    key = Secret(value=SecretStr(studio.sandbox.key))
    block = OctopusXCredentials(api_key=key, base_url=studio.sandbox.url)
    saved = await block.asave("for-chunks", overwrite=True)
    parent = await launch.parent(1, credentials={"$ref": {"block_document_id": str(saved)}})
    await parent.leave()
    (run,) = await launch.chunks(parent)
    assert run.parameters["credentials"] == {"$ref": {"block_document_id": str(saved)}}
    await launch.make(run)
    assert (await again(parent)).stored == 1


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({"deployment": "generate-videos/none"}, "there is no deployment 'generate-videos/none'"),
        ({"deployment": "generate-video/wrong"}, "is of the flow 'generate-video'; it must be of 'generate-videos'"),
        ({"deployment": "generate-videos/tests"}, "is this run's own"),
        ({"deployment": "generate-videos/hasty"}, r"the concurrency limit of .* cancels runs"),
        ({"destination": {"folder": "~/videos"}}, "destination: the folder ~/videos is another one"),
        ({"destination": {"folder": "videos"}}, "destination: the folder videos is another one wherever"),
        (
            {"requests": {"cat": {"model": "viduq2-pro", "prompt": "a cat", "images": ["https://a.b/c.png?sig=1"]}}},
            "cat: its request can't be given to another run",
        ),
    ],
)
async def test_what_others_could_not_make_is_refused(
    launch: Launch, studio: Studio, parameters: dict[str, Any], why: str
) -> None:
    await (await generate_video.ato_deployment("wrong")).aapply()
    hasty = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)
    await (await generate_videos.ato_deployment("hasty", concurrency_limit=hasty)).aapply()
    parent = await launch.parent(2, **parameters)
    for _ in range(2):  # by a retry it gets no further
        with pytest.raises(ValueError, match=why):
            await parent.start()
        await parent.set(AwaitingRetry())
    assert (await launch.chunks(parent), studio.posts) == ([], 0)


@pytest.mark.filterwarnings("ignore:Logger 'prefect.task_runs':UserWarning")  # Prefect's, of a task without a flow
async def test_below_a_task_that_no_flow_is_around_it_is_refused(launch: Launch, studio: Studio) -> None:
    await launch.parent(1)

    @task
    async def around() -> None:
        requests = {"cat": {"model": "viduq3-pro", "prompt": "a cat"}}
        await generate_videos(
            requests=requests, destination=studio.destination, deployment="generate-videos/chunk", max_new_videos=1
        )

    with pytest.raises(ValueError, match="call this flow from a flow"):
        await around()
    assert studio.posts == 0


async def test_what_does_not_fit_into_a_runs_parameters_is_split(launch: Launch) -> None:
    prompt = "猫" * 1500  # nine thousand bytes, as Prefect measures them
    requests = {f"cat-{n}": {"model": "viduq3-pro", "prompt": f"{prompt}{n}"} for n in range(45)}
    parent = await launch.parent(requests=requests, chunk_size=60)
    await parent.leave()
    sizes = [len(json.dumps(run.parameters)) for run in await launch.chunks(parent)]
    assert len(sizes) == 2
    assert max(sizes) < 400 * 1024
