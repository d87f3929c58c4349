"""Ended politely while the create is on its way: the process first gets the answer and writes down what is paid for.

Kubernetes and Prefect send SIGTERM. Prefect turns it into an exception that breaks the event loop off.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from prefect import get_client
from prefect.states import Cancelling

from tests.crashes.comebacks import come_back
from tests.crashes.places import Folder
from tests.crashes.scenes import Scene, scene

pytestmark = pytest.mark.usefixtures("prefect_api")


@pytest.fixture
async def slow(tmp_path: Path) -> AsyncIterator[Scene]:
    """A gateway that takes its time with the answer to a create; the video is paid for by then."""
    async with scene(Folder(tmp_path / "videos"), tmp_path / "scene", delay=2.0) as slow:
        yield slow


async def until(happened: Callable[[], object]) -> None:
    async with asyncio.timeout(120):  # a busy machine takes its time to start a process
        while not happened():
            await asyncio.sleep(0.02)


async def check_written_down(ended: Scene) -> None:
    assert ended.state == "submitted"
    assert ended.record
    assert ended.record["task_id"] == ended.sandbox.jobs[0].id
    assert await come_back(ended) == "submitted"


async def test_a_script(slow: Scene) -> None:
    with slow.victim() as victim:
        await until(lambda: slow.sandbox.jobs)
        victim.signal(signal.SIGTERM)
        assert await victim.end(), victim.log
    await check_written_down(slow)


async def test_a_run_of_a_worker(slow: Scene) -> None:
    run_id = await slow.schedule()
    with slow.victim(flow_run_id=run_id) as victim:
        await until(lambda: slow.sandbox.jobs)
        victim.signal(signal.SIGTERM)
        await victim.end()
    async with get_client() as client:
        run = await client.read_flow_run(run_id)
    assert run.state
    assert run.state.is_crashed()
    await check_written_down(slow)


async def test_a_run_that_is_cancelled(slow: Scene) -> None:
    """By the API, and so by Prefect's own supervisor, which tells the process why before it sends SIGTERM."""
    run_id = await slow.schedule()
    async with get_client() as client:
        with slow.victim(flow_run_id=run_id, supervised=True) as victim:
            await until(lambda: slow.sandbox.jobs)
            await client.set_flow_run_state(run_id, Cancelling())
            await victim.end()
        run = await client.read_flow_run(run_id)
    assert run.state
    assert run.state.is_cancelled(), victim.log
    await check_written_down(slow)


async def test_a_process_that_lives_is_followed_however_slow(slow: Scene) -> None:
    """It renews its claim, whose lease is half as long as the create takes here."""
    with slow.victim() as victim:
        await until(lambda: slow.sandbox.jobs)
        state = await slow.again()
        assert state.is_completed(), f"{state.name}: {state.message}"
        assert await victim.end() == 0, victim.log
    slow.check_stored()
    assert slow.billed == 1


async def test_a_process_that_was_frozen_has_the_last_word(slow: Scene) -> None:
    """Others take it for dead, and stop; when it goes on, it writes down the answer over their verdict."""
    with slow.victim() as victim:
        await until(lambda: slow.sandbox.jobs)
        victim.signal(signal.SIGSTOP)
        assert (await slow.again()).name == "Uncertain"
        assert slow.state == "uncertain"
        victim.signal(signal.SIGCONT)
        assert await victim.end() == 0, victim.log
    slow.check_stored()
    assert slow.billed == 1
