"""Runs that wait without a process, with real workers: what is left running between looks, and what a crash loses."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.settings import PREFECT_API_URL, temporary_settings

from prefect_octopusx.storage import RecordState
from tests.flows.deployed import Studio
from tests.servers import Group, PrefectServer, free_port

SERVE = Path(__file__).with_name("serve.py")
HURRY = {
    "PREFECT_RUNNER_POLL_FREQUENCY": "1",
    "PREFECT_WORKER_QUERY_SECONDS": "1",
    "PREFECT_WORKER_PREFETCH_SECONDS": "1",
}
ENTRYPOINT = "prefect_octopusx.flows.single.generate_video"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Group]]:
    """Start workers, which end with the test."""
    started: list[Group] = []

    def one(*command: str, **environment: str) -> Group:
        started.append(Group(*command, log=tmp_path / "worker.log", environment=HURRY | environment))
        return started[-1]

    yield one
    for group in started:
        group.kill()


async def until(happened: Callable[[], Any], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not happened():
            await asyncio.sleep(0.05)


@pytest.mark.usefixtures("prefect_api")
async def test_between_looks_there_is_no_process_and_the_slot_is_free(
    studio: Studio, start: Callable[..., Group], tmp_path: Path
) -> None:
    async with get_client() as client:
        await client.create_work_pool(WorkPoolCreate(name="away", type="process"))
    options = {"work_pool_name": "away", "entrypoint": ENTRYPOINT, "concurrency_limit": 1}
    cat = await studio.deploy(poll_interval=12, options=options)
    worker = start("-m", "prefect", "worker", "start", "--pool", "away")
    await cat.until("AwaitingVideo")
    await until(lambda: not worker.children(), 5)
    dog = await studio.deploy(name="dog", wait="none", options=options)
    await dog.until("Completed")
    assert (await cat.states())[-1] in {"AwaitingVideo", "AwaitingConcurrencySlot"}  # or it just came back for a look
    studio.finish()
    await cat.until("Completed")
    assert [(await studio.record(name)).state for name in ("cat", "dog")] == ["completed", "submitted"]
    assert (studio.posts, studio.looks) == (2, 2)  # a look that found it, and that of the task which waits
    log = (tmp_path / "worker.log").read_text()
    assert "ERROR" not in log
    assert "crash" not in log.lower()


@pytest.mark.usefixtures("prefect_api")
async def test_a_look_that_is_killed_loses_nothing(studio: Studio, start: Callable[..., Group]) -> None:
    server = start(str(SERVE), "killed")
    run = await studio.served("killed", poll_interval=3)
    await run.until("AwaitingVideo")
    studio.hold_looks()
    before = studio.looks
    await until(lambda: studio.looks > before)
    server.kill()
    studio.finish()
    start(str(SERVE), "killed")
    again = await studio.served("killed", poll_interval=3)
    await again.until("Completed")
    assert (await studio.record()).state is RecordState.COMPLETED
    assert studio.posts == 1


async def test_a_video_that_is_ready_while_prefects_server_is_down_is_stored_when_it_is_back(
    studio: Studio, start: Callable[..., Group], tmp_path: Path
) -> None:
    server = PrefectServer(tmp_path, free_port())
    try:
        server.start()
        with temporary_settings({PREFECT_API_URL: server.url}):
            start(str(SERVE), "restarted", PREFECT_API_URL=server.url)
            run = await studio.served("restarted", poll_interval=12)
            await run.until("AwaitingVideo")
            server.stop()
            studio.finish()
            server.start()
            await run.until("Completed")
    finally:
        server.stop()
    assert (await studio.record()).state is RecordState.COMPLETED
    assert studio.posts == 1
