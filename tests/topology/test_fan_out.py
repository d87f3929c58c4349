"""200 videos over two workers, of which one is killed, and a server that is restarted: paid once, stored once."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import boto3
from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, WorkPoolCreate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.automations import apply, dead_runs
from prefect_octopusx.blocks import S3Destination
from prefect_octopusx.flows import generate_videos
from prefect_octopusx.sandbox import Sandbox, SandboxSettings
from prefect_octopusx.storage import RecordState
from tests.topology.cluster import cluster

VIDEOS = 200
AT_ONCE = 4
"""Requests that the team's limit lets through."""
ENTRYPOINT = "prefect_octopusx.flows.generate_videos.generate_videos"


async def until(asks: Callable[[], Awaitable[Any] | Any], seconds: float) -> Any:  # noqa: ANN401 - what was asked for
    async with asyncio.timeout(seconds):
        while True:
            found = asks()
            if found := (await found if asyncio.iscoroutine(found) else found):
                return found
            await asyncio.sleep(0.3)


async def deploy(client: PrefectClient, parameters: dict[str, Any]) -> UUID:
    """Deploy the batch, to start in a few seconds, and what makes its chunks."""
    flow = await client.create_flow(generate_videos)
    await client.create_work_pool(WorkPoolCreate(name="videos", type="process"))
    await client.create_deployment(flow, name="chunk", entrypoint=ENTRYPOINT, work_pool_name="videos")
    soon = IntervalSchedule(interval=timedelta(days=1), anchor_date=datetime.now(UTC) + timedelta(seconds=60))
    return await client.create_deployment(
        flow,
        name="nightly",
        entrypoint=ENTRYPOINT,
        work_pool_name="videos",
        parameters=parameters,
        schedules=[{"schedule": soon, "active": True}],
    )


async def the_run(client: PrefectClient, deployment: UUID) -> FlowRun | None:
    """Return the deployment's first run, as soon as the scheduler has made it."""
    which = DeploymentFilter(id=DeploymentFilterId(any_=[deployment]))
    runs = await client.read_flow_runs(deployment_filter=which)
    return min(runs, key=lambda run: run.expected_start_time) if runs else None


async def test_a_nightly_batch_survives_a_worker_and_a_server(tmp_path: Path, s3_url: str) -> None:
    destination = S3Destination(bucket="topology", endpoint_url=s3_url, region="us-east-1")
    boto3.client("s3", endpoint_url=s3_url).create_bucket(Bucket="topology")
    with (
        Sandbox(SandboxSettings(generation=2, refresh=0.2)) as sandbox,
        cluster(tmp_path) as team,
        temporary_settings({PREFECT_API_URL: team.api}),
    ):
        hurry = {"PREFECT_WORKER_QUERY_SECONDS": "1", "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}
        key = {"OCTOPUSX_API_KEY": sandbox.key, "OCTOPUSX_BASE_URL": sandbox.url}
        parameters = {
            "requests": {f"v-{n:03}": {"model": "viduq3-pro", "prompt": f"cat {n}"} for n in range(VIDEOS)},
            "name": "nightly",
            "destination": destination.model_dump(include={"bucket", "endpoint_url", "region"}),
            "deployment": "generate-videos/chunk",
            "chunk_size": 25,
            "poll_interval": 1,
            "requests_per_minute": 3000,
        }
        await apply([dead_runs(timedelta(seconds=90))])
        async with get_client() as client:
            limit = GlobalConcurrencyLimitCreate(name="octopusx-requests", limit=AT_ONCE)
            await client.create_global_concurrency_limit(limit)
            deployment = await deploy(client, parameters)
            for name in ("one", "two"):
                team.start_worker(name, **hurry, **key)

            async def is_away() -> bool:
                run = await the_run(client, deployment)
                return run is not None and run.state_name == "AwaitingVideo"

            await until(is_away, 180)
            await until(lambda: len(sandbox.ledger) > 20 and team.parts["one"].children(), 120)
            team.parts["one"].kill()
            await until(lambda: len(sandbox.ledger) > 60, 120)
            team.stop_server()
            await asyncio.sleep(3)
            team.start_server()

            async def over() -> bool:
                run = await the_run(client, deployment)
                return run is not None and run.state is not None and run.state.is_final()

            await until(over, 540)
            run = await the_run(client, deployment)
        assert run is not None
        assert run.state is not None
        assert run.state.is_completed(), run.state.message
        store = await destination.store()
        records = [(await store.read(f"v-{n:03}")).record for n in range(VIDEOS)]
        assert all(record.state is RecordState.COMPLETED for record in records)
        assert len({record.task_id for record in records}) == len(sandbox.ledger) == VIDEOS
