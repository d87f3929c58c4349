"""What people see of the main job, in the Prefect UI and in the log: names, progress, states, and no secret."""

import asyncio
import base64
import logging
from typing import Any

import pytest
from prefect import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun, TaskRun

from prefect_octopusx.api import VideoRequest, ViduRequest
from prefect_octopusx.sandbox import Sandbox
from tests.flows.main_job import Run
from tests.flows.ways_on import CAT
from tests.pictures import png

pytestmark = pytest.mark.usefixtures("prefect_api", "retries_at_once")


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
        assert sorted(str(artifact.type) for artifact in artifacts) == ["markdown", "progress"]
        (progress,) = [artifact for artifact in artifacts if artifact.type == "progress"]
        assert progress.data == 100.0
        assert str(progress.key).startswith("video-progress-of-a-")

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
