"""Reading a stored video here and there, without holding it."""

import random
import tracemalloc
from pathlib import Path

import pytest

from prefect_octopusx.storage import DestinationError, LocalStore, S3Store
from prefect_octopusx.storage.reading import RangeReader
from tests.storage.conftest import MIB, Bucket, Place, Proxy

VIDEO = random.Random(7).randbytes(3 * MIB + 17)


def test_any_part_of_a_video_is_read(place: Place) -> None:
    place.put("clips/fox.mp4", VIDEO)
    file = place.store.open("clips/fox")
    assert file is not None
    with file:
        assert file.seek(0, 2) == len(VIDEO)
        assert file.read(10) == b""
        for start, length in [(0, 5), (MIB // 2 - 3, 6), (3 * MIB, 40), (2 * MIB, MIB), (1, 2 * MIB)]:
            assert file.seek(start) == start
            wanted, found = VIDEO[start : start + length], b""
            while len(found) < len(wanted):
                found += file.read(len(wanted) - len(found))
            assert found == wanted
            assert file.tell() == start + len(wanted)


def test_what_is_not_there_is_none_and_what_is_empty_is_empty(place: Place) -> None:
    assert place.store.open("fox") is None
    place.put("fox.jpg", b"")
    file = place.store.open("fox", ".jpg")
    assert file is not None
    with file:
        assert file.read(10) == b""


def test_a_look_at_the_head_of_an_object_is_one_request_for_a_part_of_it(bucket: Bucket, proxy: Proxy) -> None:
    bucket.client.put_object(Bucket=bucket.name, Key="videos/fox.mp4", Body=VIDEO)
    file = S3Store(bucket.options(endpoint_url=proxy.endpoint)).open("fox")
    assert file is not None
    with file:
        file.read(32)
        file.seek(1000)
        file.read(32)
    assert len(proxy.lines) == 1
    assert proxy.headers[0]["Range"] == "bytes=0-524287"


def test_memory_stays_constant() -> None:
    tracemalloc.start()
    try:
        with RangeReader(64 * MIB, lambda start, end: bytes(end - start)) as file:
            while file.read(MIB):
                pass
            assert file.tell() == 64 * MIB
        assert tracemalloc.get_traced_memory()[1] < 5 * MIB
    finally:
        tracemalloc.stop()


def test_two_versions_of_an_object_are_never_mixed(bucket: Bucket) -> None:
    for data in (VIDEO, VIDEO[::-1]):
        bucket.client.put_object(Bucket=bucket.name, Key="videos/fox.mp4", Body=data)
        if data is VIDEO:
            file = S3Store(bucket.options()).open("fox")
    assert file is not None
    with file:
        file.seek(2 * MIB)
        with pytest.raises(DestinationError, match=r"GetObject of s3://.*fox\.mp4.* failed"):
            file.read(10)


def test_a_folder_that_can_not_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "fox.mp4").mkdir()
    with pytest.raises(DestinationError, match="a folder lies where the file belongs"):
        LocalStore(tmp_path).open("fox")
