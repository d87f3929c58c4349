"""Hours in a moment: an event loop whose time jumps to the next timer, and a gateway of many videos on its clock."""

import asyncio
import math
import random
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar

from prefect_octopusx.api import Look, RateLimited, RequestScheduler, TaskState, VideoTask
from prefect_octopusx.sandbox.jobs import Job

T = TypeVar("T")

# Median, spread and shortest time in seconds, like those that people tell of.
FAMILIES = {
    "vidu": (75, 0.35, 30),
    "jimeng": (110, 0.3, 40),
    "veo": (150, 0.25, 90),
    "grok": (140, 0.25, 90),
    "sora": (260, 0.3, 150),
}


class _Jump(selectors.DefaultSelector):
    """Where nothing is ready, the time to wait for it has passed at once."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:  # noqa: ANN401 - as its base class
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "everybody waits, and nothing will ever happen"
            self.now += timeout
        return ready


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run what waits for nothing but time. The loop's clock begins at 0."""

    def loop() -> asyncio.AbstractEventLoop:
        selector = _Jump()
        made = asyncio.SelectorEventLoop(selector)
        made.time = lambda: selector.now  # type: ignore[method-assign] # what its timers go by
        return made

    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(main)


def now() -> float:
    """Return the time of the running loop."""
    return asyncio.get_running_loop().time()


def realistic(chance: random.Random, family: str) -> float:
    """Draw how long a video takes; three of a hundred take many times as long."""
    median, spread, shortest = FAMILIES[family]
    seconds = max(shortest, chance.lognormvariate(math.log(median), spread))
    return seconds * chance.uniform(3, 8) if chance.random() < 0.03 else seconds


class Gateway:
    """Stands for a client in virtual time, where no socket can be: its jobs are the sandbox's.

    Args:
        refresh: Seconds between its own looks at a job.
        latency: Seconds until an answer.
        times: Whether it tells when a job was created and completed.
        progress: Whether it tells the progress.
        together: Whether it looks at all jobs at the same times, whenever each was submitted.
    """

    def __init__(
        self,
        *,
        refresh: float = 15.0,
        latency: float = 0.3,
        times: bool = True,
        progress: bool = True,
        together: bool = False,
    ) -> None:
        self.together = together
        self.refresh, self.latency, self.times, self.progress = refresh, latency, times, progress
        self.jobs: dict[str, Job] = {}
        self.asked: list[tuple[float, str]] = []
        self.busy: list[tuple[float, float, float | None]] = []
        """From when until when every query is a 429, and its `Retry-After`."""

    def submit(self, family: str, seconds: float) -> str:
        task_id = f"task-{len(self.jobs)}"
        self.jobs[task_id] = Job(
            id=task_id,
            alt_id=None,
            key="",
            family=family,
            body={},
            text="",
            created_at=now(),
            ready_at=now() + seconds,
            end="completed",
            fate=None,
        )
        return task_id

    async def query_video(self, task_id: str, *, alt_ids: tuple[str, ...] = ()) -> VideoTask:  # noqa: ARG002 - a client's
        asked = now()
        self.asked.append((asked, task_id))
        await asyncio.sleep(self.latency)
        for begin, end, retry_after in self.busy:
            if begin <= asked < end:
                raise RateLimited("too many requests", status=429, retry_after=retry_after)
        job = self.jobs[task_id]
        row = job.row(asked // self.refresh * self.refresh, 0) if self.together else job.row(asked, self.refresh)
        ready = row.state == "completed"
        return VideoTask(
            id=task_id,
            state=TaskState.SUCCEEDED if ready else TaskState.RUNNING,
            progress=row.progress if self.progress else None,
            video_url="https://files.example.com/video.mp4" if ready else None,
            created_at=datetime.fromtimestamp(job.created_at, UTC) if self.times else None,
            completed_at=datetime.fromtimestamp(job.ready_at, UTC) if self.times and ready else None,
        )

    def shown_at(self, task_id: str) -> float:
        """Return when it first says that a job is ready."""
        job = self.jobs[task_id]
        if self.together:
            return math.ceil(job.ready_at / self.refresh) * self.refresh
        return job.created_at + math.ceil((job.ready_at - job.created_at) / self.refresh) * self.refresh


class Line:
    """Sends requests by one scheduler, and notes when each started."""

    def __init__(self, **options: object) -> None:
        self.scheduler = RequestScheduler(clock=now, **options)  # type: ignore[arg-type] # a test's shorthand
        self.starts: list[tuple[float, str]] = []
        self.on_the_wire = 0

    async def look(self, name: str = "look", *, wanted_in: float = 0.0, takes: float = 0.0) -> None:
        async with self.scheduler.look_turn(Look(now() + wanted_in)):
            self.starts.append((now(), name))
            self.on_the_wire += 1
            try:
                await asyncio.sleep(takes)
            finally:
                self.on_the_wire -= 1

    async def create(self, name: str = "create", *, takes: float = 0.0) -> None:
        async with self.scheduler.create_turn():
            self.starts.append((now(), name))
            await asyncio.sleep(takes)
