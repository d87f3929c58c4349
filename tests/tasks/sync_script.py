"""A script without an event loop, as somebody writes it who knows no `async`; `test_sync_script.py` runs it."""

import asyncio
import sys

from prefect import flow

from prefect_octopusx.api import VideoFailed, ViduRequest
from prefect_octopusx.blocks import LocalDestination
from prefect_octopusx.flows import generate_video
from prefect_octopusx.storage import VideoRecord
from prefect_octopusx.tasks import create_video, save_video, wait_for_video

DESTINATION = LocalDestination(folder=sys.argv[1])


def request(name: str) -> ViduRequest:
    return ViduRequest(model="viduq3-pro", prompt=f"a {name} cat")


@flow
def sync_video(name: str) -> VideoRecord:
    create, save = (task.with_options(retry_delay_seconds=0) for task in (create_video, save_video))
    record = create.submit(request(name), name=name, destination=DESTINATION).result()
    task = wait_for_video.submit(record, destination=DESTINATION, poll_interval=0.05).result()
    return save.submit(record, task, destination=DESTINATION).result()


@flow
def around(name: str) -> VideoRecord:
    return asyncio.run(generate_video(request(name), name=name, destination=DESTINATION, poll_interval=0.05))


first = sync_video("first")  # the gateway is busy at first, and the first transfer breaks
try:
    sync_video("lost")
except VideoFailed as error:
    reason = str(error)
nested = around("nested")
sys.stdout.write(f"{first.state}\n{reason}\n{nested.state}")
