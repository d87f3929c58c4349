"""Guards of money: how many a run may create, a plan without a create, a run that starts too late, a key used up."""

import asyncio
import json
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefect import flow, get_client
from prefect.artifacts import Artifact
from prefect.flow_engine import run_flow
from prefect.states import Scheduled, State

from prefect_octopusx.api import TaskState, VideoTask
from prefect_octopusx.batches import BatchFailed, BatchResult
from prefect_octopusx.blocks import OctopusXCredentials, S3Destination
from prefect_octopusx.flows import generate_videos
from prefect_octopusx.sandbox import Fault, Sandbox, SandboxSettings
from prefect_octopusx.storage import RecordState, fail
from tests.flows.batches import Batches, cats

pytestmark = pytest.mark.usefixtures("prefect_api", "retries_at_once")


class TestMaxNewVideos:
    """How many creates a run may send."""

    async def test_the_first_ones_are_created_and_the_next_run_goes_on(self, batch: Batches) -> None:
        for stored in (2, 4, 5):
            result = await batch(cats(5), max_new_videos=2)
            assert (result.stored, result.held, batch.billed) == (stored, 5 - stored, stored)
            assert result.failed == 0
        lines = await batch.lines()
        assert [line["state"] for line in lines.values()] == ["completed"] * 5

    async def test_what_was_held_back_says_why(self, batch: Batches) -> None:
        await batch(cats(2), max_new_videos=0)
        line = (await batch.lines())["cat-0"]
        assert (line["state"], line["held"]) == ("not_created", True)
        assert "max_new_videos" in line["error"]
        assert not batch.posts

    async def test_what_is_in_the_making_is_stored_all_the_same(self, batch: Batches) -> None:
        batch.sandbox.add_fault(Fault("video_slow", match="cat-0.", delay=2))
        await batch.state(cats(1), deadline=0.3)
        result = await batch(cats(3), max_new_videos=1)
        assert (result.stored, result.held, batch.billed) == (2, 1, 2)

    async def test_a_retry_of_the_run_goes_on_counting(self, batch: Batches) -> None:
        batch.sandbox.add_fault(Fault("video_failed", match="cat-1."))
        retried = generate_videos.with_options(retries=2, retry_delay_seconds=0)
        state = await retried(requests=cats(6), name="launch", max_new_videos=3, return_state=True, **batch.options)
        assert state.is_failed()
        assert batch.posts == 3

    async def test_so_does_one_that_is_planned_by_the_listing_of_a_bucket(
        self,
        s3_destination: S3Destination,
        credentials: OctopusXCredentials,
        sandbox: Sandbox,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        batch = Batches(s3_destination, credentials, sandbox)
        sandbox.add_fault(Fault("video_failed", match="cat-1."))
        retried = generate_videos.with_options(retries=2, retry_delay_seconds=0)
        with caplog.at_level(logging.INFO, "werkzeug"):  # the S3 server tells of each request
            state = await retried(
                requests=cats(30), name="launch", max_new_videos=3, return_state=True, **batch.options
            )
        assert state.is_failed()
        assert batch.posts == 3
        assert "/clips/cat-2.json" in caplog.text
        assert "/clips/cat-3.json" not in caplog.text

    async def test_a_retry_sends_again_what_was_surely_not_accepted(self, batch: Batches) -> None:
        batch.sandbox.add_fault(Fault("create_ip_not_allowed", times=3))
        retried = generate_videos.with_options(retries=1, retry_delay_seconds=0)
        result = await retried(requests=cats(4), name="launch", max_new_videos=3, **batch.options)
        assert (result.stored, result.held) == (3, 1)
        assert batch.billed == 3

    async def test_what_fails_after_the_plan_is_not_paid_for_anew(self, batch: Batches) -> None:
        """It was in the making when the guards were asked; somebody else noted its failure before its turn came."""
        batch.sandbox.add_fault(Fault("video_slow", match="cat-0.", delay=2))
        batch.sandbox.add_fault(Fault("video_slow", match="cat-1.", delay=2))
        await batch.state(cats(2), deadline=0.1)
        asked = len(batch.sandbox.requests)
        run = asyncio.create_task(batch.state(cats(2), max_new_videos=0, retry_failed=True, max_in_flight=1))
        while len(batch.sandbox.requests) == asked:
            await asyncio.sleep(0.02)
        second = await batch.record("cat-1")
        await fail(await batch.destination.store(), second, VideoTask(id=str(second.task_id), state=TaskState.FAILED))
        await run
        assert ((await batch.record("cat-1")).state, batch.posts) == ("failed", 2)

    async def test_a_retry_of_a_flow_around_goes_on_counting(self, batch: Batches) -> None:
        """Each retry of it gives the batch a new run."""
        batch.sandbox.add_fault(Fault("video_failed", match="cat-1."))

        @flow(retries=2)
        async def around() -> None:
            await batch(cats(6), max_new_videos=3)

        assert (await around(return_state=True)).is_failed()
        assert batch.posts == 3

    async def test_a_retry_that_succeeds_gives_its_result(self, batch: Batches) -> None:
        """Not the first attempt's error, because of which a flow around it would retry and go on."""
        batch.sandbox.add_fault(Fault("create_quota", match="cat-0."))
        retried = generate_videos.with_options(retries=1, retry_delay_seconds=0)
        result = await retried(requests=cats(2), name="launch", **batch.options)
        assert (result.stored, batch.posts) == (2, 3)


class TestDryRun:
    """A plan."""

    async def test_the_plan_is_told_and_nothing_is_sent(self, batch: Batches) -> None:
        batch.sandbox.add_fault(Fault("video_failed", match="cat-1."))
        await batch.state(cats(2))
        sent = len(batch.sandbox.requests)
        state = await batch.state(cats(5), dry_run=True, max_new_videos=2)
        assert state.is_completed()
        assert "Dry run" in str(state.message)
        assert "1 stored, 1 that can't go on by themselves, 2 to create, 1 held back" in str(state.message)
        assert len(batch.sandbox.requests) == sent
        artifact = await Artifact.aget("plan-launch")
        assert artifact
        rows = {row["name"]: row["plan"] for row in artifact_rows(artifact)}
        assert rows == {"cat-0": "skip", "cat-1": "stop", "cat-2": "create", "cat-3": "create", "cat-4": "hold back"}

    async def test_it_leaves_the_destination_as_it_is(self, batch: Batches, tmp_path: Path) -> None:
        await batch(cats(2), dry_run=True)
        assert not (tmp_path / "videos").exists()


class TestMaxLateness:
    """A worker that was down must not bill a week at once."""

    async def test_a_run_that_starts_too_late_creates_nothing(self, batch: Batches) -> None:
        state = await scheduled_ago(batch, timedelta(hours=3), max_lateness=3600.0)
        assert (state.type.value, state.name) == ("COMPLETED", "TooLate")
        assert "3 held back" in str(state.message)
        assert not batch.posts
        assert re.search(r"started 108\d\d s after its time", (await batch.lines())["cat-0"]["error"])

    async def test_it_stores_what_is_in_the_making(self, batch: Batches) -> None:
        batch.sandbox.add_fault(Fault("video_slow", match="cat-0.", delay=2))
        await batch.state(cats(1), deadline=0.3)
        await scheduled_ago(batch, timedelta(hours=3), max_lateness=3600.0)
        assert (await batch.record("cat-0")).state is RecordState.COMPLETED
        assert batch.posts == 1

    async def test_a_run_in_time_creates_all(self, batch: Batches) -> None:
        state = await scheduled_ago(batch, timedelta(minutes=59), max_lateness=3600.0)
        assert state.name == "Completed"
        assert batch.billed == 3


async def scheduled_ago(batch: Batches, ago: timedelta, **options: object) -> State[BatchResult]:
    """Run the flow as a worker does that was away when its time came."""
    async with get_client() as client:
        flow_run = await client.create_flow_run(
            generate_videos,
            parameters={"requests": cats(3), "name": "launch"} | batch.options | options,
            state=Scheduled(scheduled_time=datetime.now(UTC) - ago),
        )
    parameters = {"requests": cats(3), "name": "launch"} | batch.options | options
    return await run_flow(generate_videos, flow_run=flow_run, parameters=parameters, return_type="state")


class TestTheKey:
    """It has 300 units, and a video costs 100."""

    @pytest.fixture
    def sandbox(self) -> Iterator[Sandbox]:
        with Sandbox(SandboxSettings(generation=0.2, refresh=0.02, price=100, quota=300)) as running:
            yield running

    async def test_its_usage_is_told(self, batch: Batches) -> None:
        result = await batch(cats(3))
        assert (result.used_before, result.used_after) == (0, 300)
        assert "the key's usage went from 0 to 300 units" in result.summary()

    async def test_where_the_api_does_not_tell_nothing_else_changes(self, batch: Batches) -> None:
        batch.sandbox.add_fault(Fault("usage_rate_limited_empty"))
        result = await batch(cats(3))
        assert (result.stored, result.used_before) == (3, None)

    async def test_a_wallet_that_is_empty_stops_the_creates(self, batch: Batches) -> None:
        """Asking a thousand times more would be refused a thousand times more."""
        with pytest.raises(BatchFailed) as failed:
            await batch(cats(60), max_in_flight=4)
        assert "3 of 60 videos stored" in str(failed.value)
        assert batch.posts < 12
        lines = await batch.lines()
        assert "not sent" in lines["cat-59"]["error"]
        assert lines["cat-59"]["state"] == "not_created"
        assert "held" not in lines["cat-59"]  # it counts as failed

    async def test_a_cheaper_model_may_go_on(self, batch: Batches) -> None:
        batch.sandbox.add_fault(Fault("create_quota", times=None, match="viduq3-pro"))
        cheap = {f"cheap-{n}": request for n, request in enumerate(cats(3, model="viduq1").values())}
        result = await batch(cats(20) | cheap, max_in_flight=2, fail_if_failed_ratio=1.0)
        assert result.stored == 3
        assert batch.posts < 9

    async def test_one_odd_answer_to_a_look_stops_no_other(self, batch: Batches) -> None:
        batch.sandbox.add_fault(Fault("query_not_found", match="cat-0."))
        result = await batch(cats(3), max_in_flight=1, fail_if_failed_ratio=1.0)
        assert [one.state for one in result.results] == ["submitted", "completed", "completed"]

    async def test_a_key_that_is_refused_stops_the_creates(self, batch: Batches) -> None:
        batch.sandbox.add_fault(Fault("create_invalid_key", times=None))
        assert (await batch.state(cats(40), max_in_flight=2)).is_failed()
        assert batch.posts < 8
        artifact = await Artifact.aget("batch-launch")
        assert artifact
        assert artifact.data == 100.0  # nothing is left to do in this run


def artifact_rows(artifact: Artifact) -> list[dict[str, str]]:
    """Return a table artifact's rows."""
    return list(json.loads(str(artifact.data)))
