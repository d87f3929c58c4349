"""A claim whose create is on its way: its holder is seen to live, and its word is final."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from prefect_octopusx.api import OctopusXClient, SubmissionUncertain
from prefect_octopusx.sandbox import Fault, Sandbox
from prefect_octopusx.storage import (
    DestinationUnavailable,
    Entry,
    LocalStore,
    RecordConflict,
    RecordState,
    S3Store,
    VideoRecord,
    settle_if_dead,
    submit,
)
from tests.storage.around import Around, posts
from tests.storage.conftest import Bucket, Place, Proxy
from tests.storage.conftest import Fault as Answer
from tests.storage.holding import CAT, Holder, renewed, stored

T = TypeVar("T")


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


async def test_a_renewal_changes_nothing_but_its_time(place: Place, holder: Holder) -> None:
    run = await holder.start(place.store)
    before = await stored(place.store)
    await renewed(place.store, 2)
    after = await stored(place.store)
    assert after.renewed_at
    assert after.model_copy(update={"renewed_at": before.renewed_at}) == before
    holder.let_go()
    assert (await run).task_id


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


async def test_who_renews_between_a_look_and_the_verdict_lives(place: Place, holder: Holder) -> None:
    run = await holder.start(place.store)
    entry = await place.store.read("hero")
    assert entry
    await renewed(place.store)
    assert (await settle_if_dead(place.store, entry._replace(age=61))).state is RecordState.SUBMITTING
    assert (await stored(place.store)).state is RecordState.SUBMITTING
    holder.let_go()
    assert (await run).task_id
