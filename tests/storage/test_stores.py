"""What every store promises about records, asked of both."""

import asyncio
from pathlib import Path

import pytest

from prefect_octopusx.storage.errors import DestinationError, RecordConflict, RecordInvalid
from prefect_octopusx.storage.local import LocalStore
from prefect_octopusx.storage.records import RecordState, VideoRecord
from prefect_octopusx.storage.s3 import S3Store
from prefect_octopusx.storage.store import Entry
from tests.storage.conftest import Bucket, Place, mp4, record


def same(found: Entry | None, written: Entry) -> bool:
    """Tell whether two entries are alike but for their age."""
    return found is not None and found[:2] == written[:2]


async def test_a_record_is_created_read_and_replaced(place: Place) -> None:
    assert await place.store.read("clips/fox") is None
    created = await place.store.create(record())
    assert same(await place.store.read("clips/fox"), created)
    replaced = await place.store.replace(created, created.record.moved(RecordState.SUBMITTED, task_id="t-1"))
    assert replaced.version != created.version
    assert same(await place.store.read("clips/fox"), replaced)
    assert place.files() == ["clips/fox.json"]
    assert VideoRecord.from_json(place.get("clips/fox.json"), where="here").task_id == "t-1"


async def test_fields_of_a_later_version_are_kept(place: Place) -> None:
    place.put("fox.json", record("fox", mood="sly").to_json())
    entry = await place.store.read("fox")
    assert entry is not None
    await place.store.replace(entry, entry.record.moved(RecordState.FAILED))
    assert b'"mood": "sly"' in place.get("fox.json")


async def test_a_second_create_is_a_conflict(place: Place) -> None:
    first = await place.store.create(record())
    with pytest.raises(RecordConflict, match=r"clips/fox\.json"):
        await place.store.create(record())
    assert same(await place.store.read("clips/fox"), first)


async def test_a_stale_or_lost_record_is_not_replaced(place: Place) -> None:
    created = await place.store.create(record())
    await place.store.replace(created, created.record.moved(RecordState.REFUSED))
    with pytest.raises(RecordConflict):
        await place.store.replace(created, created.record.moved(RecordState.SUBMITTED))
    for name in ("gone", "no-folder/gone"):
        with pytest.raises(RecordConflict):
            await place.store.replace(Entry(record(name), created.version), record(name))
    assert place.files() == ["clips/fox.json"]


async def test_writing_the_very_same_record_again_is_no_conflict(place: Place) -> None:
    """Who did not learn that it was written may simply try again."""
    claim = record()
    created = await place.store.create(claim)
    assert await place.store.create(claim) == created
    submitted = claim.moved(RecordState.SUBMITTED, task_id="t-1")
    replaced = await place.store.replace(created, submitted)
    assert await place.store.replace(created, submitted) == replaced


async def test_of_many_creators_one_wins(place: Place) -> None:
    claims = [record() for _ in range(16)]
    results = await asyncio.gather(*(place.store.create(claim) for claim in claims), return_exceptions=True)
    winners = [result for result in results if isinstance(result, Entry)]
    assert len(winners) == 1
    assert sum(isinstance(result, RecordConflict) for result in results) == 15
    assert same(await place.store.read("clips/fox"), winners[0])
    assert place.files() == ["clips/fox.json"]


async def test_of_many_changers_one_wins(place: Place) -> None:
    created = await place.store.create(record())
    results = await asyncio.gather(
        *(place.store.replace(created, created.record.moved(RecordState.SUBMITTED, task_id=f"{n}")) for n in range(16)),
        return_exceptions=True,
    )
    winners = [result for result in results if isinstance(result, Entry)]
    assert len(winners) == 1
    assert same(await place.store.read("clips/fox"), winners[0])
    assert place.files() == ["clips/fox.json"]


@pytest.mark.parametrize("data", [b"", b"{not json", b'{"schema_version": 2}', b"[]", b"\xff\xfe"])
async def test_what_is_not_a_record_is_left_alone(place: Place, data: bytes) -> None:
    place.put("fox.json", data)
    with pytest.raises(RecordInvalid, match=r"fox\.json"):
        await place.store.read("fox")
    with pytest.raises(RecordConflict):
        await place.store.create(record("fox"))
    assert place.get("fox.json") == data


@pytest.mark.parametrize("data", [mp4(), b""])
async def test_a_video_is_noticed(place: Place, data: bytes) -> None:
    assert not await place.store.has_video("clips/fox")
    place.put("clips/fox.mp4", data)
    assert await place.store.has_video("clips/fox")
    assert not await place.store.has_video("clips/fo")


@pytest.mark.parametrize("name", ["../fox", "/fox", "a//b", ".fox", "fox.mp4", ""])
async def test_a_name_can_not_lead_elsewhere(place: Place, name: str) -> None:
    with pytest.raises(ValueError, match="name:"):
        place.store.uri(name)
    with pytest.raises(ValueError, match="name:"):
        await place.store.read(name)
    with pytest.raises(ValueError, match="name:"):
        await place.store.create(record(name))
    with pytest.raises(ValueError, match="name:"):
        async with place.store.writer(name):
            pass


async def test_leaving_a_writer_without_commit_leaves_nothing(place: Place) -> None:
    for length in (1000, 6 * 1024 * 1024):
        async with place.store.writer("fox") as writer:
            await writer.write(mp4(length))
    assert place.files() == []


def test_addresses(bucket: Bucket, tmp_path: Path) -> None:
    assert S3Store(bucket.options(prefix="/a/b/")).uri("c/fox") == f"s3://{bucket.name}/a/b/c/fox.mp4"
    assert S3Store(bucket.options(prefix="")).uri("fox") == f"s3://{bucket.name}/fox.mp4"
    assert LocalStore(tmp_path / "x" / ".." / "y").uri("c/fox") == f"{tmp_path}/y/c/fox.mp4"


async def test_both_name_the_place_when_it_is_not_there(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for store, place in (
        (S3Store(bucket.options(bucket="not-there")), "not-there"),
        (LocalStore(tmp_path / "file"), str(tmp_path / "file")),
    ):
        with pytest.raises(DestinationError, match=place):
            await store.read("fox")
        with pytest.raises(DestinationError, match=place):
            await store.create(record())
        with pytest.raises(DestinationError, match=place):
            await store.has_video("fox")
        with pytest.raises(DestinationError, match=place):  # noqa: PT012 - either may be where it is noticed
            async with store.writer("fox") as writer:
                await writer.write(mp4())
                await writer.commit()
