"""The demo's main job, as a user would write it: save the blocks, run the flows, look at what came out.

`demo.py` starts the servers and runs this against them; their addresses come from the environment.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import httpx
from prefect import get_client
from prefect.blocks.system import Secret
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterType
from pydantic import SecretStr
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from prefect_octopusx.api import JimengRequest, VideoRequest, ViduRequest
from prefect_octopusx.blocks import OctopusXCredentials, S3Destination
from prefect_octopusx.flows import generate_video
from prefect_octopusx.storage import VideoRecord

GATEWAY, S3, PREFECT = (os.environ[name] for name in ("DEMO_GATEWAY", "DEMO_S3", "DEMO_PREFECT"))
COPIES = Path("demo-videos")
REQUESTS: dict[str, VideoRequest] = {
    "paper-boat": JimengRequest(
        model="jimeng-video-3.0", prompt="a paper boat drifts down a rainy street", aspect_ratio="16:9"
    ),
    "butterflies": ViduRequest(
        model="viduq3-pro", prompt="a cat chasing butterflies", aspect_ratio="9:16", duration=5, audio=True
    ),
}
console = Console()
ShowProgress = Callable[[str, float, str], None]


async def main() -> int:
    """Run both requests at once, then once more; 0 if each video is stored whole and was paid for once."""
    s3 = boto3.client("s3", endpoint_url=S3, region_name="us-east-1")
    s3.create_bucket(Bucket="videos")
    # The UI shows posters where a browser may fetch them.
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::videos/*"}
    s3.put_bucket_policy(Bucket="videos", Policy=json.dumps({"Version": "2012-10-17", "Statement": [everybody]}))
    await save_blocks()
    with progress_bars() as show_progress:
        watcher = asyncio.create_task(watch(show_progress))
        # The demo asks every second, to have something to show; by default a look comes every 15 s or later.
        records = await asyncio.gather(
            *(generate_video(request, name=name, poll_interval=1.0) for name, request in REQUESTS.items())
        )
        watcher.cancel()
        for name in REQUESTS:
            show_progress(name, 100, "stored")
    console.print("The same once more: both names are known to be complete, so nothing is sent.")
    await asyncio.gather(*(generate_video(request, name=name) for name, request in REQUESTS.items()))
    show(records)
    whole = [fetch(s3, record) for record in records]
    async with httpx.AsyncClient() as client:
        billed = len((await client.get(f"{GATEWAY}/sandbox/ledger")).json())
    console.print(f"\nBilled: {billed} creates for {len(records)} videos in {2 * len(records)} runs.")
    return 0 if all(whole) and billed == len(records) else 1


async def save_blocks() -> None:
    """Save what a team configures once. The key is in a Secret of its own, to be changed in one place."""
    await Secret(value=SecretStr(os.environ["DEMO_KEY"])).asave("octopusx-api-key")
    secret = await Secret.aload("octopusx-api-key")
    await OctopusXCredentials(api_key=secret, base_url=GATEWAY).asave("default")
    await S3Destination(
        bucket="videos",
        prefix="demo",
        endpoint_url=S3,
        region="us-east-1",
        public_base_url=f"{S3}/videos/demo",
        player=True,
    ).asave("default")


@contextlib.contextmanager
def progress_bars() -> Iterator[ShowProgress]:
    """Show a bar a video."""
    columns = (TextColumn("{task.description:<12}"), BarColumn(), TextColumn("{task.fields[state]:<14}"))
    with Progress(*columns, TimeElapsedColumn(), console=console) as bars:
        ids = {name: bars.add_task(name, total=100, state="submitting") for name in REQUESTS}

        def update(name: str, progress: float, state: str) -> None:
            bars.update(ids[name], completed=progress, state=state)

        yield update


async def watch(show_progress: ShowProgress) -> None:
    """Follow the progress artifacts that the flows write, as the UI does."""
    only_progress = ArtifactFilter(type=ArtifactFilterType(any_=["progress"]))
    async with get_client() as client:
        while True:
            for artifact in await client.read_artifacts(artifact_filter=only_progress):
                show_progress((artifact.key or "").removeprefix("video-"), float(str(artifact.data)), "in the making")
            await asyncio.sleep(0.5)


def fetch(s3: "boto3.client", record: VideoRecord) -> bool:
    """Copy a video out of the bucket; True if it is what its record says."""
    bucket, _, key = (record.uri or "").removeprefix("s3://").partition("/")
    COPIES.mkdir(exist_ok=True)
    copy = COPIES / f"{record.name}.mp4"
    s3.download_file(bucket, key, str(copy))
    return hashlib.sha256(copy.read_bytes()).hexdigest() == record.sha256


def show(records: list[VideoRecord]) -> None:
    """Print where everything is."""
    for record in records:
        # No columns that fold: an address is to be clicked.
        print(f"\n{record.name}   {record.model}, {record.size:,} bytes")
        print(f"  stored  {record.uri}")
        print(f"  play    {COPIES / record.name}.mp4")
        print(f"  run     {PREFECT}/runs/flow-run/{record.flow_run_id}", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except KeyboardInterrupt:
        sys.exit(130)
