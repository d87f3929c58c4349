"""Limits that a team shares across machines, by Prefect's own global concurrency limits; and seats in one process."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from prefect import flow, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, GlobalConcurrencyLimitUpdate

from prefect_octopusx.batches import BatchFailed
from prefect_octopusx.flows import generate_video
from prefect_octopusx.sandbox import Fault
from prefect_octopusx.tasks import Batch, make_video
from tests.flows.batches import Batches, cats

pytestmark = pytest.mark.usefixtures("prefect_api", "retries_at_once")


@pytest.fixture
async def limits() -> AsyncIterator[Any]:
    """Give a way to make a global concurrency limit, which is gone after the test."""
    made = []

    async def make(name: str, **fields: Any) -> None:  # noqa: ANN401
        async with get_client() as client:
            await client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=name, **fields))
        made.append(name)

    yield make
    async with get_client() as client:
        for name in made:
            await client.delete_global_concurrency_limit_by_name(name)


async def test_creates_keep_to_a_rate_that_the_team_has_set(batch: Batches, limits: Any) -> None:  # noqa: ANN401
    await limits("octopusx-creates", limit=1, slot_decay_per_second=1.0)
    await batch(cats(4))
    times = sorted(trace.time for trace in batch.sandbox.requests if trace.method == "POST")
    assert times[-1] - times[0] >= 1.5  # 3 s by the rate, which Prefect keeps roughly; without it no tenth of that


async def test_a_single_video_keeps_to_it_too(batch: Batches, limits: Any) -> None:  # noqa: ANN401
    await limits("octopusx-creates", limit=1, slot_decay_per_second=1.0)
    options = {name: batch.options[name] for name in ("destination", "credentials", "poll_interval")}
    await asyncio.gather(*(generate_video(request, name=name, **options) for name, request in cats(2).items()))
    first, last = sorted(trace.time for trace in batch.sandbox.requests if trace.method == "POST")
    assert last - first >= 0.5


async def test_requests_on_their_way_keep_to_a_number(batch: Batches, limits: Any) -> None:  # noqa: ANN401
    await limits("octopusx-requests", limit=1)
    batch.sandbox.add_fault(Fault("create_slow", times=3, delay=0.7))
    began = time.monotonic()
    assert (await batch(cats(3))).stored == 3
    assert time.monotonic() - began >= 2.1  # one after another


async def test_a_create_limit_that_is_no_rate_is_refused(batch: Batches, limits: Any) -> None:  # noqa: ANN401
    """It would let one create through, and then none for ever."""
    await limits("octopusx-creates", limit=1)
    with pytest.raises(BatchFailed, match="slot-decay-per-second"):
        await batch(cats(1))
    assert not batch.posts


async def test_a_limit_of_0_lets_nothing_through(batch: Batches, limits: Any) -> None:  # noqa: ANN401
    """So a team stops everything at once."""
    await limits("octopusx-requests", limit=0)
    with pytest.raises(BatchFailed, match="is 0, so no create is sent"):
        await batch(cats(30))
    assert not batch.posts


async def test_what_is_paid_for_is_stored_also_with_a_limit_of_0(batch: Batches, limits: Any) -> None:  # noqa: ANN401
    batch.sandbox.add_fault(Fault("video_slow", times=2, delay=1.5))
    await batch.state(cats(2), deadline=0.1)
    await limits("octopusx-creates", limit=0)
    assert (await batch(cats(2))).stored == 2
    assert batch.posts == 2


async def test_a_limit_that_becomes_0_stops_what_is_not_sent_yet(batch: Batches, limits: Any) -> None:  # noqa: ANN401
    await limits("octopusx-requests", limit=1)
    batch.sandbox.add_fault(Fault("create_slow", times=None, delay=1))
    run = asyncio.create_task(batch(cats(4), max_in_flight=1, fail_if_failed_ratio=1.0))
    while not batch.posts:
        await asyncio.sleep(0.02)
    async with get_client() as client:
        await client.update_global_concurrency_limit("octopusx-requests", GlobalConcurrencyLimitUpdate(limit=0))
    async with asyncio.timeout(60):  # the slot is given back meanwhile: on PostgreSQL, Prefect tries for two minutes
        result = await run
    assert [one.state for one in result.results] == ["completed", *["not_created"] * 3]
    assert batch.posts == 1


async def test_a_limit_that_is_switched_off_is_not_used(batch: Batches, limits: Any) -> None:  # noqa: ANN401
    await limits("octopusx-creates", limit=1, active=False)
    await limits("octopusx-requests", limit=1, active=False)
    assert (await batch(cats(2))).stored == 2


async def test_two_batches_of_one_key_share_one_budget(batch: Batches) -> None:
    """Each alone would send one request every 0.25 s."""
    requests = cats(8)
    halves = [dict(list(requests.items())[:4]), dict(list(requests.items())[4:])]
    await asyncio.gather(*(batch(half, name=f"half-{n}", requests_per_minute=240) for n, half in enumerate(halves)))
    times = sorted(trace.time for trace in batch.sandbox.requests if trace.path.startswith("/v1/video/"))
    assert len(times) >= 16
    assert times[-1] - times[0] >= 0.24 * (len(times) - 1)


async def test_a_batch_is_not_for_another_event_loop(batch: Batches) -> None:
    @flow
    async def submits() -> None:
        options = {name: batch.options[name] for name in ("destination", "credentials")}
        async with Batch.opened(**options) as opened:
            make_video.submit(cats(1)["cat-0"], name="cat-0", batch=opened).result()

    with pytest.raises(RuntimeError, match="Await the task"):
        await submits()
    assert not batch.posts
