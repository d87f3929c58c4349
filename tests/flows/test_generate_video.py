"""The main job, with a real Prefect server, a real S3 server and the sandbox: what comes out, and what people see."""

import asyncio
import base64
import hashlib
import logging
import os
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import boto3
import pytest
from prefect import flow, get_client, task
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
)
from prefect.client.schemas.objects import FlowRun, TaskRun
from prefect.context import FlowRunContext
from prefect.states import State

from prefect_octopusx.api import (
    CustomRequest,
    DownloadError,
    GrokRequest,
    JimengRequest,
    RateLimited,
    SoraRequest,
    SubmissionUncertain,
    VeoRequest,
    VideoFailed,
    VideoRequest,
    VideoTimeout,
    ViduRequest,
)
from prefect_octopusx.blocks import LocalDestination, OctopusXCredentials, S3Destination
from prefect_octopusx.flows import generate_video
from prefect_octopusx.sandbox import Fault, Sandbox
from prefect_octopusx.storage import RecordState, VideoRecord
from tests.pictures import png

pytestmark = pytest.mark.usefixtures("prefect_api", "retries_at_once")

CAT = ViduRequest(model="viduq3-pro", prompt="a cat chasing butterflies", duration=5)
Destination = S3Destination | LocalDestination


class Run:
    """Runs the flow as a user does, with looks every twentieth of a second."""

    def __init__(self, destination: Destination, credentials: OctopusXCredentials) -> None:
        self.options = {"destination": destination, "credentials": credentials, "poll_interval": 0.05}

    async def __call__(self, request: VideoRequest = CAT, *, name: str | None = "hero", **options: Any) -> VideoRecord:  # noqa: ANN401
        return await generate_video(request=request, name=name, **(self.options | options))

    async def state(self, request: VideoRequest = CAT, **options: Any) -> State[VideoRecord]:  # noqa: ANN401
        given = {"name": "hero"} | self.options | options
        return await generate_video(request=request, **given, return_state=True)


@pytest.fixture
def run(destination: Destination, credentials: OctopusXCredentials) -> Run:
    return Run(destination, credentials)


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


async def test_a_prompt_becomes_a_verified_video(run: Run, destination: Destination, sandbox: Sandbox) -> None:
    record = await run()
    assert record.state is RecordState.COMPLETED
    assert record.task_id == sandbox.jobs[0].id
    prefix = "clips/" if isinstance(destination, S3Destination) else ""
    assert record.uri
    assert record.uri.endswith(f"/{prefix}hero.mp4")
    data = stored(record, destination)
    assert len(data) == record.size
    assert seconds_that_play(data) > 1
    assert hashlib.sha256(data).hexdigest() == record.sha256
    assert names(destination) == [f"{prefix}hero.json", f"{prefix}hero.mp4"]
    assert len(sandbox.ledger) == 1


@pytest.mark.parametrize(
    "request_",
    [
        JimengRequest(model="jimeng-video-2.0", prompt="a paper boat", aspect_ratio="9:16"),
        VeoRequest(model="veo3.1-fast", prompt="a cow takes off", orientation="landscape"),
        SoraRequest(model="sora-2", prompt="clay animation of a fox"),
        GrokRequest(model="grok-video-3", prompt="a fox"),
        CustomRequest(model="jimeng-video-3.0", prompt="x", aspect_ratio="1:1", size="720P"),
    ],
    ids=lambda request: f"{request.family}",
)
async def test_every_family(run: Run, tmp_path: Path, request_: VideoRequest) -> None:
    record = await run(request_, destination=LocalDestination(folder=tmp_path))
    assert (record.state, record.family) == (RecordState.COMPLETED, request_.family)


async def test_the_same_name_again_is_skipped(run: Run, sandbox: Sandbox) -> None:
    assert await run() == await run()
    assert posts(sandbox) == 1


async def test_what_was_submitted_is_resumed(run: Run, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault("video_slow", delay=1))
    with pytest.raises(VideoTimeout) as caught:
        await run(deadline=0.2)
    record = await run()
    assert record.task_id == caught.value.task_id
    assert posts(sandbox) == 1


async def test_runs_at_once_with_one_name_make_one_video(run: Run, sandbox: Sandbox) -> None:
    records = await asyncio.gather(*(run() for _ in range(3)))
    assert len({record.sha256 for record in records}) == 1
    assert len(sandbox.ledger) == 1


async def test_without_a_name_each_run_makes_a_video_of_its_own(run: Run, sandbox: Sandbox) -> None:
    first, second = await run(name=None), await run(name=None)
    assert first.name != second.name
    assert first.name.startswith("viduq3-pro-")
    assert len(sandbox.ledger) == 2


@pytest.mark.parametrize("retried", ["the flow itself", "a flow around it"])
async def test_a_retried_flow_without_a_name_resumes_its_own_video(
    run: Run, sandbox: Sandbox, retried: str, tmp_path: Path
) -> None:
    """A flow retry runs all tasks again, and gives a flow that it calls a new run: the video must stay the same."""
    sandbox.add_fault(Fault("file_html", times=5))  # more than the retries of the task that saves
    options = run.options | {"destination": LocalDestination(folder=tmp_path)}
    if retried == "the flow itself":
        await generate_video.with_options(retries=1)(request=CAT, **options)
    else:

        @flow(retries=1)
        async def around() -> None:
            await generate_video(request=CAT, **options)

        await around()
    assert posts(sandbox) == 1
    assert len(list(tmp_path.glob("*.mp4"))) == 1


class TestNamesThatNobodyGave:
    """A retry around the flow gives it a new run, perhaps in another order; the videos must stay the same."""

    @pytest.fixture
    def options(self, credentials: OctopusXCredentials, tmp_path: Path) -> dict[str, Any]:
        return {"destination": LocalDestination(folder=tmp_path), "credentials": credentials, "poll_interval": 0.05}

    async def test_in_a_retried_task(self, options: dict[str, Any], sandbox: Sandbox) -> None:
        sandbox.add_fault(Fault("file_html", times=5))

        @task(retries=1)
        async def step() -> None:
            await generate_video(request=CAT, **options)

        @flow
        async def around() -> None:
            await step()

        await around()
        assert posts(sandbox) == 1

    async def test_in_a_retried_flow_that_calls_in_another_order(
        self, options: dict[str, Any], sandbox: Sandbox
    ) -> None:
        requests: list[VideoRequest] = [
            CAT,
            JimengRequest(model="jimeng-video-3.0", prompt="a paper boat"),
            CAT,  # asked for twice: two videos
        ]

        @flow(retries=1)
        async def around() -> set[str]:
            context = FlowRunContext.get()
            assert context
            assert context.flow_run
            again = context.flow_run.run_count > 1
            made = [await generate_video(request=each, **options) for each in (requests[::-1] if again else requests)]
            if not again:
                raise RuntimeError("the first attempt ends here")
            return {record.name for record in made}

        assert len(await around()) == 3
        assert posts(sandbox) == 3


class TestWhatPeopleSee:
    """The Prefect UI shows what the API of the server tells."""

    async def test_three_task_runs_named_for_model_and_video(self, run: Run) -> None:
        flow_run, task_runs = await self.watched(run)
        assert flow_run.name == "hero (viduq3-pro)"
        assert [task_run.name for task_run in task_runs] == [
            "create viduq3-pro hero",
            "wait for viduq3-pro hero",
            "save viduq3-pro hero",
        ]
        assert all(task_run.state and task_run.state.is_completed() for task_run in task_runs)

    async def test_one_progress_artifact_that_ends_full(self, run: Run) -> None:
        flow_run, _ = await self.watched(run, name="progress/Of_A")
        async with get_client() as client:
            artifacts = await client.read_artifacts(
                flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[flow_run.id]))
            )
        assert [artifact.type for artifact in artifacts] == ["progress"]
        assert artifacts[0].data == 100.0
        assert str(artifacts[0].key).startswith("video-progress-of-a-")

    async def test_the_log_tells_transitions_with_the_task_id_and_no_secret(
        self, run: Run, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO):
            record = await run()
        lines = [entry.getMessage() for entry in caplog.records]
        assert any(f"submitted viduq3-pro, task {record.task_id}" in line for line in lines)
        told = [line for line in lines if line.startswith("hero (viduq3-pro): ")]
        assert told[-1] == f"hero (viduq3-pro): succeeded, task {record.task_id}"
        assert 1 <= len(told) <= 3  # states, not looks
        assert not any(sandbox.key in line or "sig=" in line for line in lines)

    async def test_parameters_hold_no_key_and_no_picture(self, run: Run, sandbox: Sandbox) -> None:
        flow_run, _ = await self.watched(run, ViduRequest(model="viduq2-pro", prompt="x", images=[png()]))
        kept = str(flow_run.parameters)
        assert sandbox.key not in kept
        assert base64.b64encode(png()).decode()[:100] not in kept
        assert "viduq2-pro" in kept

    async def watched(
        self,
        run: Run,
        request: VideoRequest = CAT,
        **options: Any,  # noqa: ANN401
    ) -> tuple[FlowRun, list[TaskRun]]:
        record = await run(request, **options)
        async with get_client() as client:
            flow_run = await client.read_flow_run(record.flow_run_id)  # type: ignore[arg-type] # text is fine
            for _ in range(100):  # task runs reach the server as events, a moment later
                task_runs = await client.read_task_runs(
                    flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[flow_run.id]))
                )
                if len(task_runs) == 3 and all(each.state and each.state.is_final() for each in task_runs):
                    break
                await asyncio.sleep(0.1)
        return flow_run, sorted(task_runs, key=lambda each: str(each.start_time))


class TestTrouble:
    """What goes wrong on the way, and what is left."""

    @pytest.mark.parametrize("kind", ["create_rate_limited", "create_upstream_saturated", "create_model_not_found"])
    async def test_a_create_that_was_not_accepted_is_sent_again(self, run: Run, sandbox: Sandbox, kind: str) -> None:
        sandbox.add_fault(Fault(kind))
        assert (await run()).state is RecordState.COMPLETED
        assert posts(sandbox) == 2
        assert len(sandbox.ledger) == 1

    async def test_a_create_that_is_never_accepted_ends(self, run: Run, sandbox: Sandbox) -> None:
        sandbox.add_fault(Fault("create_rate_limited", times=None))
        with pytest.raises(RateLimited):
            await run()
        assert posts(sandbox) == 5

    async def test_a_lost_reply_is_never_sent_again(self, run: Run, sandbox: Sandbox) -> None:
        sandbox.add_fault(Fault("create_lost_reply"))
        state = await run.state()
        assert state.is_failed()
        assert "SubmissionUncertain: hero: No certain answer to the create of viduq3-pro" in str(state.message)
        with pytest.raises(SubmissionUncertain):
            await run()
        assert posts(sandbox) == 1

    async def test_a_failed_video_is_told_with_its_reason_and_not_waited_for_again(
        self, run: Run, sandbox: Sandbox
    ) -> None:
        sandbox.add_fault(Fault("video_failed", reason="creation policy violation"))
        state = await run.state()
        assert state.is_failed()
        assert "VideoFailed: hero: viduq3-pro failed, task" in str(state.message)
        assert "creation policy violation" in str(state.message)
        with pytest.raises(VideoFailed, match="creation policy violation"):
            await run()
        assert posts(sandbox) == 1
        assert (await run(retry_failed=True)).state is RecordState.COMPLETED
        assert posts(sandbox) == 2

    async def test_a_query_that_fails_for_long_goes_on_with_the_same_id(self, run: Run, sandbox: Sandbox) -> None:
        sandbox.add_fault(Fault("query_500", times=12))
        assert (await run()).state is RecordState.COMPLETED
        assert posts(sandbox) == 1

    @pytest.mark.parametrize(
        "kind",
        ["file_expired", "file_404", "file_410", "file_truncated", "file_cut", "file_html", "file_json", "file_empty"],
    )
    async def test_a_bad_download_is_tried_again_with_a_fresh_link(
        self, run: Run, sandbox: Sandbox, destination: Destination, kind: str
    ) -> None:
        sandbox.add_fault(Fault(kind, times=2))
        record = await run()
        assert seconds_that_play(stored(record, destination)) > 1
        assert posts(sandbox) == 1

    @pytest.mark.parametrize("kind", ["file_cut", "file_html", "file_truncated"])
    async def test_a_download_that_stays_bad_leaves_nothing_but_the_record(
        self, run: Run, sandbox: Sandbox, destination: Destination, kind: str
    ) -> None:
        sandbox.add_fault(Fault(kind, times=None))
        with pytest.raises(DownloadError):
            await run()
        assert [name.rpartition("/")[2] for name in names(destination) if not name.endswith("clips")] == ["hero.json"]
        sandbox.clear_faults()
        assert (await run()).state is RecordState.COMPLETED
        assert posts(sandbox) == 1

    @pytest.mark.parametrize("kind", ["video_url_late", "video_url_missing", "video_url_gateway", "query_null_data"])
    async def test_odd_answers_on_the_way(self, run: Run, sandbox: Sandbox, kind: str) -> None:
        sandbox.add_fault(Fault(kind))
        assert (await run()).state is RecordState.COMPLETED


async def test_a_deployment_that_stores_in_a_relative_folder_is_warned(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker may run the flow in a temporary folder, where record and video would be lost."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", "a-deployment")
    await run(destination=LocalDestination(folder=Path("videos")))
    assert "is relative to where the worker runs" in caplog.text
    caplog.clear()
    await run(destination=LocalDestination(folder=tmp_path / "videos"))
    assert "is relative" not in caplog.text


async def test_a_run_loaded_by_path_works_like_one_by_module() -> None:
    """A deployment may name the flow either way."""
    from prefect.flows import load_flow_from_entrypoint  # noqa: PLC0415

    root = Path(__file__).parents[2]
    by_path = load_flow_from_entrypoint(f"{os.path.relpath(root)}/flows/generate_video.py:generate_video")
    by_module = load_flow_from_entrypoint("prefect_octopusx.flows.generate_video:generate_video")
    assert by_path.name == by_module.name == "generate-video"
