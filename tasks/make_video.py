"""A whole video in one task run, as one of a batch."""

import time

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import exponential_backoff

from prefect_octopusx.api import RateLimited, TaskState, VideoRequest, VideoTask
from prefect_octopusx.storage import (
    LEASE,
    OnUncertain,
    RecordState,
    VideoRecord,
    fail,
    failure,
)
from prefect_octopusx.tasks.batch import Batch
from prefect_octopusx.tasks.retries import RARELY_PASSING, resend_is_safe, retry_helps
from prefect_octopusx.tasks.runs import top_run_id
from prefect_octopusx.tasks.steps import Logger, store_video, submit_video, watch_video
from prefect_octopusx.tasks.submittable import submittable
from prefect_octopusx.tasks.video_report import dress

__all__ = ["make_video"]


def _going_on_is_safe(task: object, task_run: TaskRun, state: State[VideoRecord]) -> bool:
    """Allow another attempt where a create surely was not accepted, or where the record says how to go on for free."""
    if isinstance(state.data, RARELY_PASSING):  # as often as for `create_video`, though a question may be asked again
        return resend_is_safe(task, task_run, state)
    return resend_is_safe(task, task_run, state) or retry_helps(task, task_run, state)


@submittable
@task(
    name="make-video",
    task_run_name="{name} ({request.model})",
    # 10, 20, 40, 80 s and so on: what a saturated upstream and a link that broke want, in one row.
    retries=6,
    retry_delay_seconds=exponential_backoff(10),
    retry_jitter_factor=0.3,
    retry_condition_fn=_going_on_is_safe,
    cache_policy=NO_CACHE,
    persist_result=False,
)
async def make_video(
    request: VideoRequest,
    *,
    name: str,
    batch: Batch,
    on_uncertain: OnUncertain = "stop",
    retry_failed: bool = False,
    asked_by: str | None = None,
    poll_interval: float | None = None,
    deadline: float | None = None,
    lease: float = LEASE,
    wait: bool = True,
) -> VideoRecord:
    """Create, wait, save: the whole way of one video, with what its batch shares. For many at once.

    A retry goes on from the record: what was submitted is not sent again. Await it, don't submit or map it.

    Args:
        request: What to make.
        name: The idempotency key, and the video's name at the destination.
        batch: What it shares with others, from `Batch.opened`.
        on_uncertain: `resubmit` sends again where nobody knows whether an earlier create was accepted.
        retry_failed: Whether to try anew, and pay for, what failed or was refused.
        asked_by: The run that this is asked for by, with all its retries: the one at the top by default.
        poll_interval: Seconds between looks. By default the pacing decides.
        deadline: Seconds after the submission at which waiting ends; 3600 by default, 49 hours for off-peak.
        lease: Seconds without a sign of life after which other runs take this one for dead while its create is on the
            way.
        wait: False only creates it, if it is not made yet.

    Returns:
        The record, `completed`; `submitted`, where it is not waited for.

    Raises:
        SubmissionUncertain: Nobody knows whether a create was accepted. Never retried by itself.
        VideoFailed: The API's final word. Not retried.
        VideoTimeout: The deadline passed; the video may still finish. Not retried.
        OctopusXError: It could not go on, even after retries; the message says how to.
        RuntimeError: `batch` belongs to another event loop.
    """
    batch.check_loop()
    logger = get_run_logger()
    asked_by = asked_by or await top_run_id()
    try:
        record = await submit_video(
            batch.store,
            batch.client,
            request,
            name=name,
            on_uncertain=on_uncertain,
            retry_failed=retry_failed,
            asked_by=asked_by,
            top_run=asked_by,
            lease=lease,
            turn=batch.scheduler.create_turn,
            logger=logger,
        )
    except RateLimited as error:
        batch.scheduler.slow_down(error.retry_after)
        raise
    finally:
        batch.has_started(name)
    if record.state is RecordState.COMPLETED or not wait:
        return record
    shown = _Transitions(name, logger)
    submitted_at = record.submitted_at.timestamp() if record.submitted_at else time.time()
    seen = await watch_video(
        batch.client,
        record,
        submitted_at=submitted_at,
        poll_interval=poll_interval,
        deadline=deadline,
        on_look=shown.show,
        logger=logger,
        scheduler=batch.scheduler,
    )
    if seen.state is TaskState.FAILED:
        raise failure(await fail(batch.store, record, seen))
    async with batch.transfers:
        saved = await store_video(batch.store, batch.client, record, seen, logger=logger)
    await dress(batch.store, saved, logger=logger)  # beside the next transfers
    return saved


class _Transitions:
    """Logs a line a state."""

    def __init__(self, name: str, logger: Logger) -> None:
        self._name = name
        self._logger = logger
        self._state: TaskState | None = None

    async def show(self, task: VideoTask) -> None:
        if task.state is not self._state:
            self._state = task.state
            reason = f": {task.error}" if task.error else ""
            self._logger.info("%s: %s, task %s%s", self._name, task.state, task.id, reason)
