"""The main job, with a real Prefect server, a real S3 server and the sandbox: one name, one video, whoever runs it."""

import asyncio
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from prefect import flow, task
from prefect.context import FlowRunContext

from prefect_octopusx.api import (
    CustomRequest,
    GrokRequest,
    JimengRequest,
    SoraRequest,
    VeoRequest,
    VideoRequest,
    VideoTimeout,
)
from prefect_octopusx.blocks import LocalDestination, OctopusXCredentials, S3Destination
from prefect_octopusx.flows import generate_video
from prefect_octopusx.sandbox import Fault, Sandbox
from prefect_octopusx.storage import RecordState
from tests.flows.main_job import Run, names, posts, seconds_that_play, stored
from tests.flows.ways_on import CAT, Destination

pytestmark = pytest.mark.usefixtures("prefect_api", "retries_at_once")


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
    by_path = load_flow_from_entrypoint(f"{os.path.relpath(root)}/flows/single.py:generate_video")
    by_module = load_flow_from_entrypoint("prefect_octopusx.flows.single:generate_video")
    assert by_path.name == by_module.name == "generate-video"
