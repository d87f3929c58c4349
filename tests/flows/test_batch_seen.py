"""What people see of a batch in the Prefect UI and in the log: one task run a video, two artifacts, and no secret."""

import asyncio
import base64
import json
import logging

import pytest
from prefect import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import Artifact, TaskRun

from prefect_octopusx.api import VideoRequest, ViduRequest
from prefect_octopusx.batches import BatchResult
from prefect_octopusx.blocks import LocalDestination
from prefect_octopusx.sandbox import Fault
from tests.flows.batches import Batches, cats
from tests.pictures import png

pytestmark = pytest.mark.usefixtures("prefect_api", "retries_at_once")


async def look(
    batch: Batches, requests: dict[str, VideoRequest], *, name: str = "launch"
) -> tuple[list[TaskRun], list[Artifact]]:
    """Run a batch, and return its task runs and artifacts as the server tells them."""
    state = await batch.state(requests, name=name)
    found = FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id]))
    async with get_client() as client:
        for _ in range(100):  # task runs reach the server as events, a moment later
            task_runs = await client.read_task_runs(flow_run_filter=found)
            if len(task_runs) == len(requests) + 1 and all(each.state and each.state.is_final() for each in task_runs):
                break
            await asyncio.sleep(0.1)
        artifacts = await client.read_artifacts(flow_run_filter=found)
        return task_runs, [each for each in artifacts if each.key]  # Prefect keeps a failed run's error as one, too


async def test_one_task_run_a_video_named_for_it(batch: Batches) -> None:
    task_runs, _ = await look(batch, cats(3))
    names = [each.name for each in task_runs if not each.name.startswith("plan-videos")]
    assert sorted(names) == [f"cat-{n} (viduq3-pro)" for n in range(3)]


async def test_the_task_run_of_a_video_that_failed_is_failed(batch: Batches) -> None:
    batch.sandbox.add_fault(Fault("video_failed", match="cat-1."))
    task_runs, _ = await look(batch, cats(3))
    states = {each.name: each.state.type.value for each in task_runs if each.state}
    assert states["cat-1 (viduq3-pro)"] == "FAILED"
    assert states["cat-0 (viduq3-pro)"] == states["cat-2 (viduq3-pro)"] == "COMPLETED"


async def test_what_is_stored_already_has_no_task_run(batch: Batches) -> None:
    await batch(cats(3))
    state = await batch.state(cats(3))
    async with get_client() as client:
        found = FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id]))
        await asyncio.sleep(1)  # in which one would come
        assert len(await client.read_task_runs(flow_run_filter=found)) <= 1  # the plan


async def test_one_progress_and_one_table_what_is_not_stored_first(batch: Batches) -> None:
    batch.sandbox.add_fault(Fault("video_failed", match="cat-2."))
    _, artifacts = await look(batch, cats(4), name="Autumn/Launch")
    by_type = {artifact.type: artifact for artifact in artifacts}
    assert sorted(by_type) == ["progress", "table"]
    assert len(artifacts) == 2
    assert by_type["progress"].data == 100.0
    assert str(by_type["progress"].key).startswith("batch-autumn-launch-")
    assert str(by_type["table"].key).startswith("videos-autumn-launch-")
    rows = json.loads(str(by_type["table"].data))
    assert [row["name"] for row in rows] == ["cat-2", "cat-0", "cat-1", "cat-3"]
    assert rows[0]["state"] == "failed"
    assert rows[1]["uri"].endswith("cat-0.mp4")
    assert "3 of 4 videos stored" in str(by_type["table"].description)


async def test_the_log_tells_each_state_once_with_the_task_id(batch: Batches, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        result = await batch(cats(2))
    for one in result.results:
        told = [line for line in lines(caplog) if line.startswith(f"{one.name}: ") and str(one.task_id) in line]
        assert told[0] == f"{one.name}: submitted viduq3-pro, task {one.task_id}"
        assert told[-1] == f"{one.name}: succeeded, task {one.task_id}"
        assert len(told) <= 4  # states, not looks


async def test_no_secret_is_in_the_log_the_artifacts_the_results_or_the_parameters(
    batch: Batches, caplog: pytest.LogCaptureFixture
) -> None:
    picture = base64.b64encode(png()).decode()
    requests: dict[str, VideoRequest] = {
        "inline": ViduRequest(model="viduq2-pro", prompt="inline.", images=[f"data:image/png;base64,{picture}"]),
        "signed": ViduRequest(model="viduq2-pro", prompt="signed.", images=["https://e.com/a.png?signature=s3cr3t"]),
        "failed": ViduRequest(model="viduq3-pro", prompt="failed."),
    }
    reason = "could not fetch https://e.com/a.png?signature=s3cr3t"
    batch.sandbox.add_fault(Fault("video_failed", match="failed.", reason=reason))
    with caplog.at_level(logging.DEBUG, "prefect"):
        state = await batch.state(requests)
    found = FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id]))
    async with get_client() as client:
        (flow_run,) = await client.read_flow_runs(flow_run_filter=found)
        artifacts = await client.read_artifacts(flow_run_filter=found)
    kept = [*lines(caplog), str(flow_run.parameters), str(await batch.lines()), str(state.message)]
    kept += [f"{artifact.data} {artifact.description}" for artifact in artifacts]
    for text in kept:
        assert picture[:100] not in text
        assert batch.sandbox.key not in text
        assert "sig=" not in text
    # A URL that the user passes is a parameter as it is; nothing else keeps its query.
    assert not any("s3cr3t" in text for text in kept if text != str(flow_run.parameters))


async def test_its_result_is_what_the_run_returns(batch: Batches) -> None:
    state = await batch.state(cats(1))
    assert (
        state.message
        == f"1 of 1 videos stored; 1 created in this run; the key's usage went from 0 to 50,000 units. {where(batch)}"
    )
    assert isinstance(await state.aresult(), BatchResult)


def where(batch: Batches) -> str:
    assert isinstance(batch.destination, LocalDestination)
    return f"Results: {batch.destination.folder}/launch-results.jsonl."


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [entry.getMessage() for entry in caplog.records]
