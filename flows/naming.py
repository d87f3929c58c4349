"""The name of a video that was given none: the same for every retry, another one for every new run."""

import re
import threading
from collections import Counter
from uuid import UUID

from prefect import get_client
from prefect.context import FlowRunContext, TaskRunContext

from prefect_octopusx.api import VideoRequest
from prefect_octopusx.storage import check_name

__all__ = ["default_name"]

_lock = threading.Lock()
_given: dict[UUID, str] = {}
_calls: Counter[tuple[UUID, int, str]] = Counter()


async def default_name(request: VideoRequest) -> str:
    """Return a name for the video of this flow run.

    A retry of the run must find its video again, and so must a retry of a flow or task around it, which gives each flow
    that it calls a new run, perhaps in another order. So the name tells the run that lasts (the task or the flow around
    this one, else this one), the request, and which of several equal requests this is.

    Raises:
        RuntimeError: This is not called in a flow run.
    """
    model = _part(request.model)
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        raise RuntimeError("default_name() is called outside a flow run")
    run = context.flow_run
    task = TaskRunContext.get()
    if task is not None:
        scope, attempt = task.task_run.id, task.task_run.run_count
    elif run.parent_task_run_id is not None:
        async with get_client() as client:
            parent_task = await client.read_task_run(run.parent_task_run_id)
            parent = await client.read_flow_run(parent_task.flow_run_id or run.id)
        scope, attempt = parent.id, parent.run_count
    else:
        return f"{model}-{run.id.hex}"
    with _lock:
        if run.id not in _given:
            count = _calls[scope, attempt, request.digest]
            _calls[scope, attempt, request.digest] += 1
            nth = f"-{count + 1}" if count else ""
            _given[run.id] = f"{model}-{scope.hex}-{request.digest[:8]}{nth}"
        return _given[run.id]


def _part(model: str) -> str:
    """Return what of a model's name can begin that of a video; a model of another channel may be called anything."""
    try:
        return check_name(f"{model}-")[:-1]
    except ValueError:
        return re.sub(r"\W+", "-", model, flags=re.ASCII).strip("-")[:80] or "video"
