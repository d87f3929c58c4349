"""A batch that is made by other runs: a chunk of it each, of a deployment; against a real Prefect server."""

import asyncio
import json
from typing import Any

import pytest
from prefect import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId
from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelled, Crashed

from prefect_octopusx.batches import BatchFailed, BatchResult
from prefect_octopusx.flows import generate_video, generate_videos
from prefect_octopusx.sandbox import Fault
from tests.flows.deployed import Deployed, Left, Studio

pytestmark = [
    pytest.mark.usefixtures("prefect_api", "retries_at_once"),
    pytest.mark.parametrize("studio", [0.2], indirect=True, ids=[""]),
]

SIGNED = {"model": "viduq2-pro", "prompt": "a cat", "images": ["https://a.b/c.png?signature=1"]}


class Launch:
    """A batch whose chunks are runs of a deployment, and the workers that make them."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    async def parent(self, count: int = 5, **parameters: Any) -> Deployed:  # noqa: ANN401 - of the flow
        async with get_client() as client:
            flow = await client.create_flow(generate_videos)
            await client.create_deployment(
                flow, name="chunk", parameters={"manifest": "is left out", "max_in_flight": 7}
            )
        given = {"deployment": "generate-videos/chunk", "chunk_size": 2, "poll_interval": 0.05, "wait": "auto"}
        return await self.studio.deploy_batch(count, **given | parameters)

    async def chunks(self, parent: Deployed) -> list[FlowRun]:
        ours = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[parent.id]))
        async with get_client() as client:
            return sorted(await client.read_flow_runs(flow_run_filter=ours), key=lambda run: run.name)

    async def make(self, run: FlowRun) -> BatchResult:
        """Make a chunk, as a worker does."""
        found: BatchResult = await Deployed(generate_videos, run.id).start()
        return found


@pytest.fixture
def launch(studio: Studio) -> Launch:
    return Launch(studio)


async def again(parent: Deployed) -> BatchResult:
    """Let the parent look at once."""
    await parent.bring_forward()
    found: BatchResult = await parent.start()
    return found


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


async def test_what_crashes_is_made_by_another_run(launch: Launch, studio: Studio) -> None:
    parent = await launch.parent(4)
    await parent.leave()
    dead, alive = await launch.chunks(parent)
    await launch.make(alive)
    await Deployed(generate_videos, dead.id).set(Crashed(message="no heartbeat"))
    with pytest.raises(Left):
        await again(parent)
    (other,) = (run for run in await launch.chunks(parent) if run.id not in {dead.id, alive.id})
    assert other.name == "cats-chunks/2-001"
    assert list(other.parameters["requests"]) == ["cat-0", "cat-1"]
    await launch.make(other)
    assert (await again(parent)).stored == 4
    assert studio.posts == 4


async def test_what_crashes_again_and_again_is_given_up(launch: Launch, studio: Studio) -> None:
    parent = await launch.parent(1)
    await parent.leave()
    for number in (1, 2, 3):
        run = (await launch.chunks(parent))[-1]
        assert run.name == f"cats-chunks/{number}-001"
        await Deployed(generate_videos, run.id).set(Crashed(message="no heartbeat"))
        if number < 3:
            with pytest.raises(Left):
                await again(parent)
    with pytest.raises(BatchFailed, match="cats-chunks/3-001' ended Crashed: no heartbeat"):
        await again(parent)
    assert studio.posts == 0


async def test_what_a_person_cancels_is_not_made_by_another_run(launch: Launch, studio: Studio) -> None:
    parent = await launch.parent(4)
    await parent.leave()
    cancelled, other = await launch.chunks(parent)
    await Deployed(generate_videos, cancelled.id).set(Cancelled(message="by Ann"))
    await launch.make(other)
    with pytest.raises(BatchFailed, match=r"cat-0 \(not_created\), cat-1 \(not_created\).*ended Cancelled: by Ann"):
        await again(parent)
    assert studio.posts == 2


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


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({"deployment": "generate-videos/none"}, "there is no deployment 'generate-videos/none'"),
        ({"deployment": "generate-video/wrong"}, "is of the flow 'generate-video'; it must be of 'generate-videos'"),
        ({"destination": {"folder": "videos"}}, "destination: the folder videos is relative"),
        (
            {"requests": {"cat": {"model": "viduq2-pro", "prompt": "a cat", "images": ["https://a.b/c.png?sig=1"]}}},
            "cat: its images",
        ),
    ],
)
async def test_what_others_could_not_make_is_refused(
    launch: Launch, studio: Studio, parameters: dict[str, Any], why: str
) -> None:
    async with get_client() as client:
        await client.create_deployment(await client.create_flow(generate_video), name="wrong")
    parent = await launch.parent(2, **parameters)
    with pytest.raises(ValueError, match=why):
        await parent.start()
    assert (await launch.chunks(parent), studio.posts) == ([], 0)
