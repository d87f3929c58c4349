"""What a person finds of a batch: a table with links, and the stored videos on one page."""

import json
import logging
import re
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import flow, get_client
from prefect.artifacts import Artifact
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

from prefect_octopusx.batches import VideoResult
from prefect_octopusx.blocks import LocalDestination, S3Destination
from prefect_octopusx.sandbox import Fault
from prefect_octopusx.storage import LocalStore, S3Options, S3Store
from prefect_octopusx.tasks.batch_report import show_results
from tests.flows.batches import Batches, cats

pytestmark = pytest.mark.usefixtures("prefect_api", "retries_at_once")

PUBLIC = "https://cdn.example.com/v"
LOGGER = logging.getLogger("test")


def results(count: int) -> list[VideoResult]:
    return [VideoResult(name=f"cat-{n}", state="completed", model="x", sha256="0" * 64) for n in range(count)]


@flow
async def sheet_of(store: Any, name: str, count: int) -> str:  # noqa: ANN401
    """Show a batch of stored videos, as if there had been one."""
    await show_results(store, name, results(count), summary="x", logger=LOGGER)
    found = await Artifact.aget(f"contact-sheet-{name}")
    return str(found and found.data)


async def artifacts_of(batch: Batches, requests: Any, destination: Any) -> dict[str, Any]:  # noqa: ANN401
    """Run a batch, and return its artifacts by their keys."""
    state = await batch.state(requests, destination=destination)
    run_id = UUID(str(state.state_details.flow_run_id))
    async with get_client() as client:
        found = await client.read_artifacts(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run_id])))
    return {str(one.key): one for one in found if one.key}


async def test_each_stored_video_has_a_picture_that_leads_to_it(batch: Batches, tmp_path: Path) -> None:
    folder = LocalDestination(folder=tmp_path / "videos", public_base_url=PUBLIC)
    batch.sandbox.add_fault(Fault("video_failed", match="cat-1."))
    found = await artifacts_of(batch, cats(4), folder)
    assert sorted(found) == ["batch-launch", "contact-sheet-launch", "videos-launch"]  # none for a single video
    text = str(found["contact-sheet-launch"].data)
    assert found["contact-sheet-launch"].description == "Stored videos: 3"
    for name in ("cat-0", "cat-2", "cat-3"):
        picture = f'<img src="{PUBLIC}/{name}.jpg" alt="{name}" width="180">'
        assert f'<a href="{PUBLIC}/{name}.mp4">{picture}</a><br><a href="{PUBLIC}/{name}.mp4">{name}</a>' in text
        assert (tmp_path / f"videos/{name}.jpg").is_file()
    assert "cat-1" not in text
    rows = {row["name"]: row for row in json.loads(str(found["videos-launch"].data))}
    assert rows["cat-0"]["link"] == f"{PUBLIC}/cat-0.mp4"
    assert rows["cat-1"]["link"] == ""
    (tmp_path / "videos/cat-2.jpg").unlink()
    again = await artifacts_of(batch, {name: one for name, one in cats(4).items() if name != "cat-1"}, folder)
    text = str(again["contact-sheet-launch"].data)
    assert len(re.findall("<img", text)) == 2
    assert f'<td><a href="{PUBLIC}/cat-2.mp4">cat-2</a></td>' in text


async def test_presigned_links_are_on_the_sheet_alone_with_their_end(
    batch: Batches, s3_destination: S3Destination
) -> None:
    bucket = s3_destination.model_copy(update={"presigned_link_hours": 3, "poster": True})
    found = await artifacts_of(batch, cats(1), bucket)
    text = str(found["contact-sheet-launch"].data)
    assert len(re.findall("X-Amz-Signature=", text)) == 3
    assert re.search(r"last until \d{4}-\d\d-\d\d \d\d:\d\d UTC at the latest", text)
    assert "Signature" not in f"{found['videos-launch'].data}{await batch_lines(bucket)}"


async def batch_lines(destination: S3Destination) -> bytes | None:
    return await (await destination.store()).read_file("launch-results.jsonl")


async def test_a_sheet_has_two_hundred_videos_and_says_so(tmp_path: Path) -> None:
    store = LocalStore(tmp_path, public_base_url=PUBLIC)
    text = await sheet_of(store, "many", 201)
    assert "201 stored videos; the links lead to them. Here are the first 200; the results manifest has all." in text
    assert len(re.findall("<li>", text)) == 200
    assert "<img" not in text  # there is no poster


async def test_objects_of_aws_are_linked_in_its_console() -> None:
    store = S3Store(S3Options(bucket="my-videos", region="eu-central-1"))
    text = await sheet_of(store, "console", 1)
    assert "1 stored video; the links lead to them in the AWS console." in text
    assert "prefix=cat-0.mp4" in text


async def test_a_poster_that_can_not_be_made_fails_no_video(
    batch: Batches, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = LocalDestination(folder=tmp_path / "videos", public_base_url=PUBLIC)
    (tmp_path / "videos/cat-0.jpg").mkdir(parents=True)
    found = await artifacts_of(batch, cats(2), folder)
    assert "cat-0: its poster could not be made" in caplog.text
    assert found["contact-sheet-launch"].description == "Stored videos: 2"
