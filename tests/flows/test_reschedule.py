"""Waiting without a process: a run leaves, and comes back for each look; against a real Prefect server."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prefect import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.states import Cancelling, Scheduled, Suspended

from prefect_octopusx.api import AuthenticationError, VideoFailed, VideoTimeout
from prefect_octopusx.flows import collect_videos, generate_video
from prefect_octopusx.sandbox import Fault
from prefect_octopusx.storage import DestinationError, RecordState
from tests.flows.deployed import Deployed, Left, Studio

pytestmark = pytest.mark.usefixtures("prefect_api", "retries_at_once")


def a_day_later() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)


class TestTheWayOfAVideo:
    """It is paid for once, however often its run is started."""

    async def test_it_submits_and_leaves_and_comes_back_until_it_is_stored(
        self, studio: Studio, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        run = await studio.deploy()
        await run.leave()
        for _ in range(2):
            before = studio.looks
            await run.leave()
            assert (studio.posts, studio.looks) == (1, before + 1)
            assert 0 < (await run.away()).total_seconds() <= 0.25
        studio.finish()
        record = await run.start()
        assert record.state is RecordState.COMPLETED
        assert (studio.posts, len(studio.sandbox.ledger)) == (1, 1)
        loud = [entry.getMessage() for entry in caplog.records if entry.levelno > logging.INFO]
        assert loud == []

    async def test_the_state_says_what_it_waits_for_and_until_when(self, studio: Studio) -> None:
        run = await studio.deploy()
        await run.leave()
        await run.leave()
        state = (await run.read()).state
        assert state is not None
        assert (state.type, state.name) == (StateType.SCHEDULED, "AwaitingVideo")
        until = state.state_details.scheduled_time
        task_id = (await studio.record()).task_id
        assert state.message == f"cat: task {task_id}, running, 30 %. Looks again at {until:%Y-%m-%d %H:%M:%S} UTC"

    async def test_looks_leave_no_task_runs_and_count_as_no_retries(self, studio: Studio) -> None:
        run = await studio.deploy()
        for _ in range(3):
            await run.leave()
        assert [task_run.name for task_run in await run.task_runs(1)] == ["create viduq3-pro cat"]
        studio.finish()
        await run.start()
        assert len(await run.task_runs(3)) == 3
        found = await run.read()
        assert found.run_count == 1
        assert (await run.states()).count("AwaitingVideo") == 3

    async def test_off_peak_leaves_by_itself_for_minutes(self, studio: Studio) -> None:
        request = {"model": "viduq3-pro", "prompt": "a cat", "off_peak": True}
        run = await studio.deploy(request=request, wait="auto", poll_interval=None)
        await run.leave()
        assert 260 < (await run.away()).total_seconds() < 340
        assert (studio.posts, studio.looks) == (1, 0)

    async def test_a_failed_video_fails_the_run(self, studio: Studio) -> None:
        studio.sandbox.add_fault(Fault("video_failed", reason="too many cats"))
        run = await studio.deploy()
        await run.leave()
        studio.finish()
        with pytest.raises(VideoFailed, match="too many cats"):
            await run.start()
        assert (await studio.record()).state is RecordState.FAILED

    async def test_the_deadline_counts_from_the_submission(self, studio: Studio) -> None:
        run = await studio.deploy()
        await run.leave()
        await studio.submitted_earlier("cat", hours=1)
        with pytest.raises(VideoTimeout):
            await run.start()
        assert (await studio.record()).state is RecordState.SUBMITTED

    async def test_what_others_stored_in_the_meantime_is_not_stored_again(self, studio: Studio) -> None:
        run = await studio.deploy()
        await run.leave()
        studio.finish()
        await collect_videos(studio.destination)
        stored = await studio.record()
        assert await run.start() == stored

    async def test_two_runs_of_one_name_pay_once(self, studio: Studio) -> None:
        runs = [await studio.deploy(), await studio.deploy()]
        for run in runs:
            await run.leave()
        studio.finish()
        records = [await run.start() for run in runs]
        assert (records[0], studio.posts) == (records[1], 1)

    async def test_without_waiting_it_ends_submitted(self, studio: Studio) -> None:
        run = await studio.deploy(wait="none")
        assert (await run.start()).state is RecordState.SUBMITTED
        studio.finish()
        assert [row.uri is not None for row in await collect_videos(studio.destination)] == [True]


class TestWhatPeopleDoMeanwhile:
    """The buttons of the UI do what they say."""

    async def test_cancelled_while_away_it_is_cancelled_at_once(self, studio: Studio) -> None:
        run = await studio.deploy()
        await run.leave()
        await run.set(Cancelling())
        state = (await run.read()).state
        assert state is not None
        assert state.is_cancelled()
        studio.finish()
        (row,) = await collect_videos(studio.destination)
        assert row.state is RecordState.COMPLETED

    async def test_suspended_during_a_look_it_stays_so_until_it_is_resumed(self, studio: Studio) -> None:
        run = await studio.deploy()
        await run.leave()
        await self.during_a_look(run, studio, lambda: run.set(Suspended()))
        assert (await run.states())[-1] == "Suspended"
        studio.finish()
        await run.set(Scheduled(name="Resuming"))
        assert (await run.start()).state is RecordState.COMPLETED
        assert studio.posts == 1

    async def test_a_run_that_is_being_cancelled_does_not_leave(self, studio: Studio) -> None:
        """Its worker ends the process, and then its state; which it would not do for one that left."""
        run = await studio.deploy()
        await run.leave()
        studio.hold_looks(1)
        before = studio.looks
        process = asyncio.create_task(run.start())
        await self.until(lambda: studio.looks > before)
        await run.set(Cancelling())
        await self.until(lambda: studio.looks > before + 2)  # it waits where it is
        found = await run.read()
        assert (found.state_name, found.infrastructure_pid) == ("Cancelling", "a process")
        process.cancel()
        with pytest.raises(asyncio.CancelledError):
            await process

    async def test_paused_while_away_is_refused_and_changes_nothing(self, studio: Studio) -> None:
        run = await studio.deploy()
        await run.leave()
        await run.set(Suspended())
        await run.away()

    async def test_a_deleted_run_ends_and_its_video_is_collected(self, studio: Studio) -> None:
        run = await studio.deploy()
        await run.leave()

        async def delete() -> None:
            async with get_client() as client:
                await client.delete_flow_run(run.id)

        await self.during_a_look(run, studio, delete)
        studio.finish()
        assert len(await collect_videos(studio.destination)) == 1

    async def during_a_look(self, run: Deployed, studio: Studio, act: Callable[[], Any]) -> None:
        """Let a person act while the run asks the gateway, and see that it goes."""
        studio.hold_looks(1)
        before = studio.looks
        process = asyncio.create_task(run.start())
        await self.until(lambda: studio.looks > before)
        await act()
        with pytest.raises(Left):
            await process

    async def until(self, happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not happened():
                await asyncio.sleep(0.02)


class TestTrouble:
    """What goes wrong between looks, and at one."""

    async def test_a_look_without_an_answer_leaves_for_another(self, studio: Studio) -> None:
        run = await studio.deploy()
        await run.leave()
        studio.sandbox.add_fault(Fault("query_500"))
        await run.leave()
        await run.away()
        studio.finish()
        assert (await run.start()).state is RecordState.COMPLETED

    async def test_a_retry_of_the_flow_is_left_for_trouble(
        self, studio: Studio, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Looks use up no retries, and a retry goes on with the same video."""
        monkeypatch.setattr(generate_video, "retries", 1)
        run = await studio.deploy()
        for _ in range(3):
            await run.leave()
        studio.finish()
        studio.sandbox.add_fault(Fault("query_501", times=2))
        assert (await run.start()).state is RecordState.COMPLETED
        assert (studio.posts, (await run.read()).run_count) == (1, 2)

    async def test_workers_see_a_run_that_was_retried_and_left(
        self, studio: Studio, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(generate_video, "retries", 1)
        async with get_client() as client:
            await client.create_work_pool(WorkPoolCreate(name="retried", type="process"))
        run = await studio.deploy(options={"work_pool_name": "retried"})
        studio.sandbox.add_fault(Fault("create_quota"))
        await run.leave()
        assert (await run.read()).run_count == 2
        async with get_client() as client:
            due = await client.get_scheduled_flow_runs_for_work_pool("retried", scheduled_before=a_day_later())
        assert [found.flow_run.id for found in due] == [run.id]

    async def test_a_lost_answer_to_the_state_is_no_reason_to_stay(self, studio: Studio) -> None:
        """The run is scheduled, and its next process may have begun."""
        run = await studio.deploy()
        await run.leave()
        studio.hold_looks(1)
        before = studio.looks
        process = asyncio.create_task(run.start())
        async with asyncio.timeout(20):
            while studio.looks == before:
                await asyncio.sleep(0.02)
        await run.set(Scheduled(name="AwaitingVideo", scheduled_time=a_day_later()))
        with pytest.raises(Left):
            await process
        assert (await run.away()).days == 1 or (await run.away()).seconds > 86_000

    async def test_a_wrong_key_fails_the_run(self, studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
        run = await studio.deploy()
        await run.leave()
        monkeypatch.setenv("OCTOPUSX_API_KEY", "sk-revoked")
        with pytest.raises(AuthenticationError):
            await run.start()

    async def test_a_destination_that_is_lost_in_between_is_not_paid_for_again(self, studio: Studio) -> None:
        run = await studio.deploy()
        await run.leave()
        task_id = (await studio.record()).task_id
        for path in studio.destination.folder.rglob("*.json"):
            path.unlink()  # as a container's folder goes with it
        with pytest.raises(DestinationError, match=f"task {task_id}.*adopt_video"):
            await run.start()
        assert studio.posts == 1

    async def test_an_interval_of_years_is_looked_at_daily(self, studio: Studio) -> None:
        run = await studio.deploy(poll_interval=1e15, deadline=1e15)
        await run.leave()
        assert (await run.away()).total_seconds() == pytest.approx(86_400, abs=5)
