"""Killed where it matters most, and come back to in every other way than by one new run: paid once, stored once."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from prefect import get_client
from prefect.states import AwaitingRetry, Crashed, State

from prefect_octopusx.api import SubmissionUncertain
from prefect_octopusx.flows import collect_videos
from prefect_octopusx.storage import VideoRecord
from tests.crashes.buckets import bucket_scene, record
from tests.crashes.comebacks import come_back, finish, stop_uncertain
from tests.crashes.relay import Blow, Call, Moment
from tests.crashes.scenes import Scene, at_once

pytestmark = pytest.mark.usefixtures("prefect_api")

Way = Callable[[Scene, Blow], Awaitable[str]]
LARGE = 9 * 2**20
"""Bytes that a video is made longer by, so that it goes into the bucket in two parts."""
RECORD = "PUT clips/hero.json"


@pytest.fixture(scope="module")
def blows(prefect_api: str, s3_url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Blow]:
    """Return where it matters most to be killed, by what a person would call it."""
    del prefect_api

    async def calls_with(padding: int) -> list[Call]:
        async with bucket_scene(s3_url, tmp_path_factory.mktemp("clean"), padding=padding) as (clean, place):
            return await record(clean, place)

    usual, large = (asyncio.run(calls_with(padding)) for padding in (0, LARGE))

    def at(moment: Moment, text: str, nth: int = 0, *, calls: list[Call] = usual) -> Blow:
        return Blow(moment, [call for call in calls if text in f"{call.method} {call.path}"][nth])

    return {
        "before the claim": at(Moment.BEFORE, RECORD),
        "claimed, nothing sent": at(Moment.BEFORE, "POST /v1/video/create"),
        "sent, no answer": at(Moment.AFTER, "POST /v1/video/create"),
        "answered, id not written": at(Moment.BEFORE, RECORD, 1),
        "waiting": at(Moment.AFTER, "GET /v1/video/query"),
        "downloading": at(Moment.AMID, "GET /files/"),
        "uploading": at(Moment.AFTER, "partNumber", calls=large),
        "stored, not written": at(Moment.BEFORE, RECORD, -1),
    }


async def at_each_state(way: Way, blows: dict[str, Blow], submitted: str, s3_url: str, folder: Path) -> None:
    """Kill where there is no record, a claim, and at the point `submitted`; come back in one way; stored and paid once.

    `CRASHES=all` kills at every point.
    """
    few = {"before the claim", "sent, no answer", submitted}
    every = os.environ.get("CRASHES") == "all"

    async def act(point: str) -> str:
        async with bucket_scene(s3_url, folder / point, padding=LARGE if point == "uploading" else 0) as (killed, _):
            found = await way(killed, blows[point])
            killed.check_stored()
            assert killed.billed == 1
            return found

    points = [point for point in blows if every or point in few]
    assert set(await at_once(points, act)) == {"", "submitting", "submitted"}


async def test_retry_of_the_crashed_run(blows: dict[str, Blow], s3_url: str, tmp_path: Path) -> None:
    """What a person does with the Retry button, and a worker then with the run."""
    await at_each_state(by_retry, blows, "uploading", s3_url, tmp_path)


async def by_retry(killed: Scene, blow: Blow) -> str:
    run_id = await killed.schedule()
    await killed.crash(blow, flow_run_id=run_id)
    found = killed.state
    async with get_client() as client:
        await client.set_flow_run_state(run_id, Crashed(message="The worker is gone."))
        await client.set_flow_run_state(run_id, AwaitingRetry())
        await killed.execute(run_id)
        state = (await client.read_flow_run(run_id)).state
    assert state
    if found == "submitting":
        assert (state.type, state.name) == ("FAILED", "Uncertain")
        assert killed.state == "uncertain"
    else:
        assert state.is_completed(), f"{state.name}: {state.message}"
    await come_back(killed)
    return found


async def test_collect_videos_and_then_a_new_run(blows: dict[str, Blow], s3_url: str, tmp_path: Path) -> None:
    """The janitor stores what is ready, all by itself, and sends nothing."""
    await at_each_state(by_collecting, blows, "stored, not written", s3_url, tmp_path)


async def by_collecting(killed: Scene, blow: Blow) -> str:
    await killed.crash(blow)
    found, billed = killed.state, killed.billed
    rows = await collect_videos(**killed.options)
    assert [row.name for row in rows] == ["hero"] * bool(found)
    assert killed.billed == billed
    if found == "submitted":
        killed.check_stored()
    await come_back(killed)
    return found


async def test_two_new_runs_at_once(blows: dict[str, Blow], s3_url: str, tmp_path: Path) -> None:
    """A schedule and an impatient person, say."""
    await at_each_state(by_two, blows, "stored, not written", s3_url, tmp_path)


async def by_two(killed: Scene, blow: Blow) -> str:
    await killed.crash(blow)
    found = killed.state
    states: list[State[VideoRecord]] = await asyncio.gather(
        *(asyncio.to_thread(lambda: asyncio.run(killed.again())) for _ in range(2))
    )
    for state in states:
        if found == "submitting":
            assert isinstance(await state.aresult(raise_on_failure=False), SubmissionUncertain)
        else:
            assert state.is_completed(), f"{state.name}: {state.message}"
    await come_back(killed)
    return found


async def test_sent_again_by_decision_it_is_paid_twice_and_no_third_time(
    blows: dict[str, Blow], s3_url: str, tmp_path: Path
) -> None:
    async with bucket_scene(s3_url, tmp_path / "scene") as (killed, _):
        await killed.crash(blows["sent, no answer"])
        await stop_uncertain(killed)
        for _ in range(2):
            await finish(killed, on_uncertain="resubmit")
        killed.check_stored()
        assert killed.billed == 2
        assert killed.record
        assert killed.record["task_id"] == killed.sandbox.jobs[1].id
        assert [attempt["state"] for attempt in killed.record["earlier"]] == ["uncertain"]
