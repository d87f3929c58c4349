"""`prefect-octopusx adopt`: a video that was created already."""

from prefect_octopusx.cli.exits import Exit, Refused
from prefect_octopusx.cli.options import Access, Output, Seconds, Where
from prefect_octopusx.cli.perform import checked_name, perform
from prefect_octopusx.cli.places import place_of
from prefect_octopusx.cli.prefect_session import prefect_ready
from prefect_octopusx.cli.screen import Screen

__all__ = ["adopt"]


def adopt(
    task_id: str,
    /,
    *,
    name: str,
    where: Where | None = None,
    access: Access | None = None,
    deadline: Seconds = None,
    poll_interval: Seconds = None,
    output: Output | None = None,
) -> int:
    """Take over a task.

    Args:
        task_id: The task's id, as the dashboard or the error shows it.
        name: The video's name at the destination; of an uncertain create, the name that it was sent under.
        where: Where the videos are.
        access: Whose key.
        deadline: Give up waiting so long after the submission; 3600 if left out.
        poll_interval: Time between looks; a pacing that fits the model if left out.
        output: What is to be seen.
    """
    place, keys = where or Where(), access or Access()

    def work(screen: Screen) -> Exit:
        video, at = checked_name(name), place_of(place)
        if not task_id.strip():
            raise Refused("TASK-ID: it is blank; give the id as the OctopusX dashboard or the error shows it")
        with prefect_ready(screen) as stays:
            from prefect_octopusx.cli.making import take_over  # noqa: PLC0415 - imports Prefect, which takes seconds

            return take_over(
                screen, task_id, video, at, keys, server_stays=stays, deadline=deadline, poll_interval=poll_interval
            )

    return perform(output or Output(), work)
