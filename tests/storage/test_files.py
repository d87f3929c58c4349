"""Files beside the videos, and files that a user names by a path or an S3 URI."""

from pathlib import Path

import pytest

from prefect_octopusx.storage import DestinationError, S3Store, read_location
from tests.storage.conftest import Bucket, Place

MIB = 2**20


async def test_a_file_is_written_read_and_written_over(place: Place) -> None:
    assert await place.store.read_file("autumn/launch-results.jsonl") is None
    address = await place.store.write_file("autumn/launch-results.jsonl", b"first\n")
    assert address.endswith("/autumn/launch-results.jsonl")
    await place.store.write_file("autumn/launch-results.jsonl", b"second\n")
    assert await place.store.read_file("autumn/launch-results.jsonl") == b"second\n"
    assert place.files() == ["autumn/launch-results.jsonl"]


async def test_a_file_can_not_take_a_videos_or_a_records_place(place: Place) -> None:
    for name in ("hero.mp4", "hero.json", "../hero.jsonl"):
        with pytest.raises(ValueError, match="name"):
            await place.store.write_file(name, b"x")
    assert place.files() == []


async def test_the_address_of_a_file_in_a_bucket_is_readable(bucket: Bucket) -> None:
    uri = await S3Store(bucket.options()).write_file("launch-results.jsonl", b"x\n")
    assert uri == f"s3://{bucket.name}/videos/launch-results.jsonl"
    assert await read_location(uri, like=bucket.options()) == b"x\n"
    found = bucket.client.get_object(Bucket=bucket.name, Key="videos/launch-results.jsonl")
    assert found["ContentType"] == "application/jsonl"


async def test_an_object_of_any_bucket_and_key_is_read(bucket: Bucket) -> None:
    key = "plans & lists/März (1).csv"
    bucket.client.put_object(Bucket=bucket.name, Key=key, Body=b"name\n")
    elsewhere = bucket.options(bucket="somewhere-else", prefix="there")
    assert await read_location(f"s3://{bucket.name}/{key}", like=elsewhere) == b"name\n"


async def test_a_path_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "launch.csv").write_bytes(b"name\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for location in (str(tmp_path / "launch.csv"), "launch.csv", "~/launch.csv"):
        assert await read_location(location) == b"name\n"


async def test_what_is_not_there_is_told(bucket: Bucket, tmp_path: Path) -> None:
    for location, said in {
        str(tmp_path / "none.csv"): r"none\.csv can't be read: No such file",
        str(tmp_path): "directory",
        "with\0zero": "can't be read",
        f"s3://{bucket.name}/none.csv": r"none\.csv does not exist",
        "s3://no-such-bucket-here/none.csv": "does not exist",
        f"s3://{bucket.name}": "names no object",
        "s3:///key": "names no object",
    }.items():
        with pytest.raises(DestinationError, match=said):
            await read_location(location, like=bucket.options())


async def test_what_is_far_too_large_is_not_read(bucket: Bucket, tmp_path: Path) -> None:
    large = tmp_path / "large.jsonl"
    with large.open("wb") as file:
        file.truncate(32 * MIB + 1)
    bucket.client.put_object(Bucket=bucket.name, Key="large.jsonl", Body=b" " * (32 * MIB + 1))
    for location in (str(large), f"s3://{bucket.name}/large.jsonl"):
        with pytest.raises(DestinationError, match="larger than 33554432 bytes"):
            await read_location(location, like=bucket.options())
