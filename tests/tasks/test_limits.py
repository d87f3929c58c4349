"""Slots of a shared limit where a request is cancelled, or Prefect's own part breaks: never kept, never silent.

Prefect's part is a stand-in here: the real one can't be told when to grant a slot.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import pytest
from prefect import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate

from prefect_octopusx.tasks import limits
from prefect_octopusx.tasks.limits import REQUESTS, shared_limits

pytestmark = pytest.mark.usefixtures("prefect_api")


class Slots:
    """Grants when told to, and takes a moment to take back."""

    def __init__(self) -> None:
        self.grants = asyncio.Event()
        self.taken = 0
        self.given_back = 0

    @contextlib.asynccontextmanager
    async def concurrency(self, *_: object, **__: object) -> AsyncIterator[None]:
        await self.grants.wait()
        self.taken += 1
        yield
        await asyncio.sleep(0.02)
        self.given_back += 1


@pytest.fixture
async def limit() -> AsyncIterator[None]:
    async with get_client() as client:
        await client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=REQUESTS, limit=1))
        yield
        await client.delete_global_concurrency_limit_by_name(REQUESTS)


@pytest.fixture
def slots(monkeypatch: pytest.MonkeyPatch, limit: None) -> Slots:  # noqa: ARG001 - it has to exist
    found = Slots()
    monkeypatch.setattr(limits, "concurrency", found.concurrency)
    return found


async def a_request(slots: Slots) -> "asyncio.Task[None]":
    """Begin a request that waits for its slot."""
    around = await shared_limits(logging.getLogger(__name__))

    async def request() -> None:
        async with around("look"):
            await asyncio.sleep(60)

    task = asyncio.create_task(request())
    await asyncio.sleep(0.01)
    assert not slots.taken
    return task


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("first", ["granted", "cancelled"])
async def test_a_request_that_is_cancelled_keeps_no_slot(
    first: str, turns: int, slots: Slots, caplog: pytest.LogCaptureFixture
) -> None:
    request = await a_request(slots)
    acts = [slots.grants.set, request.cancel]
    if first == "cancelled":
        acts.reverse()
    acts[0]()
    for _ in range(turns):
        await asyncio.sleep(0)
    acts[1]()
    with pytest.raises(asyncio.CancelledError):
        await request
    await asyncio.sleep(0.1)
    assert slots.given_back == slots.taken
    assert not caplog.records


async def test_an_unforeseen_error_reaches_the_request(slots: Slots, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextlib.asynccontextmanager
    async def breaks(*_: object, **__: object) -> AsyncIterator[None]:
        raise RuntimeError("out of order")
        yield

    monkeypatch.setattr(limits, "concurrency", breaks)
    slots.grants.set()
    around = await shared_limits(logging.getLogger(__name__))
    with pytest.raises(RuntimeError, match="out of order"):
        async with around("look"):
            pass
