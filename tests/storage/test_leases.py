"""A claim whose create is on its way: its holder is seen to live, and its word is final."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from prefect_octopusx.api import (
    OctopusXClient,
    RateLimited,
    SubmissionUncertain,
    TaskState,
    VideoFailed,
    VideoTask,
    ViduRequest,
)
from prefect_octopusx.sandbox import Fault, Sandbox
from prefect_octopusx.storage import (
    DestinationUnavailable,
    Entry,
    LocalStore,
    RecordConflict,
    RecordNotWritten,
    RecordState,
    S3Store,
    VideoRecord,
    VideoStore,
    adopt,
    fail,
    settle_if_dead,
    submit,
)
from tests.storage.around import Around, billed, posts
from tests.storage.conftest import Bucket, Place, Proxy
from tests.storage.conftest import Fault as Answer

CAT = ViduRequest(model="viduq3-pro", prompt="a cat chasing butterflies", duration=5)
T = TypeVar("T")


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[OctopusXClient]:
    async with OctopusXClient(api_key=sandbox.key, base_url=sandbox.url) as opened:
        yield opened


class Holder:
    """A run whose create is on its way until it is let go."""

    def __init__(self, client: OctopusXClient, sandbox: Sandbox) -> None:
        self.client = client
        self.sandbox = sandbox
        self._go = threading.Event()
        create = client.create_video

        async def slow(*given: Any, **options: Any) -> Any:  # noqa: ANN401
            task = await create(*given, **options)
            while not self._go.is_set():
                await asyncio.sleep(0.005)
            return task

        self._slow = slow

    async def start(self, store: VideoStore, *, lease: float = 0.2) -> "asyncio.Task[VideoRecord]":
        """Return the run once its create was accepted, and before it knows."""
        slow = OctopusXClient(api_key=self.sandbox.key, base_url=self.sandbox.url)
        slow.create_video = self._slow  # type: ignore[method-assign]
        run = asyncio.create_task(submit(store, slow, CAT, name="hero", lease=lease))
        async with asyncio.timeout(20):
            while not self.sandbox.ledger:
                await asyncio.sleep(0.005)
        return run

    def let_go(self) -> None:
        self._go.set()


@pytest.fixture
def holder(client: OctopusXClient, sandbox: Sandbox) -> Holder:
    return Holder(client, sandbox)


async def stored(store: VideoStore) -> VideoRecord:
    entry = await store.read("hero")
    assert entry
    return entry.record


async def renewed(store: VideoStore, times: int = 1) -> None:
    """Wait until the claim was renewed so many times from now on."""
    seen = {(await stored(store)).renewed_at}
    async with asyncio.timeout(10):
        while len(seen) <= times:
            await asyncio.sleep(0.005)
            seen.add((await stored(store)).renewed_at)


async def test_a_slow_holder_is_followed_not_taken_for_dead(
    place: Place, client: OctopusXClient, sandbox: Sandbox
) -> None:
    lease = 0.4 if isinstance(place.store, LocalStore) else 2.0  # a bucket tells ages in whole seconds only
    sandbox.add_fault(Fault("create_slow", delay=lease + 0.6))
    runs = [submit(place.store, client, CAT, name="hero", lease=lease) for _ in range(3)]
    records = await asyncio.gather(*runs)
    assert records[0] == records[1] == records[2] == await stored(place.store)
    assert records[0].state is RecordState.SUBMITTED
    assert records[0].renewed_at is None
    assert posts(sandbox) == 1


async def test_trouble_of_any_kind_with_a_renewal_does_not_lose_the_id(
    tmp_path: Path, holder: Holder, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    class Renewals(Around):
        """Fail with what is no `DestinationError`, while the create is on its way."""

        async def replace(self, entry: Entry, record: VideoRecord) -> Entry:
            if record.state is RecordState.SUBMITTING:
                raise RuntimeError("can't start new thread")
            return await super().replace(entry, record)

    run = await holder.start(Renewals(LocalStore(tmp_path)))
    async with asyncio.timeout(20):
        while "could not be renewed: can't start new thread" not in caplog.text:
            await asyncio.sleep(0.005)
    holder.let_go()
    assert (await run).task_id == sandbox.jobs[0].id


async def test_the_id_is_logged_before_a_destination_that_hangs_is_waited_for(
    tmp_path: Path, holder: Holder, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    class Hangs(Around):
        """Hang in a renewal until let go."""

        begun = threading.Event()
        go = threading.Event()

        async def replace(self, entry: Entry, record: VideoRecord) -> Entry:
            self.begun.set()
            while not self.go.is_set():
                await asyncio.sleep(0.005)
            return await super().replace(entry, record)

    caplog.set_level("INFO")
    store = Hangs(LocalStore(tmp_path))
    run = await holder.start(store)
    assert await asyncio.to_thread(store.begun.wait, 20)
    holder.let_go()
    async with asyncio.timeout(20):
        while f"submitted viduq3-pro, task {sandbox.jobs[0].id}" not in caplog.text:
            await asyncio.sleep(0.005)
    assert (await stored(store)).state is RecordState.SUBMITTING
    store.go.set()
    assert (await run).task_id == sandbox.jobs[0].id


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

    async def at_once(_: float) -> None:
        """Do not wait."""

    with pytest.raises(VideoFailed, match="bad"):
        await submit(Away(LocalStore(tmp_path)), client, CAT, name="hero", sleep=at_once)


async def test_a_task_that_was_adopted_while_we_seemed_dead_is_not_sent_over(
    tmp_path: Path, client: OctopusXClient, sandbox: Sandbox
) -> None:
    class Frozen(Around):
        """The claim arrives, the reply to that does not; when we come back, a person has adopted a task."""

        async def create(self, record: VideoRecord) -> Entry:
            entry = await super().create(record)
            assert (await settle_if_dead(self.inner, entry._replace(age=61))).state is RecordState.UNCERTAIN
            await adopt(self.inner, "t-1", name="hero")
            raise DestinationUnavailable("the reply was lost")

    async def at_once(_: float) -> None:
        """Do not wait."""

    store = Frozen(LocalStore(tmp_path))
    record = await submit(store, client, CAT, name="hero", sleep=at_once)
    assert (record.state, record.task_id) == (RecordState.SUBMITTED, "t-1")
    assert posts(sandbox) == 0
    assert [mark.claim async for mark in store.pending()] == [record.claim]


async def test_a_claim_that_was_written_overtaken_and_written_again_is_in_the_index(
    tmp_path: Path, client: OctopusXClient, sandbox: Sandbox
) -> None:
    class Overtaken(Around):
        """The claim arrives, the reply to that does not; when we come back, another run took over and got no video."""

        async def create(self, record: VideoRecord) -> Entry:
            entry = await super().create(record)
            assert (await settle_if_dead(self.inner, entry._replace(age=61))).state is RecordState.UNCERTAIN
            sandbox.add_fault(Fault("create_rate_limited"))
            with pytest.raises(RateLimited):
                await submit(self.inner, client, CAT, name="hero", on_uncertain="resubmit")
            raise DestinationUnavailable("the reply was lost")

    async def at_once(_: float) -> None:
        """Do not wait."""

    store = Overtaken(LocalStore(tmp_path))
    record = await submit(store, client, CAT, name="hero", sleep=at_once)
    assert record.state is RecordState.SUBMITTED
    assert len({attempt.claim for attempt in (record, *record.earlier)}) == 3
    assert [mark.claim async for mark in store.pending()] == [record.claim]


async def test_a_renewal_changes_nothing_but_its_time(place: Place, holder: Holder) -> None:
    run = await holder.start(place.store)
    before = await stored(place.store)
    await renewed(place.store, 2)
    after = await stored(place.store)
    assert after.renewed_at
    assert after.model_copy(update={"renewed_at": before.renewed_at}) == before
    holder.let_go()
    assert (await run).task_id


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


class Ailing(Around):
    """A store whose reads or renewals fail as long as it is told so, by these errors."""

    read_error: Exception | None = None
    renewal_error: Exception | None = None
    failures = 0

    async def change(self, what: str, act: Callable[[], Awaitable[T]]) -> T:
        if what == "replace" and self.renewal_error:
            self.failures += 1
            raise self.renewal_error
        return await super().change(what, act)

    async def read(self, name: str) -> Any:  # noqa: ANN401
        if self.read_error:
            self.failures += 1
            raise self.read_error
        return await super().read(name)

    async def failed(self, times: int) -> None:
        async with asyncio.timeout(20):
            while self.failures < times:
                await asyncio.sleep(0.005)


AWAY = DestinationUnavailable("the bucket does not answer")


async def test_a_renewal_that_fails_does_no_harm_and_is_tried_again(
    place: Place, holder: Holder, caplog: pytest.LogCaptureFixture
) -> None:
    store = Ailing(place.store)
    run = await holder.start(store, lease=0.1)
    store.renewal_error = AWAY
    await store.failed(2)
    store.renewal_error = None
    await renewed(place.store)
    holder.let_go()
    assert (await run).state is RecordState.SUBMITTED
    assert "the claim could not be renewed: the bucket does not answer" in caplog.text


async def test_renewing_goes_on_after_a_conflict_that_could_not_be_looked_into(place: Place, holder: Holder) -> None:
    store = Ailing(place.store)
    run = await holder.start(store, lease=0.1)
    store.read_error, store.renewal_error = AWAY, RecordConflict("an earlier renewal arrived after all")
    await store.failed(2)
    store.read_error = store.renewal_error = None
    try:
        await renewed(place.store)
    finally:
        holder.let_go()
        await run


async def test_a_renewal_on_its_way_when_the_answer_comes_does_no_harm(
    bucket: Bucket, proxy: Proxy, holder: Holder
) -> None:
    store = S3Store(bucket.options(endpoint_url=proxy.endpoint))
    run = await holder.start(store, lease=0.2)
    hold = threading.Event()
    proxy.faults = [Answer("PUT", hold=hold)]
    puts = sum("PUT" in line for line in proxy.lines)
    await proxy.saw("PUT", puts + 1)
    holder.let_go()
    await asyncio.sleep(0.1)
    hold.set()
    record = await run
    await asyncio.sleep(0.1)  # a late renewal would arrive now
    assert await stored(store) == record
    assert record.task_id


async def test_a_late_renewal_does_not_undo_the_id_where_writes_are_not_conditional(
    bucket: Bucket, proxy: Proxy, holder: Holder
) -> None:
    store = S3Store(bucket.options(endpoint_url=proxy.endpoint, conditional_writes=False))
    store.settling = 0.01
    run = await holder.start(store, lease=0.2)
    hold = threading.Event()
    puts = sum("PUT" in line for line in proxy.lines)
    proxy.faults = [Answer("PUT", hold=hold)]
    await proxy.saw("PUT", puts + 1)
    holder.let_go()
    await asyncio.wait([run], timeout=1)
    hold.set()
    record = await run
    await asyncio.sleep(0.2)  # the renewal arrives
    assert await stored(store) == record


async def test_a_create_that_got_no_answer_ends_uncertain_though_it_was_renewed(place: Place, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault("create_slow", delay=5))
    async with OctopusXClient(api_key=sandbox.key, base_url=sandbox.url, create_timeout=0.5) as client:
        with pytest.raises(SubmissionUncertain):
            await submit(place.store, client, CAT, name="hero", lease=0.1)
    found = await stored(place.store)
    assert (found.state, found.renewed_at) == (RecordState.UNCERTAIN, None)
