"""What the tests of the main job share: runs of it, and looks at what is stored and sent."""

from io import BytesIO
from pathlib import Path
from typing import Any

import av
import boto3
from prefect.states import State

from prefect_octopusx.api import VideoRequest
from prefect_octopusx.blocks import LocalDestination, OctopusXCredentials
from prefect_octopusx.flows import generate_video
from prefect_octopusx.sandbox import Sandbox
from prefect_octopusx.storage import VideoRecord
from tests.flows.ways_on import CAT, Destination


class Run:
    """Runs the flow as a user does, with looks every twentieth of a second."""

    def __init__(self, destination: Destination, credentials: OctopusXCredentials) -> None:
        self.options = {"destination": destination, "credentials": credentials, "poll_interval": 0.05}

    async def __call__(self, request: VideoRequest = CAT, *, name: str | None = "hero", **options: Any) -> VideoRecord:  # noqa: ANN401
        return await generate_video(request=request, name=name, **(self.options | options))

    async def state(self, request: VideoRequest = CAT, **options: Any) -> State[VideoRecord]:  # noqa: ANN401
        given = {"name": "hero"} | self.options | options
        return await generate_video(request=request, **given, return_state=True)


def posts(sandbox: Sandbox) -> int:
    return sum(trace.method == "POST" for trace in sandbox.requests)


def stored(record: VideoRecord, destination: Destination) -> bytes:
    """Return the video's bytes from where the record says they are."""
    assert record.uri
    if isinstance(destination, LocalDestination):
        return Path(record.uri).read_bytes()
    client = boto3.client("s3", endpoint_url=destination.endpoint_url)
    bucket, _, key = record.uri.removeprefix("s3://").partition("/")
    found = client.get_object(Bucket=bucket, Key=key)
    assert found["ContentType"] == "video/mp4"
    return found["Body"].read()


def names(destination: Destination) -> list[str]:
    """Return all that lies there, hidden files included, unfinished uploads forbidden; but for the index of pending."""
    if isinstance(destination, LocalDestination):
        found = sorted(str(path.relative_to(destination.folder)) for path in destination.folder.rglob("*"))
        return [name for name in found if not name.startswith(".pending")]
    client = boto3.client("s3", endpoint_url=destination.endpoint_url)
    assert not client.list_multipart_uploads(Bucket=destination.bucket).get("Uploads")
    keys = sorted(found["Key"] for found in client.list_objects_v2(Bucket=destination.bucket).get("Contents", []))
    return [key for key in keys if not key.startswith(f"{destination.prefix}/.pending/")]


def seconds_that_play(data: bytes) -> float:
    """Decode the whole video, as a player does."""
    with av.open(BytesIO(data)) as container:
        frames = [frame.time for frame in container.decode(video=0)]
    return float(frames[-1] or 0)
