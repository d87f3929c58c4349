"""When Prefect's native retries help, and when they would only cost money or time.

The answers are properties of the error classes (`prefect_octopusx.api.errors`); here they become retry conditions.
"""

from typing import Any

from prefect.client.schemas.objects import State, TaskRun

from prefect_octopusx.api import ModelUnavailable, NotSubmitted, OctopusXError
from prefect_octopusx.storage import DestinationUnavailable

__all__ = ["destination_is_away", "resend_is_safe", "retry_helps"]

_RARELY_PASSING = (ModelUnavailable, NotSubmitted)
_MOST_RESENDS_OF_THOSE = 2


def resend_is_safe(_task: Any, task_run: TaskRun, state: State[Any]) -> bool:  # noqa: ANN401 - any task
    """Allow a create to be sent again only where the earlier one surely was not accepted."""
    error = state.data
    if isinstance(error, _RARELY_PASSING):
        return task_run.run_count <= _MOST_RESENDS_OF_THOSE
    return isinstance(error, OctopusXError) and error.resend_safe


def retry_helps(_task: Any, _task_run: TaskRun, state: State[Any]) -> bool:  # noqa: ANN401 - any task
    """Allow a free step (a query, a download, an upload) to be tried again where that may help."""
    error = state.data
    return isinstance(error, OctopusXError) and error.retryable


def destination_is_away(_task: Any, _task_run: TaskRun, state: State[Any]) -> bool:  # noqa: ANN401 - any task
    """Allow an upload to be tried again where the destination did not answer; the file itself stays as it is."""
    return isinstance(state.data, DestinationUnavailable)
