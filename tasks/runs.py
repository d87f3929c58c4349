"""What tasks and flows need to know of the run they are in."""

import time
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar
from uuid import UUID

from prefect import get_client
from prefect.client.schemas.objects import FlowRun, TaskRun, TaskRunResult
from prefect.context import FlowRunContext, TaskRunContext
from prefect.states import Completed

__all__ = [
    "RunTimes",
    "attempt",
    "came_back",
    "completed",
    "flow_run_attempt",
    "flow_run_id",
    "is_below_a_task",
    "retries_are_left",
    "run_times",
    "started_at",
    "task_run_id",
    "top_run_id",
]

T = TypeVar("T")


def flow_run_id() -> str | None:
    """Return the id of the flow run around this code, if there is one."""
    context = FlowRunContext.get()
    return str(context.flow_run.id) if context is not None and context.flow_run is not None else None


def flow_run_attempt() -> int:
    """Return how many times this flow run has been tried, this time included; coming back is no try of its own."""
    context = FlowRunContext.get()
    return context.flow_run.run_count if context is not None and context.flow_run is not None else 1


def is_below_a_task() -> bool:
    """Tell whether the run at the top of the flows and tasks around this code is a task's."""
    task = TaskRunContext.get()
    return task is not None and task.task_run.flow_run_id is None


async def top_run_id() -> str | None:
    """Return the id of the run at the top of the flows and tasks around this code, if there is one.

    It lasts, while a retry of a flow or task around a flow gives that flow a new run. A task that no flow is around is
    seen from the flow or task that it calls, not from the tasks of that flow.
    """
    task = TaskRunContext.get()
    if task is not None and task.task_run.flow_run_id is None:
        for around in task.task_run.task_inputs.get("__parents__", ()):
            if isinstance(around, TaskRunResult):
                return str(around.id)
        return str(task.task_run.id)
    run = await _top_flow_run()
    return str(run.id) if run else None


class RunTimes(NamedTuple):
    """When the run at the top was to start, and by how many seconds it started too late. Its retries change neither."""

    scheduled: datetime
    lateness: float


async def run_times() -> RunTimes:
    """Return the times of the run at the top of the flows and tasks around this code; now, where there is none."""
    task = TaskRunContext.get()
    run: FlowRun | TaskRun | None = await _top_flow_run()
    if task is not None and task.task_run.flow_run_id is None:
        run = task.task_run
    now = datetime.now(UTC)
    if run is None or run.expected_start_time is None:
        return RunTimes(now, 0.0)
    began = run.start_time or now
    return RunTimes(run.expected_start_time, max(0.0, (began - run.expected_start_time).total_seconds()))


async def _top_flow_run() -> FlowRun | None:
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return None
    run: FlowRun = context.flow_run
    async with get_client() as client:
        while run.parent_task_run_id is not None:
            parent_task = await client.read_task_run(run.parent_task_run_id)
            if parent_task.flow_run_id is None:
                break
            run = await client.read_flow_run(parent_task.flow_run_id)
    return run


def retries_are_left() -> bool:
    """Tell whether Prefect will run this flow run again if it fails."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return False
    return context.flow_run.run_count <= (context.flow_run.empirical_policy.retries or 0)


def came_back() -> bool:
    """Tell whether this flow run has begun before: it left and came back, was resumed, or is retried."""
    context = FlowRunContext.get()
    run = context.flow_run if context is not None else None
    if run is None or run.start_time is None or run.state is None:
        return False
    return run.state.timestamp > run.start_time


def completed(data: T, message: str, *, name: str | None = None) -> T:
    """Return a flow's result as its final state, with a message to be seen; awaiting the flow gives the data itself.

    On a retry it is the data alone: where a retry returns a state, Prefect 3.8 raises the earlier attempt's error.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None or context.flow_run.run_count > 1:
        return data
    return Completed(data=data, message=message, name=name)  # type: ignore[return-value] # see above


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
