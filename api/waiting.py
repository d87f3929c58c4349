"""Waiting for a video: one loop, in which time, sleep and chance are arguments."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from prefect_octopusx.api.client import OctopusXClient
from prefect_octopusx.api.errors import OctopusXError, RateLimited, TaskNotFound, VideoTimeout
from prefect_octopusx.api.pacing import Likely, default_deadline, end_by_progress, next_delay
from prefect_octopusx.api.replies import TaskState, VideoTask
from prefect_octopusx.api.scheduler import RequestScheduler
from prefect_octopusx.api.turns import Look

__all__ = ["is_passing", "wait_until_final"]

_GRACE = 120.0  # The gateway answers a create before it stores the job: until then a query does not find it.
_MOST_TROUBLES = 5  # looks in a row without an answer; about 5 minutes at the pacing's back-off
_LOOKS_WITHOUT_URL = 5  # a success may be told before its URL is known
_LAST_TURN = 600.0  # after the deadline, the last look waits for its turn at most so long


async def _ignore(_task: VideoTask) -> None:
    pass


async def wait_until_final(
    client: OctopusXClient,
    task_id: str,
    *,
    submitted_at: float,
    alt_ids: tuple[str, ...] = (),
    family: str | None = None,
    off_peak: bool = False,
    poll_interval: float | None = None,
    deadline: float | None = None,
    on_change: Callable[[VideoTask], Awaitable[None]] = _ignore,
    on_look: Callable[[VideoTask], Awaitable[None]] = _ignore,
    logger: "logging.Logger | logging.LoggerAdapter[Any] | None" = None,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    chance: Callable[[], float] = random.random,
    scheduler: RequestScheduler | None = None,
) -> VideoTask:
    """Ask about a task until it is final, and return it: failed, or succeeded with a URL.

    Args:
        client: The gateway.
        task_id: The id from the create.
        submitted_at: When it was created, in Unix seconds: age and deadline count from then, not from this call.
        alt_ids: Other ids of the same task.
        family: The request's family, for the pacing.
        off_peak: Whether it is an off-peak job, which may take two days.
        poll_interval: Seconds between looks; the pacing's own choice by default.
        deadline: Seconds after `submitted_at` at which to stop; an hour by default, 49 hours for an off-peak job.
        on_change: Called when state or progress changed.
        on_look: Called at each answer, also where nothing changed.
        logger: Where looks without an answer are logged.
        clock: Returns Unix seconds.
        sleep: Waits some seconds.
        chance: Returns a random number in [0, 1).
        scheduler: The budget that this wait shares with others: each look then happens in a turn. A 429 slows all of
            them down, and is no trouble of this one.

    Raises:
        VideoTimeout: The deadline passed. There was at least one look after that; with a scheduler that gave it no turn
            in ten minutes, there was none.
        TaskNotFound: The gateway still does not know the task two minutes after the create.
        ValueError: `poll_interval` is not above 0.
        OctopusXError: An answer that asking again does not change, or too many looks without one (`retryable`).
    """
    deadline = default_deadline(off_peak=off_peak) if deadline is None else deadline
    logger = logger or logging.getLogger(__name__)
    age = clock() - submitted_at
    job = _Job(family, off_peak, poll_interval, scheduler, not_ready_at=0.0 if age < 1 else None)
    delay = min(job.delay(age, chance()), deadline) if age < 1 else 0.0  # a job from an earlier run: right away
    while True:
        try:
            async with job.turn(age, delay, patience=max(deadline - age, 0.0) + _LAST_TURN, sleep=sleep):
                task = await client.query_video(task_id, alt_ids=alt_ids)
        except OctopusXError as error:
            age = clock() - submitted_at
            job.note_trouble(error, age)
            _raise_unless_passing(error, age=age, troubles=job.troubles)
            logger.warning("Task %s: %s: %s", task_id, job.trouble, error)
        except TimeoutError:
            if clock() - submitted_at < deadline:
                raise
            raise _timeout(task_id, deadline, job.seen) from None  # no turn for the last look
        else:
            age = clock() - submitted_at
            if job.note(task, age):
                await on_change(task)
            await on_look(task)
            if task.final:
                return task
            if job.without_url >= _LOOKS_WITHOUT_URL:
                logger.warning("Task %s: done, but without a URL; asking the gateway for the file itself", task_id)
                return task.model_copy(update={"video_url": client.content_url(task_id)})
        age = clock() - submitted_at
        if age >= deadline:
            raise _timeout(task_id, deadline, job.seen)
        delay = min(job.delay(age, chance()), deadline - age)


@dataclass
class _Job:
    """What a wait knows of its job. Ages are seconds since the submission."""

    family: str | None
    off_peak: bool
    poll_interval: float | None
    scheduler: RequestScheduler | None
    not_ready_at: float | None
    """The age at which it was surely not ready yet."""
    looked_at: float = 0.0
    """The age at the last look, with an answer or without."""
    steps: list[tuple[float, float]] = field(default_factory=list)
    seen: VideoTask | None = None
    turned_away: bool = False
    troubles: int = 0
    retry_after: float | None = None
    without_url: int = 0

    def delay(self, age: float, chance: float) -> float:
        """Return the seconds to the next look."""
        if self.turned_away:  # its look is still wanted
            return 0.0
        return next_delay(
            age=age,
            chance=chance,
            family=self.family,
            off_peak=self.off_peak,
            steps=self.steps,
            troubles=self.troubles,
            retry_after=self.retry_after,
            poll_interval=self.poll_interval,
            usual=self._usual,
        )

    @asynccontextmanager
    async def turn(
        self, age: float, delay: float, *, patience: float, sleep: Callable[[float], Awaitable[None]]
    ) -> AsyncIterator[None]:
        """Wait some seconds, and with a scheduler for a turn after them: `patience` seconds, then `TimeoutError`."""
        if self.scheduler is None:
            if delay:
                await sleep(delay)
            yield
            return
        look = self._look(age, delay, self.scheduler.now() - age)
        async with asyncio.timeout(patience) as limit, self.scheduler.look_turn(look):
            limit.reschedule(None)
            yield

    def note(self, task: VideoTask, age: float) -> bool:
        """Note an answer. Returns whether state or progress changed."""
        changed = self.seen is None or (self.seen.state, self.seen.progress) != (task.state, task.progress)
        if task.progress is not None and (not self.steps or task.progress > self.steps[-1][1]):
            self.steps.append((age, task.progress))
        if task.state is not TaskState.SUCCEEDED:
            self.not_ready_at = age
        else:
            self.without_url += 1
            if self.without_url == 1:
                self._tell_duration(task, age)
        self.seen, self.looked_at = task, age
        self.turned_away, self.troubles, self.retry_after = False, 0, None
        return changed

    def note_trouble(self, error: OctopusXError, age: float) -> None:
        """Note a look without an answer. A 429 concerns all who share the budget, and counts for none of them."""
        self.looked_at = age
        self.turned_away = False
        if self.scheduler is not None and isinstance(error, RateLimited):
            self.scheduler.slow_down(error.retry_after)
            self.turned_away = True
        else:
            self.troubles += 1
            self.retry_after = error.retry_after

    def _look(self, age: float, delay: float, submitted_at: float) -> Look:
        wanted_at = submitted_at + age + delay
        if self.off_peak:
            return Look(wanted_at)
        end = end_by_progress(self.steps)
        return Look(
            wanted_at,
            submitted_at=submitted_at,
            looked_at=submitted_at + min(self.looked_at, age),
            family=self.family,
            ends_at=None if end is None else submitted_at + end,
        )

    @property
    def trouble(self) -> str:
        """What became of the last look, in a few words."""
        return "all requests slow down" if self.turned_away else f"no answer to look {self.troubles} in a row"

    @property
    def _usual(self) -> Likely | None:
        return self.scheduler.usual(self.family) if self.scheduler and self.family else None

    def _tell_duration(self, task: VideoTask, age: float) -> None:
        """Tell the scheduler how long the video took, where that is known well enough.

        It was ready at some time since the last look that found it unready: when the gateway says, else in the middle.
        (The time of this look would be too late, and the later, the later looks come because of it.)
        """
        if self.scheduler is None or self.family is None or self.off_peak:
            return
        told = 0.0
        if task.created_at and task.completed_at:  # two times of one clock
            told = (task.completed_at - task.created_at).total_seconds()
        if self.not_ready_at is not None:
            middle = (self.not_ready_at + age) / 2
            self.scheduler.took(self.family, min(max(told, self.not_ready_at), age) if told > 0 else middle)
        elif 0 < told <= age:  # of an earlier run
            self.scheduler.took(self.family, told)


def is_passing(error: OctopusXError, *, age: float, troubles: int) -> bool:
    """Tell whether a look without an answer is worth another one, `age` seconds after the submission."""
    if isinstance(error, TaskNotFound):
        return age < _GRACE
    return error.retryable and troubles < _MOST_TROUBLES


def _raise_unless_passing(error: OctopusXError, *, age: float, troubles: int) -> None:
    if not is_passing(error, age=age, troubles=troubles):
        raise error


def _timeout(task_id: str, deadline: float, seen: VideoTask | None) -> VideoTimeout:
    last = f"last seen {seen.state}" if seen else "it never gave an answer"
    if seen and seen.progress is not None:
        last += f" at {seen.progress:.0f} %"
    return VideoTimeout(
        f"Task {task_id} was not ready {deadline:.0f} s after its submission ({last}). It may still finish, and is "
        "billed if it does",
        task_id=task_id,
    )
