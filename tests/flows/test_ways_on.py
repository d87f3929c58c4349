"""The ways on after a create without a certain answer, and into videos that were made elsewhere."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from prefect import flow, get_client
from prefect.artifacts import Artifact
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.states import State

from prefect_octopusx.api import SubmissionUncertain, TaskNotFound, VideoFailed, ViduRequest
from prefect_octopusx.blocks import LocalDestination, OctopusXCredentials
from prefect_octopusx.flows import adopt_video, collect_videos, generate_video
from prefect_octopusx.sandbox import Fault, Sandbox
from prefect_octopusx.storage import DestinationError, NameTaken, RecordState, VideoRecord
from tests.flows.ways_on import CAT, DOG, Destination, Flows

pytestmark = pytest.mark.usefixtures("prefect_api", "retries_at_once")


@pytest.fixture
def flows(tmp_path: Path, credentials: OctopusXCredentials, sandbox: Sandbox) -> Flows:
    return Flows(LocalDestination(folder=tmp_path / "videos", poster=False), credentials, sandbox)


@pytest.fixture
def flows_anywhere(destination: Destination, credentials: OctopusXCredentials, sandbox: Sandbox) -> Flows:
    return Flows(destination, credentials, sandbox)


class TestUncertain:
    """Nobody knows whether the create was accepted: a person decides, and must find what is needed for that."""

    @pytest.fixture(autouse=True)
    def lost_reply(self, sandbox: Sandbox) -> None:
        sandbox.add_fault(Fault("create_lost_reply", times=None))

    async def test_the_run_ends_failed_in_a_state_of_its_own_name(self, flows: Flows) -> None:
        state: State[VideoRecord] = await generate_video(request=CAT, name="hero", **flows.options, return_state=True)
        assert (state.name, state.is_failed()) == ("Uncertain", True)
        assert "hero: No certain answer to the create of viduq3-pro" in str(state.message)
        assert state.state_details.flow_run_id
        async with get_client() as client:
            run = await client.read_flow_run(state.state_details.flow_run_id)
        assert run.state
        assert (run.state.name, run.state.is_failed()) == ("Uncertain", True)
        assert flows.sandbox.key not in str(run.state.message)

    @pytest.mark.parametrize("trouble", [httpx.ConnectError("the Prefect API is away"), RuntimeError("anything")])
    async def test_it_ends_so_even_if_the_artifact_can_not_be_written(
        self, flows: Flows, trouble: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def fail(*_: object, **__: object) -> None:
            raise trouble

        monkeypatch.setattr("prefect_octopusx.tasks.uncertainty.acreate_markdown_artifact", fail)
        state: State[VideoRecord] = await generate_video(request=CAT, name="hero", **flows.options, return_state=True)
        assert state.name == "Uncertain"
        assert f"hero: the artifact about its uncertain create can't be written: {trouble}" in caplog.text

    async def test_the_caller_gets_the_error_itself(self, flows: Flows) -> None:
        with pytest.raises(SubmissionUncertain, match=r"adopt_video.*'hero'.*resubmit"):
            await flows.generate()

    @pytest.mark.parametrize("on_uncertain", ["stop", "resubmit"])
    async def test_retries_of_the_flow_send_nothing_again(self, flows: Flows, on_uncertain: str) -> None:
        again = generate_video.with_options(retries=1, retry_delay_seconds=0)
        state: State[VideoRecord] = await again(
            request=CAT, name="hero", on_uncertain=on_uncertain, **flows.options, return_state=True
        )
        assert (state.name, state.is_failed()) == ("Uncertain", True)
        assert state.state_details.flow_run_id
        async with get_client() as client:
            run = await client.read_flow_run(state.state_details.flow_run_id)
        assert run.run_count == 2
        assert flows.posts == 1

    async def test_the_artifact_says_what_was_sent_and_holds_no_secret(self, flows: Flows) -> None:
        asked = ViduRequest(
            model="viduq3-pro",
            prompt="a fox | a hen",
            images=["https://me:pass-word@img.example.com/first.png?X-Amz-Signature=SECRET"],
        )
        with pytest.raises(SubmissionUncertain):
            await flows.generate(asked, name="Clips/the-hero")
        record = await flows.record("Clips/the-hero")
        assert record
        async with get_client() as client:
            of_this_run = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(record.flow_run_id)]))
            (artifact,) = await client.read_artifacts(flow_run_filter=of_this_run)
        assert artifact.key
        assert artifact.key.startswith("uncertain-clips-the-hero")
        text = str(artifact.data)
        for told in (
            "`Clips/the-hero`",
            "viduq3-pro",
            record.digest,
            f"{record.claimed_at:%Y-%m-%d %H:%M:%S} UTC",
            "a fox | a hen",
            str(record.flow_run_id),
            "adopt-video",
            "resubmit",
        ):
            assert told in text, told
        for secret in ("SECRET", "pass-word", flows.sandbox.key):
            assert secret not in text

    async def test_one_artifact_of_a_plain_name(self, flows: Flows) -> None:
        for _ in range(2):
            with pytest.raises(SubmissionUncertain):
                await flows.generate()
        artifact = await Artifact.aget("uncertain-hero")
        assert artifact
        assert artifact.type == "markdown"

    async def test_a_person_who_says_so_has_it_sent_again(self, flows_anywhere: Flows) -> None:
        with pytest.raises(SubmissionUncertain):
            await flows_anywhere.generate()
        flows_anywhere.sandbox.clear_faults()
        record = await flows_anywhere.generate(on_uncertain="resubmit")
        assert record.state is RecordState.COMPLETED
        assert [attempt.state for attempt in record.earlier] == [RecordState.UNCERTAIN]
        assert flows_anywhere.posts == 2
        assert await flows_anywhere.pending() == []


class TestAdopt:
    """A task id becomes a stored video; nothing is sent and nothing is paid."""

    async def test_an_uncertain_create_is_finished(self, flows_anywhere: Flows) -> None:
        flows_anywhere.sandbox.add_fault(Fault("create_lost_reply"))
        with pytest.raises(SubmissionUncertain):
            await flows_anywhere.generate()
        record = await flows_anywhere.adopt(f" {flows_anywhere.sandbox.jobs[0].id}\n")  # as copied from the dashboard
        assert record.state is RecordState.COMPLETED
        assert (record.digest, record.error) == (CAT.digest, None)
        assert await flows_anywhere.generate() == record
        assert (flows_anywhere.posts, flows_anywhere.billed) == (1, 1)
        assert await flows_anywhere.pending() == []

    async def test_a_video_made_elsewhere_is_stored(self, flows: Flows) -> None:
        record = await flows.adopt(await flows.elsewhere())
        assert (record.state, record.model) == (RecordState.COMPLETED, "unknown")
        assert await flows.adopt(str(record.task_id)) == record
        with pytest.raises(NameTaken):
            await flows.generate()
        assert (flows.posts, flows.billed) == (1, 1)

    async def test_with_its_request_generate_video_finds_it(self, flows: Flows) -> None:
        record = await flows.adopt(await flows.elsewhere(), request=CAT)
        assert (record.model, record.digest) == (CAT.model, CAT.digest)
        assert await flows.generate() == record
        assert flows.posts == 1

    async def test_a_video_whose_file_was_removed_is_fetched_again_for_nothing(
        self, flows: Flows, tmp_path: Path
    ) -> None:
        flows.sandbox.clear_faults()
        record = await flows.generate()
        (tmp_path / "videos" / "hero.mp4").unlink()
        with pytest.raises(DestinationError, match=r"remove hero\.json, and then run `adopt_video`"):
            await flows.adopt(str(record.task_id))
        (tmp_path / "videos" / "hero.json").unlink()
        again = await flows.adopt(str(record.task_id), request=CAT)
        assert (again.state, again.sha256) == (RecordState.COMPLETED, record.sha256)
        assert await flows.generate() == again
        assert (flows.posts, flows.billed) == (1, 1)

    async def test_a_wrong_id_leaves_nothing(self, flows: Flows) -> None:
        with pytest.raises(TaskNotFound, match="nowhere"):
            await flows.adopt("nowhere")
        assert await flows.record() is None
        assert await flows.pending() == []
        assert (await flows.generate()).state is RecordState.COMPLETED

    async def test_another_task_does_not_get_the_name(self, flows: Flows) -> None:
        first = await flows.generate()
        with pytest.raises(NameTaken, match=str(first.task_id)):
            await flows.adopt(await flows.elsewhere(DOG))
        assert await flows.record() == first

    async def test_a_task_that_failed_is_told_and_noted(self, flows: Flows) -> None:
        flows.sandbox.add_fault(Fault("video_failed", reason="creation policy violation"))
        task_id = await flows.elsewhere()
        for _ in range(2):
            with pytest.raises(VideoFailed, match="creation policy violation"):
                await flows.adopt(task_id)
        record = await flows.record()
        assert record
        assert (record.state, record.task_id) == (RecordState.FAILED, task_id)
        assert await flows.pending() == []

    async def test_what_failed_goes_into_the_history(self, flows_anywhere: Flows) -> None:
        flows_anywhere.sandbox.add_fault(Fault("video_failed"))
        with pytest.raises(VideoFailed):
            await flows_anywhere.generate()
        failed = flows_anywhere.sandbox.jobs[0].id
        record = await flows_anywhere.adopt(await flows_anywhere.elsewhere())
        assert record.state is RecordState.COMPLETED
        assert [(attempt.state, attempt.task_id) for attempt in record.earlier] == [(RecordState.FAILED, failed)]


async def test_a_cancelled_run_leaves_a_record_that_is_collected(flows_anywhere: Flows, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault("create_slow", delay=0.5))
    run = asyncio.create_task(flows_anywhere.generate())
    async with asyncio.timeout(20):
        while not sandbox.ledger:
            await asyncio.sleep(0.01)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    record = await flows_anywhere.record()
    assert record
    assert (record.state, record.task_id) == (RecordState.SUBMITTED, sandbox.jobs[0].id)
    async with asyncio.timeout(20):
        while (await flows_anywhere.collect())["hero"].state is not RecordState.COMPLETED:
            await asyncio.sleep(0.05)
    assert flows_anywhere.posts == 1


@pytest.mark.parametrize(
    ("called", "given", "field"),
    [
        (generate_video, {"request": CAT, "name": "hero", "lease": 0.5}, "lease"),
        (generate_video, {"request": CAT, "name": "hero", "lease": 601}, "lease"),
        (generate_video, {"request": CAT, "name": "hero", "wait": "later"}, "wait"),
        (generate_video, {"request": CAT, "name": "hero", "on_uncertain": "send"}, "on_uncertain"),
        (collect_videos, {"requests_per_minute": 0}, "requests_per_minute"),
        (collect_videos, {"requests_per_minute": -1}, "requests_per_minute"),
        (collect_videos, {"transfers": 0}, "transfers"),
        (adopt_video, {"task_id": "", "name": "hero"}, "task_id"),
        (adopt_video, {"task_id": "t-1", "name": "../hero"}, "name"),
    ],
)
async def test_bad_parameters_are_refused_with_the_field_named(
    flows: Flows,
    sandbox: Sandbox,
    called: Any,  # noqa: ANN401 - a flow
    given: dict[str, Any],
    field: str,
) -> None:
    state = await called(**flows.options, **given, return_state=True)
    assert state.is_failed()
    assert field in str(state.message)
    assert not sandbox.requests
    assert await flows.record() is None


async def test_a_blank_task_id_is_refused_before_the_gateway_is_asked(flows: Flows, sandbox: Sandbox) -> None:
    state = await adopt_video("  ", "hero", **flows.options, return_state=True)
    assert state.is_failed()
    assert "task_id" in str(state.message)
    assert not sandbox.requests


async def test_consent_to_send_again_is_not_for_each_retry_of_a_flow_around(flows: Flows, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault("create_lost_reply", times=None))
    with pytest.raises(SubmissionUncertain):
        await flows.generate()

    @flow(retries=2, retry_delay_seconds=0)
    async def around() -> None:
        await flows.generate(on_uncertain="resubmit")

    with pytest.raises(SubmissionUncertain):
        await around()
    assert flows.posts == 2
