"""What tasks and flows need to know of the run they are in."""

import time
from uuid import UUID

from prefect.context import FlowRunContext, TaskRunContext

__all__ = ["attempt", "flow_run_id", "started_at", "task_run_id"]


def flow_run_id() -> str | None:
    """Return the id of the flow run around this code, if there is one."""
    context = FlowRunContext.get()
    return str(context.flow_run.id) if context is not None and context.flow_run is not None else None


def attempt() -> int:
    """Return how many times this task run has been started, this time included."""
    context = TaskRunContext.get()
    return context.task_run.run_count if context is not None else 1


def task_run_id() -> UUID | None:
    """Return the id of this task run."""
    context = TaskRunContext.get()
    return context.task_run.id if context is not None else None


def started_at() -> float:
    """Return when this task run was first to start, in Unix seconds; a retry does not change it."""
    context = TaskRunContext.get()
    first = context.task_run.expected_start_time if context is not None else None
    return first.timestamp() if first is not None else time.time()
