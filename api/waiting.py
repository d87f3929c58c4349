"""Waiting for a video: one loop, in which time, sleep and chance are arguments."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

from prefect_octopusx.api.client import OctopusXClient
from prefect_octopusx.api.errors import OctopusXError, TaskNotFound, VideoTimeout
from prefect_octopusx.api.pacing import default_deadline, next_delay
from prefect_octopusx.api.replies import TaskState, VideoTask

__all__ = ["wait_until_final"]

_GRACE = 120.0  # The gateway answers a create before it stores the job: until then a query does not find it.
_MOST_TROUBLES = 5  # looks in a row without an answer; about 5 minutes at the pacing's back-off
_LOOKS_WITHOUT_URL = 5  # a success may be told before its URL is known


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
    logger: "logging.Logger | logging.LoggerAdapter[Any] | None" = None,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    chance: Callable[[], float] = random.random,
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
        logger: Where looks without an answer are logged.
        clock: Returns Unix seconds.
        sleep: Waits some seconds.
        chance: Returns a random number in [0, 1).

    Raises:
        VideoTimeout: The deadline passed. There was at least one look after that.
        TaskNotFound: The gateway still does not know the task two minutes after the create.
        ValueError: `poll_interval` is not above 0.
        OctopusXError: An answer that asking again does not change, or too many looks without one (`retryable`).
    """
    deadline = default_deadline(off_peak=off_peak) if deadline is None else deadline
    logger = logger or logging.getLogger(__name__)
    steps: list[tuple[float, float]] = []
    seen: VideoTask | None = None
    troubles = without_url = 0
    retry_after = None
    fresh = clock() - submitted_at < 1
    while True:
        if not fresh:  # a job from an earlier run is looked at right away
            try:
                task = await client.query_video(task_id, alt_ids=alt_ids)
            except OctopusXError as error:
                troubles += 1
                _raise_unless_passing(error, age=clock() - submitted_at, troubles=troubles)
                retry_after = error.retry_after
                logger.warning("Task %s: no answer to look %d in a row: %s", task_id, troubles, error)
            else:
                troubles, retry_after = 0, None
                if seen is None or (seen.state, seen.progress) != (task.state, task.progress):
                    await on_change(task)
                if task.progress is not None and (not steps or task.progress > steps[-1][1]):
                    steps.append((clock() - submitted_at, task.progress))
                seen = task
                if task.final:
                    return task
                without_url += task.state is TaskState.SUCCEEDED
                if without_url >= _LOOKS_WITHOUT_URL:
                    logger.warning("Task %s: done, but without a URL; asking the gateway for the file itself", task_id)
                    return task.model_copy(update={"video_url": client.content_url(task_id)})
        fresh = False
        age = clock() - submitted_at
        if age >= deadline:
            raise _timeout(task_id, deadline, seen)
        delay = next_delay(
            age=age,
            chance=chance(),
            family=family,
            off_peak=off_peak,
            steps=steps,
            troubles=troubles,
            retry_after=retry_after,
            poll_interval=poll_interval,
        )
        await sleep(min(delay, deadline - age))


def _raise_unless_passing(error: OctopusXError, *, age: float, troubles: int) -> None:
    if isinstance(error, TaskNotFound):
        passing = age < _GRACE
    else:
        passing = error.retryable and troubles < _MOST_TROUBLES
    if not passing:
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
