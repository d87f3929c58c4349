"""Batches that wait without a process: submit all, leave, come back for the whole batch at once."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prefect import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

from prefect_octopusx.batches import BatchFailed
from prefect_octopusx.flows import collect_videos, generate_due_videos, generate_videos
from prefect_octopusx.sandbox import Fault
from prefect_octopusx.storage import DestinationError, RecordState
from tests.flows.deployed import Studio

pytestmark = pytest.mark.usefixtures("prefect_api", "retries_at_once")


async def test_it_submits_all_and_leaves_and_comes_back_for_all_at_once(studio: Studio) -> None:
    run = await studio.deploy_batch(3)
    await run.leave()
    before = studio.looks
    await run.leave()
    assert (studio.posts, studio.looks) == (3, before + 3)
    state = (await run.read()).state
    assert state is not None
    assert str(state.message).startswith("cats: 3 of 3 videos are in the making, 0 stored. Looks again at ")
    studio.finish()
    result = await run.start()
    assert (result.stored, result.created, studio.posts) == (3, 3, 3)
    found = await run.read()
    assert found.run_count == 1
    assert found.state is not None
    assert str(found.state.message).startswith("3 of 3 videos stored; 3 created")  # as of a run that never left


async def test_looks_leave_no_task_runs_and_one_progress_artifact(studio: Studio) -> None:
    run = await studio.deploy_batch(2)
    for _ in range(4):
        await run.leave()
    names = [task_run.name for task_run in await run.task_runs(3)]
    assert sorted(name.partition("-")[0] for name in names) == ["cat", "cat", "plan"]
    studio.finish()
    await run.start()
    async with get_client() as client:
        artifacts = await client.read_artifacts(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id])))
    assert sorted(str(artifact.type) for artifact in artifacts) == ["progress", "table"]
    assert [artifact.data for artifact in artifacts if artifact.type == "progress"] == [100.0]


async def test_what_is_ready_is_stored_while_the_others_wait_on(studio: Studio) -> None:
    studio.sandbox.add_fault(Fault("video_stuck", match="cat-1."))
    run = await studio.deploy_batch(3)
    await run.leave()
    studio.finish()
    await run.leave()
    states = [(await studio.record(f"cat-{n}")).state for n in range(3)]
    assert states == [RecordState.COMPLETED, RecordState.SUBMITTED, RecordState.COMPLETED]


async def test_a_failed_video_stops_no_other_and_fails_the_run_at_the_end(studio: Studio) -> None:
    studio.sandbox.add_fault(Fault("video_failed", match="cat-1."))
    run = await studio.deploy_batch(3)
    await run.leave()
    studio.finish()
    with pytest.raises(BatchFailed, match="cat-1"):
        await run.start()
    assert (await studio.record("cat-2")).state is RecordState.COMPLETED
    assert studio.posts == 3


async def test_no_more_are_in_the_making_than_allowed(studio: Studio) -> None:
    run = await studio.deploy_batch(3, max_in_flight=2)
    for sent in (2, 3):
        await run.leave()
        assert studio.posts == sent
        await run.leave()
        assert studio.posts == sent
        studio.finish()
    assert (await run.start()).created == 3


async def test_coming_back_is_not_being_late_and_counts_on(studio: Studio) -> None:
    run = await studio.deploy_batch(3, max_in_flight=1, max_lateness=2, max_new_videos=2)
    await run.leave()
    await asyncio.sleep(2)  # Prefect's server compares its own times
    studio.finish()
    await run.leave()
    assert studio.posts == 2
    studio.finish()
    result = await run.start()
    assert (result.stored, result.held, studio.posts) == (2, 1, 2)


async def test_a_calendar_keeps_its_tick(studio: Studio, tmp_path: Path) -> None:
    """It is the time for which the run was scheduled, not that of a look."""
    today = datetime.now(UTC).date().isoformat()
    row = {"model": "viduq3-pro", "prompt": "x"}
    rows = [row | {"name": f"of-{day}", "date": day} for day in ("2026-01-01", today, "2999-01-01")]
    manifest = tmp_path / "calendar.jsonl"
    manifest.write_text("\n".join(map(json.dumps, rows)))
    run = await studio.deploy_flow(generate_due_videos, manifest=str(manifest))
    await run.leave()
    studio.finish()
    result = await run.start()
    assert [one.name for one in result.results] == [f"of-{today}"]


async def test_what_did_not_get_through_is_sent_when_it_comes_back_and_what_was_refused_is_not(studio: Studio) -> None:
    studio.sandbox.add_fault(Fault("create_policy_violation", match="cat-1."))
    studio.sandbox.add_fault(Fault("create_quota", match="cat-2."))
    run = await studio.deploy_batch(3)
    for _ in range(3):  # not while there is something else to wait for, or each look would try in vain
        await run.leave()
        assert studio.posts == 3
    studio.finish()
    await run.leave()
    assert studio.posts == 4
    studio.finish()
    with pytest.raises(BatchFailed, match=r"2 of 3 .*cat-1 \(refused"):
        await run.start()


async def test_a_lost_destination_is_not_paid_for_again(studio: Studio) -> None:
    run = await studio.deploy_batch(2)
    await run.leave()
    for path in studio.destination.folder.rglob("*.json"):
        path.unlink()
    with pytest.raises(DestinationError, match="cats: this run left it in the making"):
        await run.start()
    assert studio.posts == 2


async def test_a_video_past_its_deadline_is_settled_when_nothing_else_is_in_the_making(studio: Studio) -> None:
    studio.sandbox.add_fault(Fault("video_stuck", match="cat-1."))
    run = await studio.deploy_batch(2)
    await run.leave()
    await studio.submitted_earlier("cat-1", hours=1)
    for _ in range(2):
        await run.leave()
    assert len(await run.task_runs(3)) == 3  # the plan, and two creates
    studio.finish()
    with pytest.raises(BatchFailed, match=r"1 of 2 .*cat-1 \(submitted"):
        await run.start()


async def test_a_list_that_changes_while_the_run_is_away_is_for_another_run(
    studio: Studio, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manifest = tmp_path / "launch.jsonl"

    def write(*names: str) -> None:
        rows = [{"name": name, "model": "viduq3-pro", "prompt": "x"} for name in names]
        manifest.write_text("\n".join(map(json.dumps, rows)))

    write("a", "b")
    run = await studio.deploy_flow(generate_videos, manifest=str(manifest))
    await run.leave()
    write("b", "c")
    await run.leave()
    await run.leave()
    assert studio.posts == 2
    assert "In the making, but not in the list any more, and left to `collect_videos`: a" in caplog.text
    studio.finish()
    result = await run.start()
    assert {one.name: one.state for one in result.results} == {"b": "completed", "c": "not_created"}
    write("x")
    again = await studio.deploy_flow(generate_videos, manifest=str(manifest))
    await again.leave()
    write("y")
    assert (await again.start()).held == 1  # told apart from a lost destination
    assert {row.name for row in await collect_videos(studio.destination)} == {"a", "x"}


async def test_a_run_that_is_deleted_while_it_is_away_leaves_all_to_the_janitor(studio: Studio) -> None:
    run = await studio.deploy_batch(2)
    await run.leave()
    async with get_client() as client:
        await client.delete_flow_run(run.id)
    studio.finish()
    assert {row.state for row in await collect_videos(studio.destination)} == {RecordState.COMPLETED}
