"""Waiting, with the sandbox and the waiting loop on one clock that only sleeping moves."""

from collections.abc import Iterator

import pytest

from prefect_octopusx.api import (
    AuthenticationError,
    GatewayError,
    OctopusXClient,
    TaskNotFound,
    TaskState,
    VideoTask,
    VideoTimeout,
    ViduRequest,
    wait_until_final,
)
from prefect_octopusx.sandbox import Fault, Sandbox, SandboxSettings
from tests.clocks import Clock

CAT = ViduRequest(model="viduq3-pro", prompt="a cat chasing butterflies")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[Sandbox]:
    """Run a gateway as slow as the real one, on the test's clock."""
    with Sandbox(SandboxSettings(generation=100, refresh=15, clock=clock)) as running:
        yield running


class Watcher:
    """Waits for one video and notes what it is told."""

    def __init__(self, sandbox: Sandbox, clock: Clock) -> None:
        self.sandbox = sandbox
        self.clock = clock
        self.changes: list[VideoTask] = []

    async def note(self, task: VideoTask) -> None:
        self.changes.append(task)

    async def wait(self, *, task_id: str | None = None, key: str | None = None, **settings: float) -> VideoTask:
        async with OctopusXClient(api_key=key or self.sandbox.key, base_url=self.sandbox.url) as client:
            submitted_at = self.clock()
            if task_id is None:
                async with OctopusXClient(api_key=self.sandbox.key, base_url=self.sandbox.url) as creator:
                    task_id = (await creator.create_video(CAT)).id
            submitted_at = settings.pop("submitted_at", submitted_at)
            return await wait_until_final(
                client,
                task_id,
                submitted_at=submitted_at,
                family="vidu",
                on_change=self.note,
                clock=self.clock,
                sleep=self.clock.sleep,
                chance=lambda: 0.5,
                **settings,  # type: ignore[arg-type] # poll_interval and deadline are numbers
            )

    @property
    def looks(self) -> int:
        return sum(trace.method == "GET" for trace in self.sandbox.requests)


@pytest.fixture
def watcher(sandbox: Sandbox, clock: Clock) -> Watcher:
    return Watcher(sandbox, clock)


async def test_it_ends_with_a_url_after_few_looks(watcher: Watcher, clock: Clock) -> None:
    began = clock()
    task = await watcher.wait()
    assert task.state is TaskState.SUCCEEDED
    assert task.video_url
    assert 100 <= clock() - began <= 100 + 15 + 15  # one refresh of the gateway and one look later at most
    assert watcher.looks <= 8
    assert clock.slept[0] == 10
    progress = [change.progress for change in watcher.changes]
    assert progress == sorted(set(progress))  # told once each, rising  # type: ignore[type-var]


async def test_a_given_interval_wins(watcher: Watcher, clock: Clock) -> None:
    await watcher.wait(poll_interval=50)
    assert set(clock.slept) == {50}


async def test_an_interval_of_nothing_is_refused(watcher: Watcher) -> None:
    with pytest.raises(ValueError, match="poll_interval: 0 is not"):
        await watcher.wait(poll_interval=0)


@pytest.mark.parametrize("kind", ["query_500", "query_html", "query_reset", "query_unknown_state", "query_null_data"])
async def test_a_bad_answer_never_ends_the_wait(watcher: Watcher, kind: str) -> None:
    watcher.sandbox.add_fault(Fault(kind, times=4))
    assert (await watcher.wait()).state is TaskState.SUCCEEDED


async def test_five_looks_in_a_row_without_an_answer_are_handed_to_prefects_retry(watcher: Watcher) -> None:
    watcher.sandbox.add_fault(Fault("query_500", times=None))
    with pytest.raises(GatewayError):
        await watcher.wait()
    assert watcher.looks == 5


async def test_retry_after_is_waited_for(watcher: Watcher, clock: Clock) -> None:
    watcher.sandbox.add_fault(Fault("query_rate_limited"))
    await watcher.wait(poll_interval=0.5)
    assert clock.slept[1] >= 1  # the sandbox asks for a second


async def test_the_gateway_may_not_know_the_task_at_first(watcher: Watcher) -> None:
    watcher.sandbox.add_fault(Fault("query_task_not_exist", times=3))
    assert (await watcher.wait()).state is TaskState.SUCCEEDED


async def test_after_two_minutes_an_unknown_task_is_an_error(watcher: Watcher, clock: Clock) -> None:
    began = clock()
    with pytest.raises(TaskNotFound, match="no-such-task"):
        await watcher.wait(task_id="no-such-task")
    assert 120 <= clock() - began <= 250


async def test_a_wrong_key_ends_the_wait_at_once(watcher: Watcher) -> None:
    with pytest.raises(AuthenticationError):
        await watcher.wait(key="sk-other")
    assert watcher.looks == 1


async def test_a_failed_video_is_final(watcher: Watcher) -> None:
    watcher.sandbox.add_fault(Fault("video_failed", reason="creation policy violation"))
    task = await watcher.wait()
    assert (task.state, task.error) == (TaskState.FAILED, "creation policy violation")


async def test_the_deadline_counts_from_the_submission(watcher: Watcher, clock: Clock) -> None:
    watcher.sandbox.add_fault(Fault("video_stuck"))
    began = clock()
    with pytest.raises(VideoTimeout, match=r"was not ready 200 s after its submission .*billed if it does") as caught:
        await watcher.wait(deadline=200)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.task_id in str(caught.value)
    assert clock() - began == 200
    looks = watcher.looks
    with pytest.raises(VideoTimeout):  # a later run: one look, then the same answer
        await watcher.wait(task_id=caught.value.task_id, deadline=200, submitted_at=began)
    assert watcher.looks == looks + 1


async def test_a_video_ready_after_its_deadline_is_still_taken(watcher: Watcher, clock: Clock) -> None:
    with pytest.raises(VideoTimeout) as caught:
        await watcher.wait(deadline=20)
    clock.now += 1000
    assert (await watcher.wait(task_id=caught.value.task_id, deadline=20, submitted_at=clock() - 1020)).video_url


async def test_an_hour_is_the_deadline_by_default(watcher: Watcher, clock: Clock) -> None:
    watcher.sandbox.add_fault(Fault("video_stuck"))
    began = clock()
    with pytest.raises(VideoTimeout, match="3600 s"):
        await watcher.wait()
    assert clock() - began == 3600
    assert watcher.looks < 90


async def test_a_success_may_wait_for_its_url(watcher: Watcher) -> None:
    watcher.sandbox.add_fault(Fault("video_url_late", times=3))
    task = await watcher.wait()
    assert task.video_url
    assert "/files/" in task.video_url


async def test_without_a_url_the_gateway_is_asked_for_the_file(watcher: Watcher) -> None:
    watcher.sandbox.add_fault(Fault("video_url_missing"))
    task = await watcher.wait()
    assert task.video_url == f"{watcher.sandbox.url}/v1/videos/{task.id}/content"
