"""Stored once: savers that meet, transfers that were swept away, and what killed ones left."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from prefect_octopusx.api import DownloadError, OctopusXClient, TaskState, VideoTask, ViduRequest
from prefect_octopusx.sandbox import Sandbox
from prefect_octopusx.storage import (
    DestinationUnavailable,
    LocalStore,
    NameTaken,
    RecordConflict,
    RecordState,
    S3Store,
    VideoRecord,
    VideoStore,
    complete,
    fail,
    save,
    submit,
    tidy_completed,
)
from tests.storage.around import Around
from tests.storage.conftest import MIB, Bucket, Fault, Place, Proxy, mp4, pieces, record

PART = 5 * MIB
T = TypeVar("T")
CAT = ViduRequest(model="viduq3-pro", prompt="a cat chasing butterflies", duration=5)


async def submitted(store: VideoStore, task_id: str = "t-1") -> VideoRecord:
    claim = record("fox", state=RecordState.SUBMITTED, task_id=task_id, digest=CAT.digest)
    await store.mark("fox", claim.claim)
    return (await store.create(claim)).record


async def store_video(store: VideoStore, of: VideoRecord, chunks: AsyncIterator[bytes]) -> VideoRecord:
    return await save(store, of, chunks, declared_length=None, content_type="video/mp4")


async def stored(store: VideoStore) -> VideoRecord:
    entry = await store.read("fox")
    assert entry
    return entry.record


class Stream:
    """The bytes of a video, of which the last ones come when they are let go."""

    def __init__(self, data: bytes, last: int = 100) -> None:
        self._data = data
        self._last = last
        self.waits = asyncio.Event()
        self.go = asyncio.Event()

    async def chunks(self) -> AsyncIterator[bytes]:
        async for piece in pieces(self._data[: -self._last], MIB):
            yield piece
        self.waits.set()
        await self.go.wait()
        yield self._data[-self._last :]


async def test_a_saved_video_leaves_nothing_but_itself(place: Place) -> None:
    of = await submitted(place.store)
    done = await store_video(place.store, of, pieces(mp4()))
    assert (done.state, done.uri, done.size) == (RecordState.COMPLETED, place.store.uri("fox"), len(mp4()))
    assert place.files() == ["fox.json", "fox.mp4"]


async def test_savers_at_once_store_one_video_and_return_the_same_record(place: Place) -> None:
    of = await submitted(place.store)
    records = await asyncio.gather(*(store_video(place.store, of, pieces(mp4(PART + 1), MIB)) for _ in range(4)))
    assert all(each == records[0] for each in records)
    assert records[0] == await stored(place.store)
    assert place.get("fox.mp4") == mp4(PART + 1)
    assert place.files() == ["fox.json", "fox.mp4"]


@pytest.mark.parametrize("length", [1000, 2 * PART])
async def test_who_is_too_late_leaves_what_is_stored_and_returns_its_record(place: Place, length: int) -> None:
    of = await submitted(place.store)
    late = Stream(mp4(length + 1))
    work = asyncio.create_task(store_video(place.store, of, late.chunks()))
    await late.waits.wait()
    done = await store_video(place.store, of, pieces(mp4(length), MIB))
    late.go.set()
    assert await work == done
    assert place.get("fox.mp4") == mp4(length)
    assert place.files() == ["fox.json", "fox.mp4"]


async def test_a_transfer_that_was_swept_away_in_its_middle_returns_the_completed_record(place: Place) -> None:
    of = await submitted(place.store)
    late = Stream(mp4(4 * PART), last=2 * PART)
    work = asyncio.create_task(store_video(place.store, of, late.chunks()))
    await late.waits.wait()
    assert len(place.files()) > 2  # its upload or its part file, beside record and mark
    done = await store_video(place.store, of, pieces(mp4(1000)))
    assert place.files() == ["fox.json", "fox.mp4"]
    late.go.set()
    assert await work == done == await stored(place.store)
    assert place.get("fox.mp4") == mp4(1000)
    assert place.files() == ["fox.json", "fox.mp4"]


class Holding(Around):
    """A store whose changes of one kind wait until they are let go."""

    def __init__(self, inner: VideoStore, held: str) -> None:
        super().__init__(inner)
        self.held = held
        self.waits = asyncio.Event()
        self.go = asyncio.Event()

    async def change(self, what: str, act: Callable[[], Awaitable[T]]) -> T:
        if what == self.held:
            self.waits.set()
            await self.go.wait()
        return await super().change(what, act)


@pytest.mark.parametrize("length", [1000, 2 * PART])
async def test_a_record_and_its_file_are_of_one_piece(place: Place, length: int) -> None:
    """The other saver, which got other bytes, has found the record not completed and is about to store them."""
    of = await submitted(place.store)
    slow = Holding(place.store, "commit")
    work = asyncio.create_task(store_video(slow, of, pieces(mp4(length + 1), MIB)))
    await slow.waits.wait()
    await store_video(place.store, of, pieces(mp4(length), MIB))
    slow.go.set()
    record = await work
    assert record == await stored(place.store)
    data = place.get("fox.mp4")
    assert (len(data), hashlib.sha256(data).hexdigest()) == (record.size, record.sha256)


async def test_the_record_tells_of_the_bytes_that_are_stored_where_both_stored_before_either_told(place: Place) -> None:
    of = await submitted(place.store)
    first, second = Holding(place.store, "replace"), Holding(place.store, "replace")
    works = []
    for store, length in ((first, 1000), (second, 2000)):
        works.append(asyncio.create_task(store_video(store, of, pieces(mp4(length)))))
        await store.waits.wait()
    first.go.set()
    done = await works[0]
    second.go.set()
    await works[1]
    assert len(place.get("fox.mp4")) == (await stored(place.store)).size
    assert done.state is RecordState.COMPLETED


async def left_behind(place: Place) -> None:
    """Leave what a killed transfer leaves."""
    if isinstance(place.store, S3Store):
        key = {"Bucket": place.store.options.bucket, "Key": "videos/fox.mp4"}
        client = place.store._objects.client("PutObject", "fox")
        upload = client.create_multipart_upload(**key)["UploadId"]
        client.upload_part(**key, UploadId=upload, PartNumber=1, Body=b"part")
        other = key | {"Key": "videos/fox.mp4.old.mp4"}
        client.create_multipart_upload(**other)
    else:
        for name in (".fox.mp4.part/1", ".fox.json.part/2", ".fox.mp4.old.mp4.part/3"):
            place.put(name, b"part")


def others(place: Place) -> list[str]:
    """Return what is there of other names, which nobody may touch."""
    return [name for name in place.files() if "fox.mp4.old" in name]


async def test_what_killed_transfers_left_is_gone_when_the_video_failed(place: Place) -> None:
    of = await submitted(place.store)
    await left_behind(place)
    await fail(place.store, of, VideoTask(id=str(of.task_id), state=TaskState.FAILED, error="bad"))
    assert sorted(place.files()) == sorted(["fox.json", *others(place)])


async def test_what_killed_transfers_left_is_gone_after_the_next_save(place: Place) -> None:
    of = await submitted(place.store)
    await left_behind(place)
    await store_video(place.store, of, pieces(mp4()))
    assert sorted(place.files()) == sorted(["fox.json", "fox.mp4", *others(place)])
    assert others(place)


async def test_what_a_killed_saver_left_is_gone_after_the_next_submit(place: Place, sandbox: Sandbox) -> None:
    of = await submitted(place.store)
    async with place.store.writer("fox") as video:
        await video.write(mp4())
        await video.commit()
    done = await complete(place.store, of, uri="u", size=1, sha256="s")  # and killed before it tidied up
    await left_behind(place)
    async with OctopusXClient(api_key=sandbox.key, base_url=sandbox.url) as client:
        assert await submit(place.store, client, CAT, name="fox") == done
    assert sorted(place.files()) == sorted(["fox.json", "fox.mp4", *others(place)])
    assert sandbox.requests == []


async def test_what_a_killed_saver_left_is_gone_with_the_next_batch(place: Place) -> None:
    of = await submitted(place.store)
    done = await complete(place.store, of, uri="u", size=1, sha256="s")
    await left_behind(place)
    before = place.files()
    await tidy_completed(place.store, [])
    await tidy_completed(place.store, [done.model_copy(update={"claim": "0" * 32})])  # of another claim
    assert place.files() == before
    await tidy_completed(place.store, [done])
    assert sorted(place.files()) == sorted(["fox.json", *others(place)])


async def test_a_completed_record_whose_answer_was_lost_is_recognised(bucket: Bucket, proxy: Proxy) -> None:
    store = S3Store(bucket.options(endpoint_url=proxy.endpoint))
    of = await submitted(store)
    proxy.faults = [Fault(f"PUT /{bucket.name}/videos/fox.json")]
    done = await store_video(store, of, pieces(mp4()))
    assert proxy.faults == []
    assert done.state is RecordState.COMPLETED
    assert done == await stored(store)
    assert [mark async for mark in store.pending()] == []


async def test_an_index_that_can_not_be_read_stops_no_batch(
    bucket: Bucket, proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    store = S3Store(bucket.options(endpoint_url=proxy.endpoint))
    done = await store_video(store, await submitted(store), pieces(mp4()))
    await store.mark(done.name, done.claim)
    proxy.faults = [Fault("list-type", 403, "AccessDenied")]
    with caplog.at_level(logging.WARNING):
        await tidy_completed(store, [done])
    assert "The index of pending videos could not be read: ListObjectsV2" in caplog.text
    assert [mark.name async for mark in store.pending()] == [done.name]  # for the next run


async def test_a_sweep_without_the_right_is_only_logged(
    bucket: Bucket, proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    store = S3Store(bucket.options(endpoint_url=proxy.endpoint))
    of = await submitted(store)
    proxy.faults = [Fault("uploads", 403, "AccessDenied")]
    with caplog.at_level(logging.WARNING):
        done = await store_video(store, of, pieces(mp4()))
    assert done.state is RecordState.COMPLETED
    assert "fox: unfinished transfers could not be looked for" in caplog.text
    assert [mark async for mark in store.pending()] == []


async def test_a_mark_that_can_not_be_removed_is_only_logged(
    bucket: Bucket, proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    store = S3Store(bucket.options(endpoint_url=proxy.endpoint))
    of = await submitted(store)
    proxy.faults = [Fault("DELETE", 403, "AccessDenied")]
    with caplog.at_level(logging.WARNING):
        assert (await store_video(store, of, pieces(mp4()))).state is RecordState.COMPLETED
    assert "fox: it is still in the index" in caplog.text


@pytest.mark.parametrize("length", [1000, 2 * PART])
async def test_a_store_that_fails_while_nobody_completed_it_is_told(
    bucket: Bucket, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    store = S3Store(bucket.options(endpoint_url=proxy.endpoint, part_size=PART))
    of = await submitted(store)
    proxy.faults = [Fault("fox.mp4", 503, "SlowDown")]
    with pytest.raises(DestinationUnavailable):
        await store_video(store, of, pieces(mp4(length), MIB))
    assert await stored(store) == of
    assert (await store_video(store, of, pieces(mp4(length), MIB))).state is RecordState.COMPLETED


async def test_a_broken_video_is_not_stored(place: Place) -> None:
    of = await submitted(place.store)
    with pytest.raises(DownloadError):
        await store_video(place.store, of, pieces(mp4()[:-10]))
    assert [name for name in place.files() if not name.startswith(".pending")] == ["fox.json"]
    assert await stored(place.store) == of


async def test_the_video_of_an_earlier_task_does_not_take_the_place_of_the_new_one(place: Place) -> None:
    of = await submitted(place.store)
    late = Stream(mp4())
    work = asyncio.create_task(store_video(place.store, of, late.chunks()))
    await late.waits.wait()
    entry = await place.store.read("fox")
    assert entry
    other = await place.store.replace(entry, of.model_copy(update={"task_id": "t-2"}))
    late.go.set()
    with pytest.raises(RecordConflict, match="stands for task t-2"):
        await work
    assert await stored(place.store) == other.record
    assert not await place.store.has_video("fox")


async def test_a_record_that_is_gone_gets_no_video(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    of = await submitted(store)
    (tmp_path / "fox.json").unlink()
    with pytest.raises(NameTaken, match="somebody removed it"):
        await store_video(store, of, pieces(mp4()))
    assert not await store.has_video("fox")
