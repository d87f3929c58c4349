"""A batch whose process is killed at a random moment: run again, nothing is billed twice and nothing is missing."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from prefect_octopusx.blocks import LocalDestination, OctopusXCredentials, S3Destination
from prefect_octopusx.flows import adopt_video, generate_videos, redrive_videos
from prefect_octopusx.sandbox import Fault, Sandbox
from tests.crashes.victims import LEASE, Job, Victim
from tests.flows.batches import cats
from tests.flows.main_job import names

pytestmark = pytest.mark.usefixtures("prefect_api")

VIDEOS = cats(10)


async def test_killed_at_random_and_run_again(
    destination: S3Destination | LocalDestination,
    credentials: OctopusXCredentials,
    sandbox: Sandbox,
    tmp_path: Path,
) -> None:
    options: dict[str, Any] = {"name": "launch", "requests_per_minute": 3000, "poll_interval": 0.2, "lease": LEASE}
    environment = {"OCTOPUSX_API_KEY": sandbox.key, "OCTOPUSX_BASE_URL": sandbox.url}
    sandbox.add_fault(Fault("create_slow", times=None, delay=0.15))  # so that some are caught in the act
    for life in range(2):
        moment = len(sandbox.requests) + random.randrange(1, 25)
        with Victim(Job(destination, environment, options=options, batch=VIDEOS), tmp_path / f"{life}.log") as victim:
            while len(sandbox.requests) < moment and not victim.has_ended:
                await asyncio.sleep(0.005)
            victim.kill()
    options |= {"destination": destination, "credentials": credentials}
    result = await generate_videos(requests=VIDEOS, fail_if_failed_ratio=1.0, **options)
    await decide(result, sandbox, options)
    result = await generate_videos(requests=VIDEOS, **options)
    assert result.stored == len(VIDEOS)
    prompts = sorted(job.prompt for job in sandbox.jobs)
    assert prompts == sorted(request.prompt or "" for request in VIDEOS.values())
    assert sum(not charge.refunded for charge in sandbox.ledger) == len(VIDEOS)
    prefix = f"{destination.prefix}/" if isinstance(destination, S3Destination) else ""
    files = [f"{prefix}{name}{ending}" for name in VIDEOS for ending in (".json", ".mp4")]
    assert names(destination) == sorted([*files, f"{prefix}launch-results.jsonl"])


async def decide(result: Any, sandbox: Sandbox, options: dict[str, Any]) -> None:  # noqa: ANN401
    """Do what a person does about uncertain creates: look in the dashboard, adopt what is there, send what is not."""
    submitted = {job.prompt: job.id for job in sandbox.jobs}
    for one in result.results:
        if one.state == "uncertain" and (task_id := submitted.get(VIDEOS[one.name].prompt or "")):
            where = {name: options[name] for name in ("destination", "credentials", "poll_interval")}
            await adopt_video(task_id, one.name, **where)
    left = {name: value for name, value in options.items() if name not in {"name", "lease"}}
    await generate_videos(requests=VIDEOS, **(options | {"fail_if_failed_ratio": 1.0}))
    await redrive_videos("launch", what="uncertain", **left)
