"""Looking once, for who does not stay: a run that leaves, and comes back for the next look."""

import logging
import random
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, NamedTuple

from prefect_octopusx.api.client import OctopusXClient
from prefect_octopusx.api.errors import OctopusXError, RateLimited
from prefect_octopusx.api.pacing import default_deadline, next_delay
from prefect_octopusx.api.replies import TaskState, VideoTask
from prefect_octopusx.api.scheduler import RequestScheduler
from prefect_octopusx.api.waiting import is_passing

__all__ = ["NotReady", "look_once"]

_TOO_EARLY = 0.8
"""What has passed less than this part of the time until its first look is left alone. Not 1: the delay is drawn anew
each time, and a machine's clock may be behind the one that told when to come back."""


class NotReady(NamedTuple):
    """What is known of a job that is not final.

    Attributes:
        delay: Seconds until the next look.
        task: What the API said; None where it was not asked, or gave no answer.
        trouble: Why there is no answer.
    """

    delay: float
    task: VideoTask | None = None
    trouble: str = ""


async def look_once(
    client: OctopusXClient,
    task_id: str,
    *,
    submitted_at: float,
    start_cost: float,
    alt_ids: tuple[str, ...] = (),
    off_peak: bool = False,
    poll_interval: float | None = None,
    deadline: float | None = None,
    logger: "logging.Logger | logging.LoggerAdapter[Any] | None" = None,
    clock: Callable[[], float] = time.time,
    chance: Callable[[], float] = random.random,
    scheduler: RequestScheduler | None = None,
) -> NotReady | None:
    """Ask about a task once, and say when to ask again; never raises because of an answer.

    A video that is too young for its first look is not asked about.

    Args:
        client: The gateway.
        task_id: The id from the create.
        submitted_at: When it was created, in Unix seconds.
        start_cost: Seconds of work that each look costs, as in `next_delay`.
        alt_ids: Other ids of the same task.
        off_peak: Whether it is an off-peak job.
        poll_interval: Seconds between looks; the pacing's own choice by default.
        deadline: Seconds after `submitted_at` at which to stop; an hour by default, 49 hours for an off-peak job.
        logger: Where a look without an answer is logged.
        clock: Returns Unix seconds.
        chance: Returns a random number in [0, 1).
        scheduler: The budget of requests that this look shares with others.

    Returns:
        When to look next. None: there is nothing to come back for. `wait_until_final` now tells what there is: the task
        is final, its deadline passed, or an error stands that asking again later does not change.

    Raises:
        ValueError: `poll_interval` is not above 0.
    """
    deadline = default_deadline(off_peak=off_peak) if deadline is None else deadline
    logger = logger or logging.getLogger(__name__)

    def not_ready(
        age: float, task: VideoTask | None = None, trouble: str = "", retry_after: float | None = None
    ) -> NotReady | None:
        delay = next_delay(
            age=age,
            chance=chance(),
            off_peak=off_peak,
            troubles=1 if trouble else 0,
            retry_after=retry_after,
            poll_interval=poll_interval,
            start_cost=start_cost,
        )
        return NotReady(min(delay, deadline - age), task, trouble) if age < deadline else None

    age = max(0.0, clock() - submitted_at)  # another machine's clock may have told when
    first = next_delay(age=0, chance=chance(), off_peak=off_peak, poll_interval=poll_interval, start_cost=start_cost)
    if age < _TOO_EARLY * min(first, deadline):
        return NotReady(min(first, deadline) - age)
    try:
        async with scheduler.look_turn() if scheduler else nullcontext():
            task = await client.query_video(task_id, alt_ids=alt_ids)
    except OctopusXError as error:
        age = clock() - submitted_at
        if not is_passing(error, age=age, troubles=1):
            return None
        if scheduler and isinstance(error, RateLimited):
            scheduler.slow_down(error.retry_after)
        logger.warning("Task %s: no answer to this look: %s", task_id, error)
        return not_ready(age, trouble=type(error).__name__, retry_after=error.retry_after)
    # One that is done, though without a link yet, is as good as ready: it is not worth a start of its own.
    return not_ready(clock() - submitted_at, task) if not task.final and task.state is not TaskState.SUCCEEDED else None
