"""Many videos over two workers, of which one is killed, and a server that is restarted: paid once, stored once.

`make soak` makes 200.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import boto3
import pytest
from prefect import get_client
from prefect.blocks.system import Secret
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, WorkPoolCreate
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
)
from prefect.client.schemas.objects import FlowRun
from prefect.events.worker import EventsWorker
from prefect.flows import EntrypointType
from prefect.schedules import Interval
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import SecretStr

from deployments.automations import apply, crashed_runs, dead_runs
from prefect_octopusx.blocks import OctopusXCredentials, S3Destination
from prefect_octopusx.flows import adopt_video, generate_videos, redrive_videos
from prefect_octopusx.sandbox import Fault, Sandbox, SandboxSettings
from prefect_octopusx.sandbox.state import Trace
from prefect_octopusx.storage import RecordState
from tests.topology.cluster import cluster, missing

VIDEOS = int(os.environ.get("TOPOLOGY_VIDEOS", "120"))
CHUNK = VIDEOS // 5
NAMES = [f"v-{n:03}" for n in range(VIDEOS)]
AT_ONCE = 4
"""Requests that the team's limit lets through."""
BURST, A_SECOND = 8, 8.0
"""Creates that the team's other limit lets through: so many at once, and then so many a second."""
JITTER = 2.0
"""Seconds between leave to send a create and its arrival."""
DEAD_AFTER = timedelta(seconds=100)
"""Three heartbeats and some seconds: one is lost while the server is restarted."""


# Prefect's client leaves its sockets to the server unclosed; tests/conftest.py allows that for the other tests' server.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.skipif(missing() is not None and "CI" not in os.environ, reason=str(missing()))
async def test_a_nightly_batch_survives_a_worker_and_a_server(tmp_path: Path, s3_url: str) -> None:
    destination = S3Destination(bucket="topology", endpoint_url=s3_url, region="us-east-1", poster=False)
    boto3.client("s3", endpoint_url=s3_url).create_bucket(Bucket="topology")
    with (
        Sandbox(SandboxSettings(generation=2, refresh=0.2)) as sandbox,
        cluster(tmp_path) as team,
        temporary_settings({PREFECT_API_URL: team.api}),
    ):
        sandbox.add_fault(Fault("create_slow", delay=0.3, times=None))  # so that some are on their way at once
        surroundings = {
            "OCTOPUSX_API_KEY": sandbox.key,
            "OCTOPUSX_BASE_URL": sandbox.url,
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        }
        await apply([dead_runs(DEAD_AFTER), crashed_runs()])
        async with get_client() as client:
            await limit(client)
            team.start_worker("two", limit=4, **surroundings)
            run = await scheduled(client, await deploy(client, destination))
            await until(lambda: is_(client, run, "Running"), 120)
            one = team.start_worker("one", limit=2, **surroundings)
            await until(lambda: "submitted viduq3-pro" in team.log("one") and len(sandbox.ledger) > 40, 120)
            one.kill()
            team.stop_server()
            team.start_server()
            await until(lambda: is_over(client, run), 400)
            chunks = await chunks_of(client, run)
            states = [[state.name for state in await client.read_flow_run_states(chunk.id)] for chunk in chunks]
        assert len(states) >= VIDEOS / CHUNK
        assert any("Crashed" in seen and "AwaitingRetry" in seen for seen in states)
        assert all(seen[-1] == "Completed" for seen in states)
        assert await settled(destination, sandbox) <= AT_ONCE
        await stored_once(destination, sandbox)
        kept_to_the_limits(sandbox.requests)
        await EventsWorker.drain_all()  # it would go on to send to this server what the next tests tell


async def limit(client: PrefectClient) -> None:
    for given in (
        GlobalConcurrencyLimitCreate(name="octopusx-requests", limit=AT_ONCE),
        GlobalConcurrencyLimitCreate(name="octopusx-creates", limit=BURST, slot_decay_per_second=A_SECOND),
    ):
        await client.create_global_concurrency_limit(given)


async def deploy(client: PrefectClient, destination: S3Destination) -> UUID:
    """Deploy what makes chunks, and the batch, which is to start in half a minute."""
    await client.create_work_pool(WorkPoolCreate(name="videos", type="process"))
    how: dict[str, Any] = {"work_pool_name": "videos", "entrypoint_type": EntrypointType.MODULE_PATH}
    await (await generate_videos.ato_deployment("chunk", **how)).aapply()
    # Much sooner, and Prefect's scheduler might see it too late, and leave it out.
    soon = Interval(timedelta(days=1), anchor_date=datetime.now(UTC) + timedelta(seconds=30))
    nightly = await generate_videos.ato_deployment(
        "nightly",
        **how,
        schedules=[soon],
        parameters={
            "requests": {name: {"model": "viduq3-pro", "prompt": name} for name in NAMES},
            "name": "nightly",
            "destination": destination.model_dump(include={"bucket", "endpoint_url", "region", "poster"}),
            "deployment": "generate-videos/chunk",
            "chunk_size": CHUNK,
            "wait": "process",
            "poll_interval": 4,
            "requests_per_minute": 3000,
        },
    )
    return await nightly.aapply()


async def scheduled(client: PrefectClient, deployment: UUID) -> UUID:
    """Return the first run that the scheduler has made."""
    which = DeploymentFilter(id=DeploymentFilterId(any_=[deployment]))
    runs: list[FlowRun] = await until(lambda: client.read_flow_runs(deployment_filter=which), 60)
    first, *_ = sorted((run.expected_start_time, run.id) for run in runs if run.expected_start_time)
    return first[1]


async def is_(client: PrefectClient, run: UUID, state: str) -> bool:
    return (await client.read_flow_run(run)).state_name == state


async def is_over(client: PrefectClient, run: UUID) -> bool:
    state = (await client.read_flow_run(run)).state
    return state is not None and state.is_final()


async def chunks_of(client: PrefectClient, run: UUID) -> list[FlowRun]:
    ours = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[run]))
    return await client.read_flow_runs(flow_run_filter=ours)


async def until(asks: Callable[[], Awaitable[Any] | bool], seconds: float) -> Any:  # noqa: ANN401 - what was asked for
    async with asyncio.timeout(seconds):
        while True:
            found = asks()
            if found := (await found if isinstance(found, Awaitable) else found):
                return found
            await asyncio.sleep(0.3)


async def settled(destination: S3Destination, sandbox: Sandbox) -> int:
    """Do what a person does about videos that were being created when the worker died; return how many they were."""
    store = await destination.store()
    entries = [entry for name in NAMES if (entry := await store.read(name)) is not None]
    uncertain = [entry.record.name for entry in entries if entry.record.state is RecordState.UNCERTAIN]
    credentials = OctopusXCredentials(api_key=Secret(value=SecretStr(sandbox.key)), base_url=sandbox.url)
    tasks = {job.body["prompt"]: job.id for job in sandbox.jobs}  # what the dashboard shows
    for name in uncertain:
        if name in tasks:
            await adopt_video(tasks[name], name, destination, credentials)
    if any(name not in tasks for name in uncertain):
        await redrive_videos("nightly", "uncertain", destination, credentials)
    return len(uncertain)


async def stored_once(destination: S3Destination, sandbox: Sandbox) -> None:
    store = await destination.store()
    entries = [await store.read(name) for name in NAMES]
    assert all(entry is not None and entry.record.state is RecordState.COMPLETED for entry in entries)
    assert len({entry.record.task_id for entry in entries if entry}) == len(sandbox.ledger) == VIDEOS
    bucket = boto3.resource("s3", endpoint_url=destination.endpoint_url).Bucket(destination.bucket)
    assert sum(item.key.endswith(".mp4") for item in bucket.objects.all()) == VIDEOS
    results = await store.read_file("nightly-results.jsonl")
    assert results is not None
    assert results.count(b"\n") == VIDEOS


def kept_to_the_limits(requests: list[Trace]) -> None:
    """Check, by what came to the gateway, that no more was on its way, and no more created, than the team allows."""
    asked = [trace for trace in requests if trace.path in {"/v1/video/create", "/v1/video/query"}]
    changes = sorted([(trace.time, 1) for trace in asked] + [(trace.ended, -1) for trace in asked])
    at_once, most = 0, 0
    for _, change in changes:
        at_once += change
        most = max(most, at_once)
    assert most == AT_ONCE
    creates = sorted(trace.time for trace in asked if trace.path == "/v1/video/create")
    assert len(creates) >= VIDEOS
    for first, start in enumerate(creates):
        for count, end in enumerate(creates[first:], 1):
            assert count <= BURST + A_SECOND * (end - start + JITTER), f"{count} creates in {end - start:.1f} s"
