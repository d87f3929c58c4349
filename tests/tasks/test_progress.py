"""The progress artifact of a video, also of those whose progress nobody tells."""

import logging
import re
import time

import pytest
from prefect import flow
from prefect.artifacts import Artifact

from prefect_octopusx.api import TaskState, VideoTask
from prefect_octopusx.tasks.progress import Progress

pytestmark = pytest.mark.usefixtures("prefect_api")


@flow
async def shown(*tasks: VideoTask) -> list[tuple[object, str | None]]:
    """Return data and description of the artifact after each of these looks."""
    progress = Progress("video-silent", "silent (veo)", time.time() - 40, logging.getLogger("test"))
    found = []
    for task in tasks:
        await progress.show(task)
        artifact = await Artifact.aget("video-silent")
        assert artifact is not None
        found.append((artifact.data, artifact.description))
    return found


async def test_where_the_api_tells_no_progress_the_time_moves() -> None:
    running = VideoTask(id="t-1", state=TaskState.RUNNING, video_url=None)
    half = running.model_copy(update={"progress": 50.0})
    done = half.model_copy(update={"state": TaskState.SUCCEEDED, "video_url": "https://e.com/a.mp4"})
    silent, *others = await shown(running, half, done)
    assert re.fullmatch(
        r"silent \(veo\), task t-1: running, (4|5|6)\d s after it was submitted; the API tells no progress",
        str(silent[1]),
    )
    assert others == [(50.0, "silent (veo), task t-1"), (100.0, "silent (veo), task t-1")]
