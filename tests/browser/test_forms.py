"""A person makes videos without a line of code or JSON: by the forms of Prefect's UI, in a real browser.

One journey, since a browser, a served deployment and two runs take their time.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from prefect import get_client
from prefect.exceptions import ObjectNotFound

from prefect_octopusx.blocks import OctopusXCredentials, S3Destination
from prefect_octopusx.sandbox import Sandbox
from tests.browser.prefect_ui import PrefectUi, chromium, open_ui
from tests.servers import Group

pytestmark = pytest.mark.skipif(not chromium(), reason="there is no Chromium; `make chromium` installs it on Debian")

SERVE = Path(__file__).parents[1] / "workers" / "serve.py"
BUCKET = "made-by-hand"


@pytest.fixture
async def ui(prefect_api: str, s3_url: str) -> AsyncIterator[PrefectUi]:
    async with open_ui(prefect_api, pictures_from=s3_url) as opened:
        yield opened


@pytest.fixture
def served(prefect_api: str, tmp_path: Path) -> Iterator[str]:
    """Serve the flow, as a user's script does; gives the deployment's name."""
    quick = {"PREFECT_API_URL": prefect_api, "PREFECT_RUNNER_POLL_FREQUENCY": "1"}
    server = Group(str(SERVE), "forms", log=tmp_path / "serve.log", environment=quick)
    yield "generate-video/forms"
    server.kill()


async def test_videos_are_made_by_hand(ui: PrefectUi, served: str, sandbox: Sandbox, s3_url: str) -> None:
    bucket: Any = boto3.resource("s3", endpoint_url=s3_url).create_bucket(Bucket=BUCKET)
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"}
    bucket.Policy().put(Policy=json.dumps({"Version": "2012-10-17", "Statement": [everybody]}))
    await make_blocks(ui, sandbox, s3_url)
    await until_deployed(served)
    assert ui.refusals == []

    await refused_without_a_prompt(ui, served)
    jimeng = await ask_for_jimeng(ui, served)
    await refused_for_its_duration(ui, served)
    vidu = await ask_for_vidu(ui, served)
    for run, name, facts in ((jimeng, "boat", ["21:9", "720P"]), (vidu, "lighthouse", ["8 s", "1080p"])):
        await ui.open_run(run)
        await ui.page.get_by_text("Completed", exact=True).first.wait_for(timeout=120_000)
        await shows(ui, name, facts)

    assert {job.family: job.body for job in sandbox.jobs} == {
        "jimeng": {
            "model": "jimeng-video-3.0",
            "prompt": "a paper boat\ndrifts down a rainy street",
            "images": ["https://example.com/first.png"],
            "aspect_ratio": "21:9",
            "size": "720P",
        },
        "vidu": {
            "model": "viduq2-turbo",
            "prompt": "a lighthouse in a storm",
            "images": [],
            "duration": 8,
            "resolution": "1080p",
            "audio": False,
        },
    }
    assert len(sandbox.ledger) == 2
    stored = sorted(item.key for item in bucket.objects.all())
    assert [key for key in stored if key.endswith(".mp4")] == ["clips/boat.mp4", "clips/lighthouse.mp4"]
    assert len(ui.refusals) == 2, ui.refusals  # the two forms that were refused


async def make_blocks(ui: PrefectUi, sandbox: Sandbox, s3_url: str) -> None:
    """Make the Secret, the credentials and the destination from nothing, and change the latter two afterwards."""
    for block in (OctopusXCredentials, S3Destination):
        await block.register_type_and_schema()

    await ui.new_block("secret", "by-hand-key")
    await ui.page.locator("input[type=password]").fill(sandbox.key)
    await ui.save_block()

    await ui.new_block("octopusx-credentials", "by-hand")
    await ui.choose_block("API key", "by-hand-key")
    credentials = await ui.save_block()
    await ui.edit_block(credentials)
    await ui.choose_block("API key", "by-hand-key")  # as the form asks for
    await ui.field("Base URL").fill(sandbox.url)
    await ui.save_block()
    saved = await OctopusXCredentials.aload("by-hand")
    assert (saved.api_key.value.get_secret_value(), saved.base_url) == (sandbox.key, sandbox.url)

    await ui.new_block("s3-destination", "by-hand")
    public = f"{s3_url}/{BUCKET}/clips"
    place = {"Bucket": BUCKET, "Endpoint URL": s3_url, "Region": "us-east-1", "Public base URL": public}
    for title, text in place.items():
        await ui.field(title).fill(text)
    destination = await ui.save_block()
    await ui.edit_block(destination)
    await ui.field("Prefix").fill("clips")
    await ui.save_block()
    meant = S3Destination(
        bucket=BUCKET, prefix="clips", endpoint_url=s3_url, region="us-east-1", public_base_url=public
    ).model_dump()
    assert (await S3Destination.aload("by-hand")).model_dump(include=set(meant)) == meant


async def shows(ui: PrefectUi, name: str, facts: list[str]) -> None:
    """From the page of a run a person gets to the picture of its video, and to the facts."""
    await ui.page.get_by_role("tab", name="Artifacts").click()
    await ui.page.get_by_role("link", name=f"stored-{name}").first.click()
    await ui.page.wait_for_url(re.compile("/artifacts/key/"))
    await ui.page.locator("a[href*='/artifacts/artifact/']").click()  # one alone: a version a run
    await ui.page.get_by_text("SHA-256").wait_for()
    for fact in [name, *facts, f"s3://{BUCKET}/clips/{name}.mp4"]:
        await ui.page.get_by_text(fact, exact=True).first.wait_for()
    poster = ui.page.get_by_alt_text(f"A frame of {name}")
    await poster.scroll_into_view_if_needed()
    await ui.page.wait_for_function("picture => picture.naturalWidth > 0", arg=await poster.element_handle())


async def until_deployed(deployment: str) -> None:
    async with get_client() as client, asyncio.timeout(60):
        while True:
            try:
                await client.read_deployment_by_name(deployment)
            except ObjectNotFound:
                await asyncio.sleep(0.2)
            else:
                return


async def refused_without_a_prompt(ui: PrefectUi, deployment: str) -> None:
    """Send the form for Jimeng as it is."""
    await ui.open_run_form(deployment)
    assert await ui.tab("Jimeng").get_attribute("aria-selected") == "true"
    assert (await ui.submit()).status == 409
    await ui.group("Prompt").get_by_text("'prompt' is a required property").wait_for()
    assert await ui.page.get_by_text("not valid under any of the given schemas").count() == 0


async def ask_for_jimeng(ui: PrefectUi, deployment: str) -> str:
    """Fill in the form, send it, and return the run's id."""
    await ui.open_run_form(deployment)
    await ui.field("Prompt").fill("a paper boat\ndrifts down a rainy street")
    await ui.add_item("Images", "https://example.com/first.png")
    await ui.choose("Aspect Ratio", "21:9")
    return await ask(ui, "boat")


async def refused_for_its_duration(ui: PrefectUi, deployment: str) -> None:
    """Ask for a Vidu video that is too long, and for a mark where there is no place for it."""
    await ui.open_run_form(deployment)
    await ui.tab("Vidu").click()
    await ui.field("Prompt").fill("a lighthouse in a storm")
    await ui.field("Duration").fill("30")
    assert (await ui.submit()).status == 409
    await ui.group("Duration").get_by_text("30 is greater than the maximum of 10").wait_for()
    await ui.page.get_by_text("Validation failed for field 'request.duration'").wait_for()
    position = ui.field("Position of the watermark (wm_position)")
    await position.fill("5")
    assert await position.evaluate("field => field.validationMessage") == "Value must be less than or equal to 4."
    await position.fill("")


async def ask_for_vidu(ui: PrefectUi, deployment: str) -> str:
    """Fill in the form, send it, and return the run's id."""
    await ui.open_run_form(deployment)
    await ui.tab("Vidu").click()
    await ui.field("Prompt").fill("a lighthouse in a storm")
    await ui.field("Duration").fill("8")
    await ui.choose("Model", "viduq2-turbo")
    await ui.choose("Resolution", "1080p")
    return await ask(ui, "lighthouse")


async def ask(ui: PrefectUi, name: str) -> str:
    await ui.choose_block("destination", "by-hand")
    await ui.choose_block("credentials", "by-hand")
    await ui.field("name").fill(name)
    await ui.field("poll_interval").fill("0.5")
    answer = await ui.submit()
    assert answer.status == 201, await answer.text()
    run: str = (await answer.json())["id"]
    return run
