"""A run that others took for dead, or came before, while its create was on its way: its id is not lost."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from prefect_octopusx.api import OctopusXClient, RateLimited, TaskState, VideoFailed, VideoTask
from prefect_octopusx.sandbox import Fault, Sandbox
from prefect_octopusx.storage import (
    DestinationUnavailable,
    Entry,
    LocalStore,
    RecordConflict,
    RecordNotWritten,
    RecordState,
    VideoRecord,
    VideoStore,
    adopt,
    complete,
    fail,
    settle_if_dead,
    submit,
)
from tests.storage.around import Around, billed, posts
from tests.storage.conftest import Place, mp4
from tests.storage.holding import CAT, Holder, stored


class Frozen(Around):
    """The claim arrives, its reply does not. When we come back, we were taken for dead, and `meanwhile` is done."""

    def __init__(self, inner: VideoStore, meanwhile: Callable[[VideoStore], Awaitable[None]]) -> None:
        super().__init__(inner)
        self.meanwhile = meanwhile

    async def create(self, record: VideoRecord) -> Entry:
        entry = await super().create(record)
        assert (await settle_if_dead(self.inner, entry._replace(age=61))).state is RecordState.UNCERTAIN
        await self.meanwhile(self.inner)
        raise DestinationUnavailable("the reply was lost")


async def at_once(_: float) -> None:
    """Do not wait."""


async def test_an_id_that_arrived_and_failed_before_its_writer_knows_is_told_as_failed(
    tmp_path: Path, client: OctopusXClient
) -> None:
    class Away(Around):
        """The id arrives, the reply to that does not, and a janitor notes that the video failed."""

        async def replace(self, entry: Entry, record: VideoRecord) -> Entry:
            done = await super().replace(entry, record)
            if record.state is RecordState.SUBMITTED:
                await fail(self.inner, record, VideoTask(id=str(record.task_id), state=TaskState.FAILED, error="bad"))
                raise DestinationUnavailable("the reply was lost")
            return done

    with pytest.raises(VideoFailed, match="bad"):
        await submit(Away(LocalStore(tmp_path)), client, CAT, name="hero", sleep=at_once)


async def test_a_claim_that_was_taken_for_dead_before_it_was_sent_is_sent(
    tmp_path: Path, client: OctopusXClient, sandbox: Sandbox
) -> None:
    async def nothing_else(_: VideoStore) -> None:
        """Nobody did anything but take us for dead."""

    store = Frozen(LocalStore(tmp_path), nothing_else)
    record = await submit(store, client, CAT, name="hero", sleep=at_once)
    assert (record.state, record.task_id, record.earlier) == (RecordState.SUBMITTED, sandbox.jobs[0].id, ())
    assert [mark.claim async for mark in store.pending()] == [record.claim]
    assert posts(sandbox) == 1


async def test_a_task_that_was_adopted_while_we_seemed_dead_is_not_sent_over(
    tmp_path: Path, client: OctopusXClient, sandbox: Sandbox
) -> None:
    async def a_person_adopts(inner: VideoStore) -> None:
        await adopt(inner, "t-1", name="hero")

    store = Frozen(LocalStore(tmp_path), a_person_adopts)
    record = await submit(store, client, CAT, name="hero", sleep=at_once)
    assert (record.state, record.task_id) == (RecordState.SUBMITTED, "t-1")
    assert posts(sandbox) == 0
    assert [mark.claim async for mark in store.pending()] == [record.claim]


async def test_a_claim_that_was_written_overtaken_and_written_again_is_in_the_index(
    tmp_path: Path, client: OctopusXClient, sandbox: Sandbox
) -> None:
    async def another_takes_over_and_gets_no_video(inner: VideoStore) -> None:
        sandbox.add_fault(Fault("create_rate_limited"))
        with pytest.raises(RateLimited):
            await submit(inner, client, CAT, name="hero", on_uncertain="resubmit")

    store = Frozen(LocalStore(tmp_path), another_takes_over_and_gets_no_video)
    record = await submit(store, client, CAT, name="hero", sleep=at_once)
    assert record.state is RecordState.SUBMITTED
    assert len({attempt.claim for attempt in (record, *record.earlier)}) == 3
    assert [mark.claim async for mark in store.pending()] == [record.claim]


async def test_a_holder_that_was_declared_uncertain_still_writes_its_id(
    place: Place, holder: Holder, sandbox: Sandbox
) -> None:
    run = await holder.start(place.store, lease=60)
    entry = await place.store.read("hero")
    assert entry
    assert (await settle_if_dead(place.store, entry._replace(age=61))).state is RecordState.UNCERTAIN
    holder.let_go()
    record = await run
    assert (record.state, record.task_id, record.error) == (RecordState.SUBMITTED, sandbox.jobs[0].id, None)
    assert await stored(place.store) == record
    assert [mark.claim async for mark in place.store.pending()] == [record.claim]


async def test_a_holder_that_lives_takes_the_verdict_back_with_its_next_renewal(place: Place, holder: Holder) -> None:
    run = await holder.start(place.store)
    async with asyncio.timeout(20):
        while True:  # until no renewal comes in between
            entry = await place.store.read("hero")
            assert entry
            verdict = await settle_if_dead(place.store, entry._replace(age=61))
            if verdict.state is RecordState.UNCERTAIN:
                break
        while (await stored(place.store)).state is not RecordState.SUBMITTING:
            await asyncio.sleep(0.005)
    assert (await stored(place.store)).error is None
    holder.let_go()
    assert (await run).state is RecordState.SUBMITTED


async def test_the_id_of_a_holder_whose_name_was_taken_is_in_the_history(
    place: Place, holder: Holder, client: OctopusXClient, sandbox: Sandbox
) -> None:
    run = await holder.start(place.store, lease=60)
    entry = await place.store.read("hero")
    assert entry
    await settle_if_dead(place.store, entry._replace(age=61))
    record = await submit(place.store, client, CAT, name="hero", on_uncertain="resubmit")
    assert [(attempt.state, attempt.task_id) for attempt in record.earlier] == [(RecordState.UNCERTAIN, None)]
    holder.let_go()
    with pytest.raises(RecordNotWritten, match=r"taken over.*Note this task id") as caught:
        await run
    first, second = sandbox.jobs
    assert caught.value.task_id == first.id
    found = await stored(place.store)
    assert (found.state, found.task_id) == (RecordState.SUBMITTED, second.id)
    assert [(attempt.state, attempt.task_id) for attempt in found.earlier] == [(RecordState.SUBMITTED, first.id)]
    assert found.earlier[0].submitted_at
    assert billed(sandbox) == 2


async def test_the_id_that_a_person_adopted_meanwhile_is_no_trouble(
    place: Place, holder: Holder, sandbox: Sandbox
) -> None:
    run = await holder.start(place.store, lease=60)
    entry = await place.store.read("hero")
    assert entry
    await settle_if_dead(place.store, entry._replace(age=61))
    adopted = await adopt(place.store, sandbox.jobs[0].id, name="hero")
    holder.let_go()
    assert await run == adopted == await stored(place.store)


async def test_a_record_that_was_removed_meanwhile_is_not_made_again(
    tmp_path: Path, holder: Holder, sandbox: Sandbox
) -> None:
    store = LocalStore(tmp_path)
    run = await holder.start(store, lease=60)
    (tmp_path / "hero.json").unlink()
    holder.let_go()
    with pytest.raises(RecordNotWritten, match=r"hero\.json was removed meanwhile.*Note this task id") as caught:
        await run
    assert caught.value.task_id == sandbox.jobs[0].id
    assert "belongs to" not in str(caught.value)  # nobody has it
    assert await store.read("hero") is None


async def test_an_id_gets_into_the_history_also_while_others_write_there(
    place: Place, holder: Holder, client: OctopusXClient, sandbox: Sandbox
) -> None:
    class Contended(Around):
        """Somebody else is quicker with the next write of the history."""

        conflicts = 1

        async def replace(self, entry: Entry, record: VideoRecord) -> Entry:
            if record.earlier != entry.record.earlier and self.conflicts:
                self.conflicts -= 1
                raise RecordConflict("somebody else wrote it")
            return await super().replace(entry, record)

    store = Contended(place.store)
    run = await holder.start(store, lease=60)
    entry = await place.store.read("hero")
    assert entry
    await settle_if_dead(place.store, entry._replace(age=61))
    await submit(place.store, client, CAT, name="hero", on_uncertain="resubmit")
    holder.let_go()
    with pytest.raises(RecordNotWritten, match="taken over"):
        await run
    assert store.conflicts == 0
    assert sandbox.jobs[0].id in [attempt.task_id for attempt in (await stored(place.store)).earlier]


async def test_a_video_that_is_claimed_and_stored_just_now_is_found(
    place: Place, client: OctopusXClient, sandbox: Sandbox
) -> None:
    class Late(Around):
        """Our first look is from before another run claimed and stored the video."""

        looks = 0

        async def read(self, name: str) -> Entry | None:
            self.looks += 1
            return None if self.looks == 1 else await super().read(name)

    record = await submit(place.store, client, CAT, name="hero")
    place.put("hero.mp4", mp4())
    record = await complete(place.store, record, uri="u", size=1, sha256="s")
    assert await submit(Late(place.store), client, CAT, name="hero") == record
    assert posts(sandbox) == 1
