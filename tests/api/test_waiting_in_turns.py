"""Waiting under a budget that many share: with the sandbox on a turned clock, and in virtual time."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest

from prefect_octopusx.api import (
    GatewayError,
    Look,
    OctopusXClient,
    RateLimited,
    RequestScheduler,
    TaskState,
    VideoTask,
    VideoTimeout,
    ViduRequest,
    wait_until_final,
)
from prefect_octopusx.sandbox import Fault, Sandbox, SandboxSettings
from tests.api.virtual import Gateway, now, run
from tests.clocks import Clock

CAT = ViduRequest(model="viduq3-pro", prompt="a cat chasing butterflies")
OFF_PEAK = CAT.model_copy(update={"off_peak": True})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[Sandbox]:
    with Sandbox(SandboxSettings(generation=100, off_peak_generation=1000, refresh=15, clock=clock)) as running:
        yield running


@pytest.fixture
def scheduler(clock: Clock) -> RequestScheduler:
    return RequestScheduler(120, clock=clock, sleep=clock.sleep)


async def make(
    sandbox: Sandbox,
    clock: Clock,
    scheduler: RequestScheduler | None,
    request: ViduRequest = CAT,
    **settings: float,
) -> VideoTask:
    """Create a video and wait for it."""
    async with OctopusXClient(api_key=sandbox.key, base_url=sandbox.url) as client:
        task_id = (await client.create_video(request)).id
        options: dict[str, Any] = {"clock": clock, "sleep": clock.sleep, "chance": lambda: 0.5, "scheduler": scheduler}
        return await wait_until_final(
            client,
            task_id,
            submitted_at=clock(),
            family=request.family,
            off_peak=request.off_peak,
            **(options | settings),
        )


def queries(sandbox: Sandbox) -> list[int]:
    """Return how each query was answered."""
    return [trace.status for trace in sandbox.requests if trace.method == "GET"]


async def test_alone_it_looks_when_the_pacing_says(sandbox: Sandbox, clock: Clock, scheduler: RequestScheduler) -> None:
    began = clock()
    assert (await make(sandbox, clock, None)).state is TaskState.SUCCEEDED
    plain, looks = clock() - began, len(queries(sandbox))
    began = clock()
    assert (await make(sandbox, clock, scheduler)).state is TaskState.SUCCEEDED
    assert clock() - began == pytest.approx(plain)
    assert len(queries(sandbox)) == 2 * looks


async def test_what_videos_took_is_learnt_and_saves_looks(
    sandbox: Sandbox, clock: Clock, scheduler: RequestScheduler
) -> None:
    looks = []
    for _ in range(5):
        before = len(queries(sandbox))
        await make(sandbox, clock, scheduler)
        looks.append(len(queries(sandbox)) - before)
    usual = scheduler.usual("vidu")
    assert usual
    assert usual.soonest == pytest.approx(100, abs=1)  # as the gateway tells, not when it was seen
    assert looks[0] == looks[1] == looks[2] > looks[3] == looks[4] >= 2


async def test_off_peak_videos_teach_nothing_and_are_not_held_back(
    sandbox: Sandbox, clock: Clock, scheduler: RequestScheduler
) -> None:
    for _ in range(4):
        await make(sandbox, clock, scheduler, OFF_PEAK)
    assert scheduler.usual("vidu") is None
    for _ in range(3):
        scheduler.took("vidu", 5000)
    began = clock()
    await make(sandbox, clock, scheduler, OFF_PEAK)
    assert clock() - began <= 1000 + 300


async def test_a_429_slows_all_and_is_no_trouble_of_this_video(
    sandbox: Sandbox, clock: Clock, scheduler: RequestScheduler, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.add_fault(Fault("query_rate_limited", times=12))  # Retry-After: 1
    began = clock()
    task = await make(sandbox, clock, scheduler)
    assert task.state is TaskState.SUCCEEDED
    assert queries(sandbox).count(429) == 12
    assert clock() - began < 150  # its look stayed wanted
    assert scheduler.requests_per_minute < 120
    assert "all requests slow down: The gateway or the model's vendor is too busy" in caplog.text


async def test_without_a_scheduler_a_429_is_a_trouble_of_this_video(sandbox: Sandbox, clock: Clock) -> None:
    sandbox.add_fault(Fault("query_rate_limited", times=12))
    with pytest.raises(RateLimited):
        await make(sandbox, clock, None)
    assert len(queries(sandbox)) == 5


async def test_other_troubles_count_as_without_a_scheduler(
    sandbox: Sandbox, clock: Clock, scheduler: RequestScheduler
) -> None:
    sandbox.add_fault(Fault("query_500", times=3))
    sandbox.add_fault(Fault("query_rate_limited", times=3))
    sandbox.add_fault(Fault("query_500", times=None))
    with pytest.raises(GatewayError):
        await make(sandbox, clock, scheduler)
    assert queries(sandbox) == [500, 500, 500, 429, 429, 429, 500, 500]


async def test_the_deadline_ends_also_a_wait_that_is_always_turned_away(
    sandbox: Sandbox, clock: Clock, scheduler: RequestScheduler
) -> None:
    sandbox.add_fault(Fault("query_rate_limited", times=None))
    began = clock()
    with pytest.raises(VideoTimeout, match="300 s after its submission"):
        await make(sandbox, clock, scheduler, deadline=300)
    assert 300 <= clock() - began <= 310


async def test_a_given_interval_wins_over_what_videos_took(
    sandbox: Sandbox, clock: Clock, scheduler: RequestScheduler
) -> None:
    for _ in range(3):
        scheduler.took("vidu", 1000)
    began = clock()
    await make(sandbox, clock, scheduler, poll_interval=5)
    assert clock() - began <= 115
    assert len(queries(sandbox)) >= 20


def wait(gateway: Gateway, task_id: str, scheduler: RequestScheduler, **options: Any) -> Any:  # noqa: ANN401
    """Wait in virtual time."""
    given = {"submitted_at": now(), "family": "vidu", "clock": now, "chance": lambda: 0.5} | options
    return wait_until_final(gateway, task_id, scheduler=scheduler, **given)  # type: ignore[arg-type] # as a client


def test_many_waits_share_one_budget() -> None:
    async def main() -> tuple[list[float], set[TaskState]]:
        gateway, scheduler = Gateway(), RequestScheduler(60, clock=now)
        tasks = await asyncio.gather(*(wait(gateway, gateway.submit("vidu", 80), scheduler) for _ in range(40)))
        return [at for at, _ in gateway.asked], {task.state for task in tasks}

    asked, states = run(main())
    assert states == {TaskState.SUCCEEDED}
    assert all(later - earlier >= 1 - 1e-6 for earlier, later in pairwise(asked))


def test_after_a_429_nobody_asks_for_as_long_as_the_gateway_wants() -> None:
    async def main() -> list[float]:
        gateway, scheduler = Gateway(latency=2.0), RequestScheduler(120, clock=now)
        gateway.busy = [(60.0, 70.0, 45.0)]
        await asyncio.gather(*(wait(gateway, gateway.submit("vidu", 80), scheduler) for _ in range(40)))
        return [at for at, _ in gateway.asked]

    asked = run(main())
    first = next(at for at in asked if at >= 60)
    late = [at for at in asked if at > first]
    assert len([at for at in late if at < first + 2]) <= 4  # until the first 429 was there
    assert not [at for at in late if first + 2 < at < first + 2 + 45]


def test_a_video_whose_last_look_gets_no_turn_is_given_up_ten_minutes_after_its_deadline() -> None:
    async def main() -> tuple[float, int]:
        gateway, scheduler = Gateway(), RequestScheduler(60, clock=now)
        scheduler.slow_down(1e6)
        with pytest.raises(VideoTimeout, match="it never gave an answer"):
            await wait(gateway, gateway.submit("vidu", 80), scheduler, deadline=100.0)
        return now(), len(gateway.asked)

    assert run(main()) == (pytest.approx(700), 0)


def test_a_last_look_that_has_begun_is_not_broken_off() -> None:
    async def main() -> TaskState:
        gateway, scheduler = Gateway(refresh=0, latency=1000), RequestScheduler(clock=now)
        task: VideoTask = await wait(gateway, gateway.submit("vidu", 5), scheduler, deadline=100.0)
        return task.state

    assert run(main()) is TaskState.SUCCEEDED


class Listening(RequestScheduler):
    """Notes the looks that are wanted."""

    def look_turn(self, look: Look | None = None) -> AbstractAsyncContextManager[None]:
        self.looks = [*getattr(self, "looks", []), look]
        return super().look_turn(look)


def test_each_look_says_what_is_known_of_its_video() -> None:
    async def main() -> tuple[list[Look], list[Look]]:
        gateway, scheduler, other = Gateway(latency=0), Listening(clock=now), Listening(clock=now)
        await asyncio.sleep(1000)
        await wait(gateway, gateway.submit("vidu", 61), scheduler)
        await wait(gateway, gateway.submit("vidu", 61), other, off_peak=True)
        return scheduler.looks, other.looks

    looks, off_peak = run(main())
    assert looks == [
        Look(1010, 1000, 1000, "vidu"),
        Look(1025, 1000, 1010, "vidu"),
        Look(1042.5, 1000, 1025, "vidu", ends_at=1060),  # 0 % after 10 s and 30 % after 25 s
        Look(1058.75, 1000, 1042.5, "vidu", ends_at=1075),  # 50 % after 42.5 s
        Look(1073.75, 1000, 1058.75, "vidu", ends_at=1070.9375),  # 80 % after 58.75 s
        Look(1088.75, 1000, 1073.75, "vidu", ends_at=1070.9375),
    ]
    assert off_peak == [Look(look.wanted_at) for look in off_peak]


def test_an_error_around_the_request_is_not_taken_for_the_deadline() -> None:
    @asynccontextmanager
    async def around(_kind: str) -> AsyncIterator[None]:
        raise TimeoutError("no slot")
        yield

    async def main() -> None:
        gateway, scheduler = Gateway(), RequestScheduler(60, around=around, clock=now)
        with pytest.raises(TimeoutError, match=r"^no slot$"):
            await wait(gateway, gateway.submit("vidu", 80), scheduler)

    run(main())


@pytest.mark.parametrize("earlier", [True, False])
def test_a_video_of_an_earlier_run_teaches_what_the_gateway_tells(earlier: bool) -> None:
    """Without the gateway's times, nobody knows when it was ready: it is seen an hour late."""

    async def main() -> object:
        gateway, scheduler = Gateway(times=earlier), RequestScheduler(clock=now)
        videos = [gateway.submit("vidu", 80) for _ in range(3)]
        await asyncio.sleep(3600)
        for video in videos:
            await wait(gateway, video, scheduler, submitted_at=0.0)
        return scheduler.usual("vidu")

    assert run(main()) == ((80, 80, 128) if earlier else None)
