"""The index of pending videos: what it yields, what it forgets, what it costs."""

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from prefect_octopusx.storage import LocalStore, RecordState, S3Store, VideoStore, pending_videos
from tests.storage.around import Aged
from tests.storage.conftest import Bucket, Place, Proxy, record

PENDING = {RecordState.SUBMITTING, RecordState.SUBMITTED, RecordState.UNCERTAIN}
TORN = "0" * 32
DAY = 86_400


async def pending(store: VideoStore) -> list[str]:
    return sorted([entry.record.name async for entry in pending_videos(store)])


async def marks(store: VideoStore) -> list[str]:
    return sorted([mark.name async for mark in store.pending()])


async def add(store: VideoStore, name: str, state: RecordState = RecordState.SUBMITTED, **fields: Any) -> str:  # noqa: ANN401
    """Write a record and its mark; return the claim."""
    written = record(name, state=state, **fields)
    await store.mark(name, written.claim)
    await store.create(written)
    return written.claim


async def test_exactly_the_pending_ones_are_found_and_the_others_forgotten(place: Place) -> None:
    for state in RecordState:
        await add(place.store, f"clips/{state}.1", state)
    left = sorted(f"clips/{state}.1" for state in PENDING)
    assert await pending(place.store) == left
    assert await marks(place.store) == left
    assert await pending(place.store) == left


async def test_an_entry_is_good_for_a_change_of_its_record(place: Place) -> None:
    await add(place.store, "小猫", RecordState.SUBMITTING)
    (entry,) = [entry async for entry in pending_videos(place.store)]
    changed = await place.store.replace(entry, entry.record.moved(RecordState.UNCERTAIN))
    found = await place.store.read("小猫")
    assert found
    assert found[:2] == changed[:2]


async def test_nothing_is_pending_where_nothing_is(place: Place) -> None:
    assert await pending(place.store) == []
    place.put("fox.json", record("fox", state=RecordState.SUBMITTED).to_json())
    assert await pending(place.store) == []  # never marked, by nobody of us


async def test_a_completed_video_is_swept_when_its_mark_is_found(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    await add(store, "fox", RecordState.COMPLETED)
    (tmp_path / ".fox.mp4.part").mkdir()
    (tmp_path / ".fox.mp4.part" / "1").write_bytes(b"left by a killed run")
    assert await pending(store) == []
    assert sorted(path.name for path in tmp_path.rglob("*")) == [".pending", "fox.json"]


async def test_a_mark_without_its_claim_is_kept_for_a_day(place: Place) -> None:
    """Whoever wrote it may be about to write the claim."""
    await place.store.mark("fox", "c1" * 16)  # no record
    claim = await add(place.store, "hen")
    await place.store.mark("hen", "c2" * 16)  # the record is of another claim
    for age in (0, DAY - 60):
        assert await pending(Aged(place.store, age)) == ["hen"]
        assert await marks(place.store) == ["fox", "hen", "hen"]
    assert await pending(Aged(place.store, DAY + 60)) == ["hen"]
    assert [mark[:2] async for mark in place.store.pending()] == [("hen", claim)]


async def test_a_pending_record_keeps_its_mark_however_old(place: Place) -> None:
    await add(place.store, "hen")
    for _ in range(2):
        assert await pending(Aged(place.store, 400 * DAY)) == ["hen"]


async def test_the_age_of_a_mark_in_a_folder_is_its_file_s(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    await store.mark("fox", "c1" * 16)
    old = time.time() - DAY - 60
    os.utime(tmp_path / ".pending" / ("c1" * 16), (old, old))
    (mark,) = [mark async for mark in store.pending()]
    assert DAY + 50 < mark.age < DAY + 70
    await store.mark("fox", "c1" * 16)  # makes it young
    assert await pending(store) == []
    assert await marks(store) == ["fox"]
    os.utime(tmp_path / ".pending" / ("c1" * 16), (old, old))
    assert await pending(store) == []
    assert await marks(store) == []


async def test_a_torn_mark_hides_nothing_and_goes_after_a_day(tmp_path: Path) -> None:
    """Its writer was killed while it wrote, so before its claim."""
    store = LocalStore(tmp_path)
    await add(store, "hen")
    for torn in ("", "he", "hen"):
        (tmp_path / ".pending" / TORN).write_text(torn)
        assert await pending(store) == ["hen"]
        assert (tmp_path / ".pending" / TORN).exists()
    old = time.time() - DAY - 60
    os.utime(tmp_path / ".pending" / TORN, (old, old))
    assert await pending(store) == ["hen"]
    assert not (tmp_path / ".pending" / TORN).exists()


@pytest.mark.parametrize("file", [".DS_Store", "notes.txt", "a b.c", "hen", f"old name.{TORN}"])
async def test_a_foreign_file_in_the_index_hides_nothing(place: Place, file: str) -> None:
    await add(place.store, "hen")
    place.put(f".pending/{file}", b"\x00\x01\xff Bud1")
    for age in (0, DAY + 60):
        assert await pending(Aged(place.store, age)) == ["hen"]


async def test_a_record_that_can_not_be_read_is_told_and_hides_nothing(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("fox", "hen", "owl"):
        await add(place.store, name)
    place.put("hen.json", b"{")
    assert await pending(Aged(place.store, 2 * DAY)) == ["fox", "owl"]
    assert "hen" in caplog.text
    assert await marks(place.store) == ["fox", "hen", "owl"]


async def test_a_mark_may_be_removed_twice_and_by_two_readers_at_once(place: Place) -> None:
    for number in range(5):
        await add(place.store, f"over-{number}", RecordState.FAILED)
    assert await asyncio.gather(pending(place.store), pending(place.store)) == [[], []]
    await place.store.unmark("over-1", "c1" * 16)
    assert await marks(place.store) == []


async def test_the_index_is_read_page_after_page(bucket: Bucket) -> None:
    """S3 gives 1,000 keys a page; here the bucket is asked for three, of which some go while it is read."""
    session = bucket.new_session()
    pages = []

    def three_a_page(params: dict[str, Any], **_: object) -> None:
        pages.append(params.setdefault("MaxKeys", 3))

    session.events.register("provide-client-params.s3.ListObjectsV2", three_a_page)
    store = S3Store(bucket.options(session_factory=lambda: session))
    names = [f"clips/{number:02}" for number in range(10)]
    for name in names:
        await add(store, name, RecordState.FAILED if name in names[::3] else RecordState.SUBMITTED)
    left = [name for name in names if name not in names[::3]]
    assert await pending(store) == left
    assert len(pages) == 4
    assert await marks(store) == left


@pytest.mark.parametrize("completed", [0, 200])
async def test_the_cost_does_not_depend_on_what_is_completed(bucket: Bucket, proxy: Proxy, completed: int) -> None:
    done = record("done", state=RecordState.COMPLETED).to_json()
    with ThreadPoolExecutor() as pool:
        puts = [
            pool.submit(bucket.client.put_object, Bucket=bucket.name, Key=f"videos/done-{number}.json", Body=done)
            for number in range(completed)
        ]
    assert all(put.result() for put in puts)
    await add(S3Store(bucket.options()), "hen")
    store = S3Store(bucket.options(endpoint_url=proxy.endpoint))
    assert await pending(store) == ["hen"]
    assert [line.partition(" ")[0] for line in proxy.lines] == ["GET", "GET"]
    assert "list-type=2" in proxy.lines[0]
    assert "hen.json" in proxy.lines[1]
