"""When a run waits for its turn to send: before it claims the name, and only if there is something to send."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from prefect_octopusx.api import CreatesStopped, SubmissionUncertain
from prefect_octopusx.storage import NameTaken, RecordState
from tests.storage.sending import DOG, Posts, Send, abandoned

pytestmark = pytest.mark.parametrize("place", ["local"], indirect=True)  # the order is of no store


class Turn:
    """A turn that notes what the record says when it is waited for, and when it is given back."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.notes: list[str] = []

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[None]:
        await self._note("waits")
        try:
            yield
        finally:
            await self._note("over")

    async def _note(self, what: str) -> None:
        entry = await self._send.store.read("hero")
        self.notes.append(f"{what}: {entry.record.state if entry else 'no record'}")


@pytest.fixture
def turn(send: Send) -> Turn:
    return Turn(send)


async def test_a_run_waits_before_its_claim_and_until_the_id_is_written(send: Send, turn: Turn) -> None:
    await send(turn=turn)
    assert turn.notes == ["waits: no record", "over: submitted"]


async def test_what_is_submitted_needs_no_turn(send: Send, turn: Turn) -> None:
    await send()
    await send(turn=turn)
    assert turn.notes == []


async def test_who_follows_another_run_keeps_no_seat_meanwhile(send: Send, turn: Turn) -> None:
    await abandoned(send)
    with pytest.raises(SubmissionUncertain):
        await send(turn=turn)
    assert turn.notes == []
    await send(turn=turn, on_uncertain="resubmit")
    assert turn.notes == ["waits: uncertain", "over: submitted"]


async def test_a_turn_is_given_back_where_nothing_is_sent(send: Send, turn: Turn) -> None:
    async with send.store.writer("hero") as video:
        await video.write(b"somebody's work")
        await video.commit()
    with pytest.raises(NameTaken):
        await send(turn=turn)
    assert turn.notes == ["waits: no record", "over: no record"]


async def test_a_name_that_another_run_claims_meanwhile_is_not_sent_twice(send: Send, posts: Posts) -> None:
    @asynccontextmanager
    async def long_turn() -> AsyncIterator[None]:
        if not posts.sent:
            await send()
        yield

    record = await send(turn=long_turn)
    assert (record.state, posts.sent) == (RecordState.SUBMITTED, 1)


async def test_a_file_that_somebody_puts_there_meanwhile_is_not_overwritten(send: Send, posts: Posts) -> None:
    @asynccontextmanager
    async def long_turn() -> AsyncIterator[None]:
        async with send.store.writer("hero") as video:
            await video.write(b"somebody's work")
            await video.commit()
        yield

    with pytest.raises(NameTaken, match="no record explains it"):
        await send(DOG, turn=long_turn)
    assert posts.sent == 0


async def test_who_is_cancelled_while_it_waits_leaves_nothing(send: Send, posts: Posts) -> None:
    waits, gave_back = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def never() -> AsyncIterator[None]:
        waits.set()
        try:
            await asyncio.Event().wait()
            yield
        finally:
            gave_back.set()

    run = asyncio.create_task(send(turn=never))
    await waits.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert gave_back.is_set()
    assert await send.store.read("hero") is None
    assert [mark async for mark in send.store.pending()] == []
    assert posts.sent == 0


async def test_where_creates_are_stopped_nothing_is_claimed(send: Send, posts: Posts) -> None:
    @asynccontextmanager
    async def stopped() -> AsyncIterator[None]:
        raise CreatesStopped("the limit is 0")
        yield

    with pytest.raises(CreatesStopped):
        await send(turn=stopped)
    assert await send.store.read("hero") is None
    assert [mark async for mark in send.store.pending()] == []
    assert posts.sent == 0
