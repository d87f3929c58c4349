"""What must come of a video whose process was killed, however somebody comes back to it."""

from prefect_octopusx.api import SubmissionUncertain
from prefect_octopusx.flows import adopt_video
from tests.crashes.scenes import Scene

__all__ = ["come_back", "decide", "finish", "stop_uncertain"]


async def come_back(scene: Scene) -> str:
    """Ask for the video again, as its record allows, until it is stored; return the state that was found.

    Paid once, in all cases: where nobody can know whether it was paid, it is a person who looks and decides.
    """
    found, left = scene.state, scene.record
    scene.check_index()
    if found in {"submitting", "uncertain"}:
        await stop_uncertain(scene)
        await decide(scene)
    else:
        await finish(scene)
    scene.check_stored()
    assert scene.billed == 1
    if left and left.get("task_id"):
        assert scene.record
        assert scene.record["task_id"] == left["task_id"]
    return found


async def finish(scene: Scene, **options: str) -> None:
    """Run the flow again and see it through."""
    state = await scene.again(**options)
    assert state.is_completed(), f"{state.name}: {state.message}"


async def stop_uncertain(scene: Scene) -> None:
    """Run the flow again and see it stop, because nobody knows whether the create got through."""
    sent = len(scene.sandbox.requests)
    state = await scene.again()
    assert state.is_failed()
    assert state.name == "Uncertain", f"{state.name}: {state.message}"
    assert isinstance(await state.aresult(raise_on_failure=False), SubmissionUncertain)
    assert len(scene.sandbox.requests) == sent, "something was sent"
    assert scene.state == "uncertain"
    scene.check_index()


async def decide(scene: Scene) -> None:
    """Do what a person does who finds the video in the dashboard, or does not find it."""
    if scene.sandbox.jobs:
        await adopt_video(task_id=scene.sandbox.jobs[0].id, name="hero", poll_interval=0.05, **scene.options)
    else:
        await finish(scene, on_uncertain="resubmit")
