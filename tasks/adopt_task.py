"""Taking over a task id that exists already."""

from prefect import get_run_logger, task

from prefect_octopusx.api import VideoRequest
from prefect_octopusx.blocks import Destination
from prefect_octopusx.storage import VideoRecord, adopt
from prefect_octopusx.tasks.events import open_store
from prefect_octopusx.tasks.retries import FREE_STEP
from prefect_octopusx.tasks.runs import flow_run_id
from prefect_octopusx.tasks.submittable import submittable

__all__ = ["adopt_task"]


@submittable
@task(name="adopt-task", task_run_name="adopt {task_id} as {name}", **FREE_STEP)
async def adopt_task(
    task_id: str, *, name: str, destination: Destination | None = None, request: VideoRequest | None = None
) -> VideoRecord:
    """Make the video `name` stand for a task that exists already. Nothing is sent, nothing is paid.

    Args:
        task_id: The task's id, verbatim.
        name: The video's name at the destination.
        destination: Where record and video go; `s3-destination/default` by default, else the folder `videos`.
        request: What it was made from, where that is known.

    Returns:
        The record, `submitted`, or whatever state it is in if the name stood for this task already.

    Raises:
        NameTaken: The name stands for another task or request.
        DestinationError: The destination can't be used.
    """
    store = await open_store(destination)
    return await adopt(store, task_id, name=name, request=request, flow_run_id=flow_run_id(), logger=get_run_logger())
