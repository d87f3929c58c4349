"""Looking once: what it asks, and when it says to come back."""

from collections.abc import Iterator

import pytest

from prefect_octopusx.api import NotReady, RequestScheduler, ViduRequest, look_once
from prefect_octopusx.sandbox import Fault, Sandbox, SandboxSettings
from tests.api.gateways import client
from tests.clocks import Clock

CAT = ViduRequest(model="viduq3-pro", prompt="a cat")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[Sandbox]:
    with Sandbox(SandboxSettings(generation=1000, refresh=0, clock=clock)) as running:
        yield running


class Looker:
    """Submits a video, and looks at it at an age."""

    def __init__(self, sandbox: Sandbox, clock: Clock) -> None:
        self.sandbox = sandbox
        self._clock = clock

    async def submit(self) -> None:
        async with client(self.sandbox) as gateway:
            self.task_id = (await gateway.create_video(CAT)).id
        self.submitted_at = self._clock()

    async def look(self, age: float, **options: object) -> NotReady | None:
        self._clock.now = self.submitted_at + age
        given = {"start_cost": 3.0, "chance": lambda: 0.5, "clock": self._clock} | options
        async with client(self.sandbox) as gateway:
            return await look_once(gateway, self.task_id, submitted_at=self.submitted_at, **given)  # type: ignore[arg-type] # a test's shorthand

    @property
    def looks(self) -> int:
        return sum(trace.path == "/v1/video/query" for trace in self.sandbox.requests)


@pytest.fixture
async def looker(sandbox: Sandbox, clock: Clock) -> Looker:
    found = Looker(sandbox, clock)
    await found.submit()
    return found


async def test_a_young_video_is_not_asked_about(looker: Looker) -> None:
    assert await looker.look(1) == NotReady(59)
    assert await looker.look(1, off_peak=True) == NotReady(299)
    assert looker.looks == 0


async def test_who_comes_a_little_early_looks_all_the_same(looker: Looker) -> None:
    assert await looker.look(50) is not None
    assert looker.looks == 1


async def test_an_unready_one_is_asked_about_once(looker: Looker) -> None:
    found = await looker.look(800)
    assert found is not None
    assert (found.delay, looker.looks) == (100, 1)
    assert found.task is not None
    assert found.task.state == "running"


@pytest.mark.parametrize("fault", [None, "video_failed", "video_url_late"])
async def test_there_is_nothing_to_come_back_for_when_it_is_over(looker: Looker, fault: str | None) -> None:
    if fault:
        looker.sandbox.add_fault(Fault(fault))
        await looker.submit()
    assert await looker.look(2000) is None


async def test_it_comes_back_at_the_deadline_and_not_after(looker: Looker) -> None:
    found = await looker.look(800, deadline=830)
    assert found is not None
    assert found.delay == 30
    assert await looker.look(830, deadline=830) is None


@pytest.mark.parametrize(
    ("kind", "delay"),
    [("query_500", 100), ("query_reset", 100), ("query_rate_limited", 100), ("query_task_not_exist", None)],
)
async def test_no_answer_is_a_reason_to_come_back_unless_it_is_for_good(
    looker: Looker, kind: str, delay: float | None
) -> None:
    looker.sandbox.add_fault(Fault(kind))
    found = await looker.look(800)
    assert (found.delay if found else None) == delay
    assert found is None or (found.task is None and found.trouble)


async def test_the_gateway_may_not_know_the_task_at_first(looker: Looker) -> None:
    looker.sandbox.add_fault(Fault("query_task_not_exist"))
    found = await looker.look(60)
    assert found is not None
    assert found.trouble == "TaskNotFound"


async def test_a_429_slows_down_all_who_share_the_budget(looker: Looker) -> None:
    scheduler = RequestScheduler(6000)
    looker.sandbox.add_fault(Fault("query_rate_limited"))
    found = await looker.look(800, scheduler=scheduler)
    assert found is not None
    assert found.trouble == "RateLimited"
    assert scheduler.requests_per_minute < 6000
