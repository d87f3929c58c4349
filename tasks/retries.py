"""When Prefect's native retries help, and when they would only cost money or time.

The answers are properties of the error classes (`prefect_octopusx.api.errors`); here they become retry conditions.
"""

from collections.abc import Callable
from typing import Any, TypedDict

from prefect.cache_policies import NO_CACHE, CachePolicy
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import exponential_backoff

from prefect_octopusx.api import ModelUnavailable, NotSubmitted, OctopusXError
from prefect_octopusx.storage import DestinationUnavailable

__all__ = ["FREE_STEP", "RARELY_PASSING", "destination_is_away", "resend_is_safe", "retry_helps"]

RARELY_PASSING = (ModelUnavailable, NotSubmitted)
"""Errors of a create that surely was not accepted, and that is in vain mostly also the next time."""
_MOST_RESENDS_OF_THOSE = 2


def resend_is_safe(_task: Any, task_run: TaskRun, state: State[Any]) -> bool:  # noqa: ANN401 - any task
    """Allow a create to be sent again only where the earlier one surely was not accepted."""
    error = state.data
    if isinstance(error, RARELY_PASSING):
        return task_run.run_count <= _MOST_RESENDS_OF_THOSE
    return isinstance(error, OctopusXError) and error.resend_safe


def retry_helps(_task: Any, _task_run: TaskRun, state: State[Any]) -> bool:  # noqa: ANN401 - any task
    """Allow a free step (a query, a download, an upload) to be tried again where that may help."""
    error = state.data
    return isinstance(error, OctopusXError) and error.retryable


def destination_is_away(_task: Any, _task_run: TaskRun, state: State[Any]) -> bool:  # noqa: ANN401 - any task
    """Allow an upload to be tried again where the destination did not answer; the file itself stays as it is."""
    return isinstance(state.data, DestinationUnavailable)


class _Options(TypedDict):
    retries: int
    retry_delay_seconds: Callable[[int], list[float]]
    retry_jitter_factor: float
    retry_condition_fn: Callable[..., bool]
    cache_policy: CachePolicy
    persist_result: bool


FREE_STEP: _Options = {
    "retries": 4,
    "retry_delay_seconds": exponential_backoff(5),
    "retry_jitter_factor": 0.3,
    "retry_condition_fn": retry_helps,
    "cache_policy": NO_CACHE,
    "persist_result": False,  # a task's result may hold a signed URL
}
"""How a step that costs nothing is retried: after 5, 10, 20 and 40 s, give or take."""
