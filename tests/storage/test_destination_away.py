"""A destination that fails while a video is submitted: nothing is sent, or the id is not lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from prefect_octopusx.api import SubmissionUncertain
from prefect_octopusx.sandbox import Fault, Sandbox
from prefect_octopusx.storage import (
    DestinationError,
    DestinationUnavailable,
    Entry,
    LocalStore,
    RecordConflict,
    RecordNotWritten,
    RecordState,
    VideoRecord,
)
from tests.storage.sending import Posts, Send

pytestmark = pytest.mark.parametrize("place", ["local"], indirect=True)


class Failing(LocalStore):
    """A folder whose writes fail when told so."""

    replaces: Iterator[Exception | None] = iter(())
    creates: Iterator[Exception | None] = iter(())
    reads: Iterator[Exception | None] = iter(())
    late = False

    async def read(self, name: str) -> Entry | None:
        trouble = next(self.reads, None)
        if trouble is not None:
            raise trouble
        return await super().read(name)

    async def replace(self, entry: Entry, record: VideoRecord) -> Entry:
        trouble = next(self.replaces, None)
        if trouble is not None:
            raise trouble
        return await super().replace(entry, record)

    async def create(self, record: VideoRecord) -> Entry:
        trouble = next(self.creates, None)
        if trouble is not None:
            if self.late:
                await super().create(record)
            raise trouble
        return await super().create(record)


@pytest.fixture
def failing(send: Send, tmp_path: Path) -> Failing:
    store = Failing(tmp_path / "failing")
    send.store = store
    return store


AWAY = DestinationUnavailable("the bucket does not answer")


async def test_a_store_that_refuses_every_write_ends(send: Send, failing: Failing) -> None:
    failing.creates = iter([RecordConflict("hero was written by somebody else first.")] * 100)
    with pytest.raises(DestinationError, match="may not honour conditional writes"):
        await send()


async def test_an_id_that_is_paid_for_is_written_as_soon_as_the_destination_is_back(
    send: Send, failing: Failing, posts: Posts
) -> None:
    failing.replaces = iter([AWAY, AWAY, None])
    record = await send()
    assert record == await send.stored()
    assert send.clock.slept == [1, 2]
    assert posts.billed == 1


async def test_an_id_that_can_not_be_written_is_in_the_error(
    send: Send, failing: Failing, sandbox: Sandbox, posts: Posts
) -> None:
    failing.replaces = iter([AWAY] * 20)
    with pytest.raises(RecordNotWritten, match=r"is paid for.*Note this task id") as caught:
        await send()
    assert caught.value.task_id == sandbox.jobs[0].id
    assert not caught.value.resend_safe
    failing.replaces = iter(())
    with pytest.raises(SubmissionUncertain):
        await send()
    assert posts.billed == 1


async def test_a_claim_whose_write_seemed_to_fail_is_ours(send: Send, failing: Failing, posts: Posts) -> None:
    failing.creates = iter([AWAY])
    failing.late = True
    assert (await send()).state is RecordState.SUBMITTED
    assert posts.billed == 1


async def test_a_destination_that_is_away_from_the_start_is_told_at_once(
    send: Send, failing: Failing, posts: Posts
) -> None:
    failing.reads = iter([AWAY])
    with pytest.raises(DestinationUnavailable):
        await send()
    assert not send.clock.slept
    assert posts.sent == 0


async def test_a_destination_that_stays_away_stops_before_anything_is_sent(
    send: Send, failing: Failing, posts: Posts
) -> None:
    failing.creates = iter([AWAY] * 20)
    with pytest.raises(DestinationUnavailable) as caught:
        await send()
    assert caught.value.resend_safe
    assert posts.sent == 0


async def test_the_refusal_is_told_even_if_it_can_not_be_noted(send: Send, failing: Failing, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault("create_quota"))
    failing.replaces = iter([DestinationError("forbidden now")])
    with pytest.raises(Exception, match="quota is too low"):
        await send()
