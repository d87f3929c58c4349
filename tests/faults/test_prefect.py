"""The matrix of faults, for Prefect: its real server behind a relay, and a minute that takes a second."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import anyio
import pytest
from prefect.client import base
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogHandler
from prefect.settings import PREFECT_API_URL, temporary_settings

from prefect_octopusx.sandbox import Sandbox
from tests.faults.flow_world import FlowWorld, flow_world
from tests.faults.prefect_rows import PREFECT_ROWS
from tests.faults.relay import Relay, Trick, answer
from tests.faults.table import Row, Server

_MINUTE = 1.0  # seconds
_LOCKED = answer("503 Service Unavailable", b'{"exception_message":"Service Unavailable"}')


@pytest.fixture
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Prefect's client wait a sixtieth of the time before it asks again."""

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds * _MINUTE / 60)

    monkeypatch.setattr(base, "anyio", SimpleNamespace(**{**vars(anyio), "sleep": sleep}))


class Aside:
    """The relay, in a thread of its own: Prefect's client sometimes waits for the server without its event loop."""

    def __init__(self, port: int) -> None:
        self.relay = Relay(port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.listen()

    def listen(self) -> None:
        asyncio.run_coroutine_threadsafe(self.relay.listen(), self._loop).result(10)

    def go_away(self) -> None:
        asyncio.run_coroutine_threadsafe(self.relay.go_away(), self._loop).result(10)

    def end(self) -> None:
        self.go_away()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def prefect(prefect_api: str) -> Iterator[Aside]:
    EventsWorker.drain_all()  # the next one connects to the relay
    aside = Aside(urlsplit(prefect_api).port or 0)
    with temporary_settings({PREFECT_API_URL: f"{aside.relay.address}/api"}):
        yield aside
        EventsWorker.drain_all()
        APILogHandler().flush()
    aside.end()


@pytest.fixture
async def world(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[FlowWorld]:
    async with flow_world(sandbox, tmp_path / "videos") as opened:
        yield opened


@pytest.mark.usefixtures("retries_at_once", "in_a_hurry")
@pytest.mark.parametrize("row", PREFECT_ROWS, ids=lambda row: row.fault)
async def test_a_run_that_waits(world: FlowWorld, prefect: Aside, row: Row) -> None:
    (fault,) = row.by
    assert isinstance(fault, Server)
    trouble = asyncio.create_task(happen(fault, world, prefect))
    assert (await world.state()).is_completed()
    await trouble
    left = await world.record()
    assert left
    assert (left.state, world.billed) == (row.fate.record, row.fate.billed)


async def happen(fault: Server, world: FlowWorld, prefect: Aside) -> None:
    """Let it happen once the run waits, and for its time."""
    async with asyncio.timeout(60):
        while not world.tries("query"):
            await asyncio.sleep(0.01)
    match fault.does:
        case "away":
            prefect.go_away()
            await asyncio.sleep(fault.minutes * _MINUTE)
            prefect.listen()
        case "locked":
            prefect.relay.tricks.append(Trick("/api/", _LOCKED))
            await asyncio.sleep(fault.minutes * _MINUTE)
            prefect.relay.tricks.clear()
        case "events":
            prefect.relay.tricks.append(Trick("/events/in", _LOCKED))
