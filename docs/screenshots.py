"""Makes the pictures of the pages: `make screenshots`.

Starts what the demo starts, makes a video and a batch, and takes pictures of Prefect's UI in Chromium: light and dark,
wide and narrow, all in build/screenshots. Those that the pages show are copied to docs/images.
"""

import asyncio
import contextlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

import boto3
from prefect import get_client
from prefect.blocks.system import Secret
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_LEVEL, temporary_settings
from pydantic import SecretStr

from deployments.demo import KEY, start_servers
from prefect_octopusx.api import ViduRequest
from prefect_octopusx.blocks import OctopusXCredentials, S3Destination
from prefect_octopusx.flows import generate_video, generate_videos
from tests.browser.prefect_ui import PrefectUi, open_ui

ROOT = Path(__file__).parents[1]
LOOK, IMAGES = ROOT / "build/screenshots", ROOT / "docs/images"
SHOWN = {"flow-run", "run-form", "stored-video", "batch", "s3-destination"}
"""What the pages show, light and wide."""
WIDTHS = {"wide": 1280, "narrow": 420}


async def main() -> int:
    """Take all pictures."""
    with tempfile.TemporaryDirectory() as home, contextlib.ExitStack() as stack:
        found = start_servers(Path(home), stack, seconds_a_video=3)
        gateway, s3, api = found["DEMO_GATEWAY"], found["DEMO_S3"], f"{found['DEMO_PREFECT']}/api"
        stack.enter_context(temporary_settings({PREFECT_API_URL: api, PREFECT_LOGGING_LEVEL: "ERROR"}))
        runs = await make_videos(gateway, s3)
        shutil.rmtree(LOOK, ignore_errors=True)
        LOOK.mkdir(parents=True)
        for size, width in WIDTHS.items():
            colours: Literal["light", "dark"]
            for colours in ("light", "dark"):
                async with open_ui(api, pictures_from=s3, width=width, height=900, colours=colours, graphs=True) as ui:
                    for name, (go, text) in pages(ui, runs).items():
                        await go()
                        await settle(ui, text)
                        await ui.page.screenshot(path=LOOK / f"{name}-{size}-{colours}.png", full_page=True)
                        if name in SHOWN and (size, colours) == ("wide", "light"):
                            await ui.page.screenshot(path=IMAGES / f"{name}.png")
    print(f"{len(list(LOOK.iterdir()))} pictures in {LOOK}, {len(SHOWN)} of them in {IMAGES}")  # noqa: T201 - a script
    return 0


async def make_videos(gateway: str, s3: str) -> dict[str, str]:
    """Make what the pictures show; return ids of runs and artifacts by name."""
    os.environ |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    client = boto3.client("s3", endpoint_url=s3, region_name="us-east-1")
    client.create_bucket(Bucket="videos")
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::videos/*"}
    client.put_bucket_policy(Bucket="videos", Policy=json.dumps({"Version": "2012-10-17", "Statement": [everybody]}))
    await Secret(value=SecretStr(KEY)).asave("octopusx-api-key")
    secret = await Secret.aload("octopusx-api-key")
    await OctopusXCredentials(api_key=secret, base_url=gateway).asave("default")
    place = S3Destination(
        bucket="videos",
        prefix="demo",
        endpoint_url=s3,
        region="us-east-1",
        public_base_url=f"{s3}/videos/demo",
        player=True,
    )
    await place.asave("default")
    cat = ViduRequest(model="viduq3-pro", prompt="a cat chasing butterflies in a meadow", duration=5, seed=42)
    video = await generate_video(cat, name="hero", poll_interval=0.5)
    await generate_videos(str(ROOT / "examples/launch.yaml"), poll_interval=0.5)
    deployment = await (await generate_video.ato_deployment("by-hand")).aapply()
    return {"run": str(video.flow_run_id), "deployment": str(deployment)} | {
        key: await artifact(key) for key in ("stored-hero", "videos-launch", "contact-sheet-launch")
    }


async def artifact(key: str) -> str:
    """Return the id of the newest artifact of a key."""
    async with get_client() as client:
        found = await client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])))
    return str(found[0].id)


Page = tuple[Callable[[], Awaitable[None]], str]


def pages(ui: PrefectUi, ids: dict[str, str]) -> dict[str, Page]:
    """Return how to get to each page, and a text that it shows when it is there."""

    async def form(family: str) -> None:
        await ui.open_run_form("generate-video/by-hand")
        await ui.tab(family).click()

    return {
        "flow-run": (lambda: ui.open_run(ids["run"]), "Finished in state"),
        "stored-video": (lambda: ui.open(f"artifacts/artifact/{ids['stored-hero']}"), "SHA-256"),
        "batch": (lambda: ui.open(f"artifacts/artifact/{ids['contact-sheet-launch']}"), "launch/closing"),
        "batch-table": (lambda: ui.open(f"artifacts/artifact/{ids['videos-launch']}"), "launch/closing"),
        "run-form": (lambda: form("Vidu"), "Off-peak"),
        "run-form-jimeng": (lambda: form("Jimeng"), "Aspect Ratio"),
        "credentials": (lambda: ui.open("blocks/catalog/octopusx-credentials/create"), "Base URL"),
        "s3-destination": (lambda: ui.open("blocks/catalog/s3-destination/create"), "Endpoint URL"),
    }


async def settle(ui: PrefectUi, text: str) -> None:
    """Wait until a text is shown, and all pictures are."""
    await ui.page.get_by_text(text).first.wait_for()
    await ui.page.wait_for_load_state("networkidle")
    await ui.page.wait_for_function("[...document.images].every(image => image.complete)")


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
