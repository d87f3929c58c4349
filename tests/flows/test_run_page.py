"""What a person finds of a stored video on the page of its run: one artifact with a picture, links and facts."""

import logging
import re
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from prefect import flow, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import Artifact
from prefect.states import State

from prefect_octopusx.api import CustomRequest, JimengRequest, VideoRequest, ViduRequest
from prefect_octopusx.blocks import LocalDestination, OctopusXCredentials, S3Destination
from prefect_octopusx.flows import adopt_video, collect_videos, generate_video
from prefect_octopusx.sandbox import Sandbox
from prefect_octopusx.storage import VideoRecord
from prefect_octopusx.tasks import create_video, download_video, upload_video, wait_for_video

pytestmark = pytest.mark.usefixtures("prefect_api", "retries_at_once")

CAT = ViduRequest(model="viduq3-pro", prompt="a cat", duration=5, seed=7, aspect_ratio="16:9", audio=True)
PUBLIC = "https://cdn.example.com/v"


@pytest.fixture
def folder(tmp_path: Path) -> LocalDestination:
    return LocalDestination(folder=tmp_path / "videos", public_base_url=PUBLIC, player=True)


class Page:
    """Runs the flow, and reads what its page shows."""

    def __init__(self, credentials: OctopusXCredentials) -> None:
        self.credentials = credentials

    async def run(self, request: VideoRequest, destination: Any, *, name: str = "hero") -> State[VideoRecord]:  # noqa: ANN401
        return await generate_video(
            request,
            name=name,
            destination=destination,
            credentials=self.credentials,
            poll_interval=0.05,
            return_state=True,
        )

    async def __call__(self, request: VideoRequest, destination: Any, *, name: str = "hero") -> str:  # noqa: ANN401
        state = await self.run(request, destination, name=name)
        assert state.is_completed(), state.message
        (artifact,) = await markdown_of(state)
        return str(artifact.data)


@pytest.fixture
def page(credentials: OctopusXCredentials) -> Page:
    return Page(credentials)


async def markdown_of(state: State[Any]) -> list[Artifact]:
    run_id = state.state_details.flow_run_id
    assert run_id
    async with get_client() as client:
        found = await client.read_artifacts(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[UUID(str(run_id))])))
    return [artifact for artifact in found if artifact.type == "markdown"]


def facts(text: str) -> dict[str, str]:
    return dict(re.findall("<tr><td><b>(.*)</b></td><td>(.*)</td></tr>", text))


async def test_it_has_a_picture_links_and_facts(page: Page, folder: LocalDestination) -> None:
    state = await page.run(CAT, folder, name="clips/hero_1")
    record = await state.aresult()
    (artifact,) = await markdown_of(state)
    assert str(artifact.key).startswith("stored-clips-hero-1-")
    assert state.message == f"{artifact.description}: {record.uri}"
    text = str(artifact.data)
    head, _, page_ = text.partition("\n\n")
    assert head == r"## clips\/hero\_1"
    at = f"{PUBLIC}/clips/hero_1"
    assert f'<a href="{at}.html"><img src="{at}.jpg" ' in page_
    for suffix in ("mp4", "html", "json"):
        assert f'<a href="{at}.{suffix}">' in page_
    told = facts(text)
    assert told["Model"] == "viduq3-pro"
    assert told["Prompt"] == "a cat"
    assert (told["Duration"], told["Seed"], told["Aspect ratio"], told["Audio"]) == ("5 s", "7", "16:9", "yes")
    assert told["In the file"] == "640 × 360 pixels, 3.0 s, 12 frames a second, with sound"  # noqa: RUF001
    assert told["Stored at"] == f"<code>{record.uri}</code>"
    assert told["Bytes"] == f"{record.size / 1000:.1f} kB ({record.size:,} bytes)"
    assert told["Task"] == f"<code>{record.task_id}</code>"
    assert told["Attempts"] == "1"
    assert re.match(r"\d+ s, \d{4}-", told["Waited"])
    assert f"<code>{record.sha256}</code>" in text


async def test_a_run_that_finds_it_stored_shows_it_as_well(page: Page, folder: LocalDestination) -> None:
    first = await page(CAT, folder)
    state = await page.run(CAT, folder)
    (again,) = await markdown_of(state)
    assert again.data == first
    assert str(state.message).startswith("Nothing to do. Stored, 19.8 kB, ")


async def test_no_prompt_breaks_the_page(page: Page, folder: LocalDestination) -> None:
    prompt = (
        "</td></tr></table><script>alert(1)</script>\n\n# big\r\n\r\n<img src=x onerror=alert(1)> `**[x](https://e.com)"
        "\x07\u202e https://e.com/a.png?sig=s3cr3t &amp; <!-- | --- |"
    )
    made = await (await page.run(CAT, folder)).aresult()
    odd: dict[str, Any] = {"deep": {'<b onclick="x">': ["<i>"]}, "odd\n\n# label": "x"}
    request = CustomRequest(model='<b onclick="x">', prompt=prompt, **odd)
    given: Any = {"destination": folder, "credentials": page.credentials, "poll_interval": 0.05}
    state = await adopt_video(made.task_id, "evil", request=request, **given, return_state=True)
    (artifact,) = await markdown_of(state)
    text = str(artifact.data)
    _, _, body = text.partition("\n\n")
    assert "\n\n" not in body  # after a blank line markdown would begin
    assert set(re.findall(r"<(\w+)", body)) == {"p", "a", "img", "table", "tbody", "tr", "td", "b", "br", "code"}
    assert len(re.findall("<img", body)) == 1
    assert "<b onclick" not in body
    told = facts(text)
    assert told["Model"] == "&lt;b onclick=&quot;x&quot;&gt;"
    assert told["Prompt"].startswith("&lt;/td&gt;&lt;/tr&gt;&lt;/table&gt;&lt;script&gt;alert(1)&lt;/script&gt;<br># b")
    assert told["Prompt"].endswith("https://e.com/a.png?… &amp;amp; &lt;!-- | --- |")
    assert told["deep"] == r"{&quot;&lt;b onclick=\&quot;x\&quot;&gt;&quot;: [&quot;&lt;i&gt;&quot;]}"


async def test_a_long_prompt_is_shortened(page: Page, folder: LocalDestination) -> None:
    told = facts(await page(CAT.model_copy(update={"prompt": "four " * 399}), folder))
    assert told["Prompt"] == f"{('four ' * 240).rstrip()} … (1,994 characters)"


async def test_no_secret_is_in_it(page: Page, s3_destination: S3Destination, sandbox: Sandbox) -> None:
    request = JimengRequest(
        model="jimeng-video-3.0", prompt="a boat", images=["https://e.com/a.png?X-Amz-Signature=s3cr3t"]
    )
    text = await page(request, s3_destination)
    assert facts(text)["Images"] == "https://e.com/a.png"
    for secret in (sandbox.key, "s3cr3t", "sig=", "Signature", "data:", "testing"):
        assert secret not in text
    assert "<img" not in text  # moto is no AWS, and nobody gave an address
    assert "<a " not in text
    assert facts(text)["Stored at"] == f"<code>s3://{s3_destination.bucket}/clips/hero.mp4</code>"


async def test_presigned_links_are_there_where_they_are_asked_for(page: Page, s3_destination: S3Destination) -> None:
    text = await page(
        CAT, s3_destination.model_copy(update={"presigned_link_hours": 2, "poster": True, "player": True})
    )
    assert re.search(r"last until \d{4}-\d\d-\d\d \d\d:\d\d UTC at the latest", text)
    (poster,) = re.findall(r'<img src="([^"]*)"', text)
    async with httpx.AsyncClient() as client:
        reply = await client.get(poster.replace("&amp;", "&"))
    assert (reply.status_code, reply.headers["Content-Type"]) == (200, "image/jpeg")
    assert "Play it on a page" not in text  # what lies beside the player would need a signature as well
    assert facts(text)["Player"] == f"<code>s3://{s3_destination.bucket}/clips/hero.html</code>"


async def test_without_a_decoder_the_rest_is_there(
    page: Page, folder: LocalDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    text = await page(CAT, folder)
    assert "<img" not in text
    assert "In the file" not in text
    assert f'<a href="{PUBLIC}/hero.html">' in text
    assert "poster" not in (Path(folder.folder) / "hero.html").read_text()


async def test_a_paid_video_does_not_fail_because_it_can_not_be_shown(
    page: Page, folder: LocalDestination, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def away(*_: object, **__: object) -> None:
        raise httpx.ConnectError("the Prefect API is away")

    monkeypatch.setattr("prefect_octopusx.tasks.video_report.acreate_markdown_artifact", away)
    for suffix in ("jpg", "html"):
        (Path(folder.folder) / f"hero.{suffix}").mkdir(parents=True)  # nothing can be written there
    with caplog.at_level(logging.WARNING):
        state = await page.run(CAT, folder)
    assert state.is_completed()
    for words in ("its poster could not be made", "its player could not be made", "its artifact can't be written"):
        assert f"hero: {words}" in caplog.text


async def test_every_way_to_a_stored_video_shows_it(folder: LocalDestination, credentials: OctopusXCredentials) -> None:
    given: Any = {"destination": folder, "credentials": credentials}

    @flow
    async def titled() -> VideoRecord:
        record = await create_video(CAT, name="titled", **given)
        task = await wait_for_video(record, poll_interval=0.05, **given)
        path = await download_video(record, task, folder=folder.folder.parent / "work", credentials=credentials)
        uploaded: VideoRecord = await upload_video(path, record, destination=folder)
        return uploaded

    assert [str(one.key) for one in await markdown_of(await titled(return_state=True))] == ["stored-titled"]
    later = await generate_video(CAT, name="later", wait="none", **given)
    adopting: Any = {"task_id": later.task_id, "name": "later", "poll_interval": 0.05, **given}
    for words in ("Stored, ", "Nothing to do. Stored, "):
        state = await adopt_video(**adopting, return_state=True)
        assert [str(one.key) for one in await markdown_of(state)] == ["stored-later"]
        assert str(state.message).startswith(words)


async def test_collecting_shows_each_video_and_a_table_with_links(
    folder: LocalDestination, credentials: OctopusXCredentials
) -> None:
    given: Any = {"destination": folder, "credentials": credentials}
    await generate_video(CAT, name="later", wait="none", **given)
    for _ in range(100):
        state = await collect_videos(**given, return_state=True)
        if await markdown_of(state):
            break
    assert [str(one.key) for one in await markdown_of(state)] == ["stored-later"]
    async with get_client() as client:
        run = await client.read_flow_run(UUID(str(state.state_details.flow_run_id)))
        found = await client.read_artifacts(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id])))
    assert run.name == f"collect {folder.folder}"
    (table,) = [one for one in found if one.type == "table"]
    assert f'"link": "{PUBLIC}/later.mp4"' in str(table.data)
