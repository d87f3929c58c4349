"""The tasks by themselves, as a pipeline composes them, in real flow runs."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from prefect import flow, get_client, task
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.context import FlowRunContext
from prefect.settings import PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW, temporary_settings

from prefect_octopusx.api import (
    DownloadError,
    SubmissionUncertain,
    TaskNotFound,
    TaskState,
    VideoFailed,
    VideoTask,
    VideoTimeout,
    ViduRequest,
)
from prefect_octopusx.blocks import LocalDestination, OctopusXCredentials
from prefect_octopusx.flows import generate_video
from prefect_octopusx.sandbox import Fault, Sandbox
from prefect_octopusx.storage import NameTaken, RecordState, VideoRecord, complete
from prefect_octopusx.tasks import create_video, download_video, query_video, save_video, upload_video, wait_for_video

pytestmark = pytest.mark.usefixtures("prefect_api", "retries_at_once")

CAT = ViduRequest(model="viduq3-pro", prompt="a cat chasing butterflies", duration=5)


@pytest.fixture
def given(credentials: OctopusXCredentials, tmp_path: Path) -> dict[str, Any]:
    return {"destination": LocalDestination(folder=tmp_path / "videos", poster=False), "credentials": credentials}


def gets(sandbox: Sandbox) -> int:
    return sum(trace.method == "GET" for trace in sandbox.requests)


def posts(sandbox: Sandbox) -> int:
    return sum(trace.method == "POST" for trace in sandbox.requests)


async def test_a_pipeline_works_on_the_file_in_between(given: dict[str, Any], tmp_path: Path) -> None:
    @task
    def add_credits(path: Path) -> Path:
        done = path.with_name("with-credits.mp4")
        done.write_bytes(path.read_bytes() + (12).to_bytes(4) + b"free" + b"ours")
        return done

    @flow
    async def pipeline() -> VideoRecord:
        record = await create_video(CAT, name="a/hero", **given)
        ready = await wait_for_video(record, poll_interval=0.05, **given)
        left = tmp_path / "work" / "a" / ".hero.mp4.part" / "by-a-killed-run"
        left.parent.mkdir(parents=True)
        left.write_bytes(b"half")
        path = await download_video(record, ready, folder=tmp_path / "work", credentials=given["credentials"])
        assert [found for found in (tmp_path / "work").rglob("*") if found.is_file()] == [path]
        assert path == tmp_path / "work" / "a" / "hero.mp4"
        return await upload_video(add_credits(path), record, destination=given["destination"])

    record = await pipeline()
    assert record.state is RecordState.COMPLETED
    assert record.uri
    assert Path(record.uri).read_bytes().endswith(b"ours")


async def test_a_file_that_is_no_video_is_not_uploaded(given: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "cut.mp4").write_bytes((100).to_bytes(4) + b"ftyp")

    @flow
    async def pipeline() -> None:
        record = await create_video(CAT, name="hero", **given)
        await upload_video(tmp_path / "cut.mp4", record, destination=given["destination"])

    with pytest.raises(DownloadError, match="cut"):
        await pipeline()
    assert [path.name for path in (tmp_path / "videos").glob("[!.]*")] == ["hero.json"]


def test_sync_flows_submit_and_ask_for_results(given: dict[str, Any]) -> None:
    @flow
    def pipeline() -> VideoRecord:
        record = create_video.submit(CAT, name="hero", **given).result()
        ready = wait_for_video.submit(record, poll_interval=0.05, **given).result()
        saved: VideoRecord = save_video.submit(record, ready, **given).result()
        return saved

    assert pipeline().state is RecordState.COMPLETED


async def test_a_task_id_from_elsewhere_can_be_asked_for_and_waited_for(
    given: dict[str, Any], sandbox: Sandbox, credentials: OctopusXCredentials
) -> None:
    async with credentials.client() as client:
        made = await client.create_video(CAT)

    @flow
    async def follow() -> tuple[VideoTask, VideoTask]:
        asked = await query_video(made.id, credentials=credentials)
        return asked, await wait_for_video(made.id, credentials=credentials, poll_interval=0.05)

    asked, ready = await follow()
    assert asked.id == ready.id == made.id
    assert ready.video_url
    assert not list(Path(given["destination"].folder).glob("*"))
    assert len(sandbox.ledger) == 1


@pytest.mark.parametrize(
    ("fault", "error"), [("video_failed", VideoFailed), ("video_stuck", VideoTimeout)], ids=["failed", "timeout"]
)
async def test_a_task_id_from_elsewhere_that_comes_to_nothing(
    sandbox: Sandbox, credentials: OctopusXCredentials, fault: str, error: type[Exception]
) -> None:
    sandbox.add_fault(Fault(fault))
    async with credentials.client() as client:
        made = await client.create_video(CAT)

    @flow
    async def follow() -> None:
        await wait_for_video(made.id, credentials=credentials, poll_interval=0.05, deadline=1)

    with pytest.raises(error, match=made.id):
        await follow()


async def test_query_is_retried_where_that_helps_and_not_where_it_does_not(
    sandbox: Sandbox, credentials: OctopusXCredentials
) -> None:
    async with credentials.client() as client:
        made = await client.create_video(CAT)
    sandbox.add_fault(Fault("query_500", times=2))

    @flow
    async def ask(task_id: str) -> VideoTask:
        found: VideoTask = await query_video(task_id, credentials=credentials)
        return found

    assert (await ask(made.id)).id == made.id
    assert gets(sandbox) == 3
    with pytest.raises(TaskNotFound):
        await ask("nobody-knows-it")
    assert gets(sandbox) == 4


async def test_saving_what_another_run_has_stored_fetches_nothing(given: dict[str, Any], sandbox: Sandbox) -> None:
    @flow
    async def pipeline() -> VideoRecord:
        record = await create_video(CAT, name="hero", **given)
        store = await given["destination"].store()
        async with store.writer("hero") as video:
            await video.write(b"by another run")
            await video.commit()
        await complete(store, record, uri="elsewhere", size=1, sha256="0")
        saved: VideoRecord = await save_video(record, **given)
        return saved

    assert (await pipeline()).uri == "elsewhere"
    assert gets(sandbox) == 0


async def test_another_destination_than_the_creates_is_not_written_to(given: dict[str, Any], tmp_path: Path) -> None:
    other = LocalDestination(folder=tmp_path / "other")
    Path(other.folder).mkdir()
    (tmp_path / "other" / "hero.mp4").write_bytes(b"somebody's work")

    @flow
    async def pipeline() -> None:
        record = await create_video(CAT, name="hero", **given)
        ready = await wait_for_video(record, poll_interval=0.05, **given)
        await save_video(record, ready, destination=other, credentials=given["credentials"])

    with pytest.raises(NameTaken, match="created with another `destination`"):
        await pipeline()
    assert (tmp_path / "other" / "hero.mp4").read_bytes() == b"somebody's work"


async def test_a_timeout_of_prefects_waits_for_the_id_that_is_paid_for(given: dict[str, Any], sandbox: Sandbox) -> None:
    """Prefect cancels again and again; the create goes on to the written id all the same."""
    sandbox.add_fault(Fault("create_slow", delay=1.5))

    @flow
    async def pipeline() -> None:
        await create_video.with_options(timeout_seconds=0.5)(CAT, name="hero", **given)

    with pytest.raises(TimeoutError):
        await pipeline()
    store = await given["destination"].store()
    entry = await store.read("hero")
    assert (entry.record.state, entry.record.task_id) == (RecordState.SUBMITTED, sandbox.jobs[0].id)


async def test_a_retry_of_the_wait_goes_on_with_the_same_artifact(given: dict[str, Any], sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault("video_slow", delay=1))

    @flow
    async def pipeline() -> str:
        record = await create_video(CAT, name="hero", **given)
        waiting = asyncio.create_task(wait_for_video(record, poll_interval=0.05, **given))
        while gets(sandbox) < 2:
            await asyncio.sleep(0.02)
        sandbox.add_fault(Fault("query_500", times=5))  # ends the first attempt
        await waiting
        return str(FlowRunContext.get().flow_run.id)  # type: ignore[union-attr] # in a flow

    flow_run_id = await pipeline()
    async with get_client() as client:
        only = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(flow_run_id)]))
        artifacts = await client.read_artifacts(flow_run_filter=only)
    assert [artifact.data for artifact in artifacts] == [100.0]


async def test_saving_without_a_task_asks_for_the_link(given: dict[str, Any]) -> None:
    @flow
    async def pipeline() -> VideoRecord:
        record = await create_video(CAT, name="hero", **given)
        await asyncio.sleep(0.4)  # the sandbox's own clock
        saved: VideoRecord = await save_video(record, **given)
        return saved

    assert (await pipeline()).state is RecordState.COMPLETED


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ("video_stuck", DownloadError, "nothing to fetch yet"),
        ("video_failed", VideoFailed, "failed"),
    ],
)
async def test_saving_what_is_not_there(
    given: dict[str, Any], sandbox: Sandbox, fault: str, error: type[Exception], words: str
) -> None:
    sandbox.add_fault(Fault(fault))

    @flow
    async def pipeline() -> None:
        record = await create_video(CAT, name="hero", **given)
        await asyncio.sleep(0.4)  # the sandbox's own clock
        await save_video(record, **given)

    with pytest.raises(error, match=words):
        await pipeline()


async def test_a_paid_video_does_not_fail_because_its_progress_can_not_be_shown(
    given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object, **__: object) -> None:
        raise httpx.ConnectError("the Prefect API is away")

    monkeypatch.setattr("prefect_octopusx.tasks.progress.acreate_progress_artifact", away)

    @flow
    async def pipeline() -> VideoTask:
        record = await create_video(CAT, name="hero", **given)
        ready: VideoTask = await wait_for_video(record, poll_interval=0.05, **given)
        return ready

    assert (await pipeline()).state is TaskState.SUCCEEDED


async def test_a_task_that_the_gateway_lost_is_told_with_the_ways_on(given: dict[str, Any], sandbox: Sandbox) -> None:
    @flow
    async def pipeline() -> None:
        record = await create_video(CAT, name="hero", **given)
        assert record.submitted_at
        long_ago = record.model_copy(update={"submitted_at": record.submitted_at - timedelta(hours=1)})
        sandbox.add_fault(Fault("query_task_not_exist", times=None))
        await wait_for_video(long_ago, poll_interval=0.05, **given)

    with pytest.raises(TaskNotFound, match=r"run again with the right key.*remove hero\.json") as caught:
        await pipeline()
    assert caught.value.task_id == sandbox.jobs[0].id


async def test_a_lease_out_of_range_is_refused_before_anything_is_claimed(
    given: dict[str, Any], sandbox: Sandbox, tmp_path: Path
) -> None:
    @flow
    async def pipeline() -> None:
        await create_video(CAT, name="hero", lease=0, **given)

    with pytest.raises(ValueError, match=r"lease: 0 is out of range; it is 1 to 600 seconds"):
        await pipeline()
    assert sandbox.requests == []
    assert not (tmp_path / "videos").exists()


async def test_a_stored_video_is_not_uploaded_again(given: dict[str, Any], tmp_path: Path) -> None:
    @flow
    async def pipeline() -> tuple[VideoRecord, VideoRecord]:
        record = await create_video(CAT, name="hero", **given)
        ready = await wait_for_video(record, poll_interval=0.05, **given)
        saved = await save_video(record, ready, **given)
        return saved, await upload_video(tmp_path / "not there", record, destination=given["destination"])

    saved, again = await pipeline()
    assert saved == again


@pytest.mark.parametrize("called", [generate_video, create_video])
async def test_consent_in_a_task_without_a_flow_counts_once(
    given: dict[str, Any], sandbox: Sandbox, called: Callable[..., Awaitable[VideoRecord]]
) -> None:
    """Its retries call the flow or task anew, and that must not pay anew."""
    sandbox.add_fault(Fault("create_closed", times=None))

    @task(retries=2, retry_delay_seconds=0)
    async def alone(**options: str) -> None:
        await called(CAT, name="hero", **given, **options)

    # Prefect warns that the task's own log has no flow run to go to.
    with temporary_settings({PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW: "ignore"}):
        with pytest.raises(SubmissionUncertain):
            await alone()
        assert posts(sandbox) == 1
        for times in (2, 3):  # once for each of two runs that were told to
            with pytest.raises(SubmissionUncertain):
                await alone(on_uncertain="resubmit")
            assert posts(sandbox) == times
