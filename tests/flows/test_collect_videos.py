"""The janitor: what is ready is stored, the rest is told, and one bad video does not stop the others."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect import get_client
from prefect.artifacts import Artifact

from prefect_octopusx.api import AuthenticationError, OctopusXClient, SubmissionUncertain, VideoTask
from prefect_octopusx.blocks import LocalDestination, OctopusXCredentials
from prefect_octopusx.flows import CollectedVideo, collect_videos
from prefect_octopusx.sandbox import Fault, Sandbox, SandboxSettings
from prefect_octopusx.storage import DestinationError, RecordState
from tests.clocks import Clock
from tests.flows.ways_on import CAT, DOG, Destination, Flows

pytestmark = pytest.mark.usefixtures("prefect_api", "retries_at_once")


@pytest.fixture
def now() -> Clock:
    """Give the clock of the gateway: a video is ready when it was turned."""
    return Clock()


@pytest.fixture
def sandbox(now: Clock) -> Iterator[Sandbox]:
    with Sandbox(SandboxSettings(generation=60, refresh=0, clock=now)) as running:
        yield running


@pytest.fixture
def flows(tmp_path: Path, credentials: OctopusXCredentials, sandbox: Sandbox) -> Flows:
    return Flows(LocalDestination(folder=tmp_path / "videos", poster=False), credentials, sandbox)


@pytest.fixture
def flows_anywhere(destination: Destination, credentials: OctopusXCredentials, sandbox: Sandbox) -> Flows:
    return Flows(destination, credentials, sandbox)


async def test_what_is_ready_is_stored_and_the_rest_is_told(flows_anywhere: Flows, now: Clock) -> None:
    flows = flows_anywhere
    early = await flows.generate(name="early", wait="none")
    assert early.state is RecordState.SUBMITTED
    now.now += 45
    await flows.generate(DOG, name="clips/late", wait="none")
    assert (await flows.collect())["early"].note == "running, 80 %"
    now.now += 15
    rows = await flows.collect()
    assert list(rows) == ["early", "clips/late"]  # oldest first
    assert (rows["early"].state, rows["early"].note) == (RecordState.COMPLETED, "stored")
    assert rows["early"].uri
    assert rows["early"].uri.endswith("early.mp4")
    assert (rows["clips/late"].state, rows["clips/late"].uri) == (RecordState.SUBMITTED, None)
    stored = await flows.record("early")
    assert stored
    assert (stored.state, stored.task_id) == (RecordState.COMPLETED, early.task_id)
    now.now += 60
    assert set(await flows.collect()) == {"clips/late"}
    assert await flows.collect() == {}
    assert await flows.pending() == []
    assert flows.posts == 2
    assert await flows.generate(name="early") == stored


async def test_the_report_is_an_artifact_and_the_message_of_the_last_state(flows: Flows, now: Clock) -> None:
    await flows.generate(name="early", wait="none")
    now.now += 60
    await flows.generate(DOG, name="late", wait="none")
    state = await collect_videos(**flows.options, return_state=True)
    assert state.is_completed()
    assert state.message == "1 submitted, 1 completed"
    rows = await state.result()
    assert [type(row) for row in rows] == [CollectedVideo, CollectedVideo]
    async with get_client() as client:
        run = await client.read_flow_run(state.state_details.flow_run_id)
    assert run.state
    assert run.state.message == "1 submitted, 1 completed"
    artifact = await Artifact.aget("collected-videos")
    assert artifact
    assert artifact.type == "table"
    for part in ("early", "late", "completed", "submitted", "stored", str(rows[0].task_id), " s"):
        assert part in str(artifact.data)
    assert "http" not in str(artifact.data)  # no signed link


async def test_an_empty_destination(flows_anywhere: Flows, sandbox: Sandbox) -> None:
    state = await collect_videos(**flows_anywhere.options, return_state=True)
    assert (state.is_completed(), state.message) == (True, "nothing is pending")
    assert await state.result() == []
    assert sandbox.requests == []


async def test_what_failed_is_noted(flows: Flows, sandbox: Sandbox, now: Clock) -> None:
    sandbox.add_fault(Fault("video_failed", reason="creation policy violation"))
    await flows.generate(wait="none")
    now.now += 60
    row = (await flows.collect())["hero"]
    assert row.state is RecordState.FAILED
    assert "creation policy violation" in row.note
    record = await flows.record()
    assert record
    assert record.state is RecordState.FAILED
    assert await flows.collect() == {}
    assert await flows.pending() == []


async def test_a_dead_claim_becomes_uncertain_and_stays_in_the_report(flows_anywhere: Flows, sandbox: Sandbox) -> None:
    flows = flows_anywhere
    await flows.claim("dead")
    await flows.claim("alive", lease=600)
    for _ in range(2):
        rows = await flows.collect()
        assert rows["dead"].state is RecordState.UNCERTAIN
        assert "adopt_video" in rows["dead"].note
        assert (rows["alive"].state, rows["alive"].note) == (RecordState.SUBMITTING, "a run is submitting it")
    with pytest.raises(SubmissionUncertain):
        await flows.generate(name="dead")
    assert sandbox.requests == []


async def test_a_busy_gateway_is_left_alone_as_long_as_it_asks(flows: Flows, sandbox: Sandbox, now: Clock) -> None:
    for name in ("one", "two", "three"):
        await flows.generate(name=name, wait="none")
    now.now += 60
    before = len(sandbox.requests)
    sandbox.add_fault(Fault("query_rate_limited"))  # Retry-After: 1
    began = datetime.now(UTC)
    rows = await flows.collect(requests_per_minute=300)
    assert {row.state for row in rows.values()} == {RecordState.COMPLETED}
    queries = [trace for trace in sandbox.requests[before:] if trace.path == "/v1/video/query"]
    assert [trace.status for trace in queries] == [429, 200, 200, 200]
    assert datetime.now(UTC) - began > timedelta(seconds=1)


async def test_a_gateway_that_stays_busy_leaves_the_video_for_the_next_run(
    flows: Flows, sandbox: Sandbox, now: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await flows.generate(wait="none")
    now.now += 60
    monkeypatch.setattr("prefect_octopusx.api.turns._CLOSED", 0.01)
    sandbox.add_fault(Fault("query_rate_limited_empty", times=None))
    row = (await flows.collect())["hero"]
    assert (row.state, row.note) == (RecordState.SUBMITTED, "not asked: the gateway is too busy")
    sandbox.clear_faults()
    assert (await flows.collect())["hero"].state is RecordState.COMPLETED


async def test_one_that_can_not_be_stored_does_not_stop_the_others(flows: Flows, sandbox: Sandbox, now: Clock) -> None:
    sandbox.add_fault(Fault("file_html", times=None, match="a dog"))
    await flows.generate(DOG, name="bad", wait="none")
    await flows.generate(name="good", wait="none")
    await flows.claim("dead")
    now.now += 60
    state = await collect_videos(**flows.options, return_state=True)
    assert state.is_failed()
    assert "Ready, but not stored: bad." in str(state.message)
    assert "good" not in str(state.message)
    good, bad = await flows.record("good"), await flows.record("bad")
    assert good
    assert good.state is RecordState.COMPLETED
    assert bad
    assert bad.state is RecordState.SUBMITTED
    assert "could not be stored" in str((await Artifact.aget("collected-videos") or state).data)
    sandbox.clear_faults()
    assert (await flows.collect())["bad"].state is RecordState.COMPLETED
    assert flows.posts == 2


@pytest.mark.parametrize("kind", ["query_task_not_exist", "query_500", "query_html"])
async def test_an_answer_of_no_use_leaves_the_video_for_the_next_run(
    flows: Flows, sandbox: Sandbox, now: Clock, kind: str
) -> None:
    await flows.generate(wait="none")
    now.now += 60
    sandbox.add_fault(Fault(kind))
    assert (await flows.collect())["hero"].state is RecordState.SUBMITTED
    assert (await flows.collect())["hero"].state is RecordState.COMPLETED


async def test_a_wrong_key_ends_the_run_and_changes_nothing(flows: Flows, sandbox: Sandbox) -> None:
    record = await flows.generate(wait="none")
    sandbox.add_fault(Fault("query_invalid_key", times=None))
    with pytest.raises(AuthenticationError):
        await flows.collect()
    assert await flows.record() == record


async def test_a_destination_that_can_not_be_used_ends_the_run(flows: Flows, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DestinationError, match=str(tmp_path / "file")):
        await flows.collect(destination=LocalDestination(folder=tmp_path / "file"))


async def test_a_record_that_can_not_be_read_does_not_stop_the_others(flows: Flows, tmp_path: Path, now: Clock) -> None:
    await flows.generate(name="torn", wait="none")
    await flows.generate(name="good", wait="none")
    (tmp_path / "videos" / "torn.json").write_bytes(b"{")
    now.now += 60
    assert {name: row.state for name, row in (await flows.collect()).items()} == {"good": RecordState.COMPLETED}
    assert await flows.pending() == ["torn"]


async def test_an_accident_with_one_video_does_not_stop_the_others(
    flows: Flows, now: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bad = await flows.generate(CAT, name="bad", wait="none")
    await flows.generate(DOG, name="good", wait="none")
    query = OctopusXClient.query_video

    async def stumble(client: OctopusXClient, task_id: str, **options: Any) -> VideoTask:  # noqa: ANN401
        if task_id == bad.task_id:
            raise ZeroDivisionError("https://files.example.com/hero.mp4?signature=SECRET")
        return await query(client, task_id, **options)

    monkeypatch.setattr(OctopusXClient, "query_video", stumble)
    now.now += 60
    rows = await flows.collect()
    assert rows["good"].state is RecordState.COMPLETED
    assert (rows["bad"].state, rows["bad"].note) == (RecordState.SUBMITTED, "ZeroDivisionError, see the log")
    assert f"{bad.task_id}: Traceback" in caplog.text
    assert "https://files.example.com/hero.mp4?…" in caplog.text
    assert "SECRET" not in caplog.text


async def test_a_failed_video_whose_record_goes_meanwhile_does_not_stop_the_others(
    flows: Flows, now: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flows.sandbox.add_fault(Fault("video_failed", match="a cat"))
    bad = await flows.generate(CAT, name="bad", wait="none")
    await flows.generate(DOG, name="good", wait="none")
    query = OctopusXClient.query_video

    async def meanwhile(client: OctopusXClient, task_id: str, **options: Any) -> VideoTask:  # noqa: ANN401
        found = await query(client, task_id, **options)
        if task_id == bad.task_id:
            (tmp_path / "videos" / "bad.json").unlink()
        return found

    monkeypatch.setattr(OctopusXClient, "query_video", meanwhile)
    now.now += 60
    rows = await flows.collect()
    assert rows["good"].state is RecordState.COMPLETED
    assert (rows["bad"].state, "somebody removed it" in rows["bad"].note) == (RecordState.SUBMITTED, True)


async def test_two_janitors_at_once_store_one_video(flows_anywhere: Flows, now: Clock) -> None:
    flows = flows_anywhere
    await flows.generate(CAT, wait="none")
    now.now += 60
    reports = await asyncio.gather(flows.collect(), flows.collect())
    rows = [report["hero"] for report in reports if "hero" in report]  # the second may have begun when all was over
    assert rows
    assert {(row.state, row.note) for row in rows} == {(RecordState.COMPLETED, "stored")}
    assert await flows.pending() == []
