"""A batch in virtual time: `python -m benchmarks.simulation VIDEOS default|all`. `growth.py` starts it.

The order of the videos, their budget of requests and their waits are the project's own; Prefect, network and bucket are
left out, so that what grows with the length of the list shows. Its only line is a JSON object with the figures.
"""

import json
import random
import sys
import time
from pathlib import Path
from typing import cast

from prefect_octopusx.api import OctopusXClient, RequestScheduler, VideoTask, ViduRequest, wait_until_final
from prefect_octopusx.batches import PlannedVideo, VideoItem, VideoResult
from prefect_octopusx.flows.batch_rounds import make_all
from prefect_octopusx.flows.batch_videos import Made, Maker
from prefect_octopusx.storage import Outlook, Step
from tests.api.virtual import Gateway, now, realistic, run


class _Forgetful(Gateway):
    """Remembers nothing of what is over, so that the memory is the batch's."""

    looks = 0

    async def query_video(self, task_id: str, *, alt_ids: tuple[str, ...] = ()) -> VideoTask:
        found = await super().query_video(task_id, alt_ids=alt_ids)
        self.asked.clear()
        self.looks += 1
        return found


class _Making:
    """Stands for the batch's `Maker`: a turn for the create, then the waiting, without the task run around."""

    def __init__(self, scheduler: RequestScheduler) -> None:
        self.scheduler = scheduler
        self.gateway = _Forgetful()
        self.chance = random.Random(8)  # noqa: S311 - guards nothing
        self.late: float = 0.0
        self._submitted = 0

    async def make(self, video: PlannedVideo) -> Made:
        """Make one."""
        async with self.scheduler.create_turn():
            task_id = self.gateway.submit("vidu", realistic(self.chance, "vidu"))
        await wait_until_final(
            cast("OctopusXClient", self.gateway),
            task_id,
            submitted_at=now(),
            family="vidu",
            clock=now,
            chance=self.chance.random,
            scheduler=self.scheduler,
        )
        self.late += now() - self.gateway.shown_at(task_id)
        self.gateway.jobs[task_id] = None  # type: ignore[assignment] # its name stays, because they are counted
        return Made(VideoResult.of(video.item, None))


def memory() -> float:
    """Return what this process has held at most, in kB."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0])


def main() -> None:
    """Simulate one batch."""
    videos, scene = int(sys.argv[1]), sys.argv[2]
    in_flight, rate, at_once = 100, 120.0, 8  # the defaults
    if scene == "all":
        in_flight, rate, at_once = videos, max(rate, 3.0 * videos), max(at_once, videos // 50)
    nothing = Outlook(step=Step.CREATE)
    base = memory()
    requests = (ViduRequest(model="viduq3-pro", prompt=f"video {n}") for n in range(videos))
    items = (VideoItem(name=f"video-{n:06}", request=request) for n, request in enumerate(requests))
    list_of = [PlannedVideo(item, nothing) for item in items]
    listed, used = memory(), time.process_time()

    async def batch() -> _Making:
        making = _Making(RequestScheduler(rate, requests_at_once=at_once, creates_at_once=at_once, clock=now))

        async def done() -> None:
            pass

        made = await make_all(list_of, cast("Maker", making), max_in_flight=in_flight, done=done)
        if len(made) != videos:
            raise RuntimeError(f"{len(made)} of {videos} were made")
        return making

    made = run(batch())
    used = time.process_time() - used
    print(
        json.dumps(
            {
                "processor time a video": f"{1000 * used / videos:.2f} ms",
                "looks a video": f"{made.gateway.looks / videos:.1f}",
                "ready to seen, mean": f"{made.late / videos:.0f} s",
                "memory of the list, a video": f"{(listed - base) / videos:.1f} kB",
                "memory of making it, a video": f"{(memory() - listed) / videos:.1f} kB",
            }
        )
    )


if __name__ == "__main__":
    main()
