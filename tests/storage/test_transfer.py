"""From a stream to a stored video: all checks pass, or nothing is there."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from prefect_octopusx.api.errors import DownloadError
from prefect_octopusx.storage.local import LocalStore
from prefect_octopusx.storage.transfer import StoredVideo, transfer
from tests.storage.conftest import MIB, Place, mp4, pieces


@pytest.mark.parametrize("content_type", [None, "", "video/mp4", "application/octet-stream", "binary/octet-stream"])
async def test_a_whole_video_is_stored(place: Place, content_type: str | None) -> None:
    video = mp4(300_000)
    stored = await transfer(place.store, "a/fox", pieces(video), declared_length=len(video), content_type=content_type)
    assert stored == StoredVideo(place.store.uri("a/fox"), len(video), hashlib.sha256(video).hexdigest())
    assert place.files() == ["a/fox.mp4"]
    assert place.get("a/fox.mp4") == video


async def test_parts_arrive_in_order(place: Place) -> None:
    """Two and a half parts of 5 MiB for S3."""
    video = mp4(12 * MIB + 345)
    stored = await transfer(place.store, "fox", pieces(video, 700_001), declared_length=None, content_type=None)
    assert place.files() == ["fox.mp4"]
    assert hashlib.sha256(place.get("fox.mp4")).hexdigest() == stored.sha256


async def test_an_earlier_video_is_replaced_only_by_a_whole_one(place: Place) -> None:
    first, second = mp4(1000), mp4(6 * MIB)
    await transfer(place.store, "fox", pieces(first), declared_length=None, content_type=None)
    with pytest.raises(DownloadError, match="cut"):
        await transfer(place.store, "fox", pieces(second[:-1]), declared_length=None, content_type=None)
    assert place.get("fox.mp4") == first
    await transfer(place.store, "fox", pieces(second), declared_length=len(second), content_type=None)
    assert place.get("fox.mp4") == second
    assert place.files() == ["fox.mp4"]


@pytest.mark.parametrize("pictures", [1000, 11 * MIB])
@pytest.mark.parametrize("fault", ["cut", "empty", "too short", "too long", "a page", "a JSON type", "the sender"])
async def test_nothing_is_left_of_what_is_not_whole(place: Place, fault: str, pictures: int) -> None:
    video = mp4(pictures)
    chunks, declared, content_type, message = pieces(video), len(video), "video/mp4", "broke"
    match fault:
        case "cut":
            chunks, message = pieces(video[:-1]), "declared, .* arrived"
        case "empty":
            chunks, message = pieces(b""), "0 bytes arrived"
        case "too short":
            declared, message = len(video) + 1, "cut"
        case "too long":
            declared, message = len(video) - 1, "more arrives than was declared"
        case "a page":
            chunks, message = pieces(b"<!DOCTYPE html>".ljust(len(video))), "HTML page"
        case "a JSON type":
            content_type, message = "application/problem+json; charset=utf-8", "gave application/problem"
        case "the sender":
            chunks = broken(video)
    with pytest.raises((DownloadError, OSError), match=message):
        await transfer(place.store, "fox", chunks, declared_length=declared, content_type=content_type)
    assert place.files() == []


@pytest.mark.parametrize("kind", ["text/html", "application/xhtml+xml", "application/json", "TEXT/XML; charset=utf-8"])
async def test_a_type_that_is_no_video_is_refused_before_anything_is_read(tmp_path: Path, kind: str) -> None:
    chunks = pieces(mp4())
    with pytest.raises(DownloadError, match="not a video"):
        await transfer(LocalStore(tmp_path), "fox", chunks, declared_length=None, content_type=kind)
    assert await anext(chunks)


async def test_too_much_is_refused_at_once(tmp_path: Path) -> None:
    chunks = pieces(mp4(10 * MIB))
    with pytest.raises(DownloadError, match="more arrives"):
        await transfer(LocalStore(tmp_path), "fox", chunks, declared_length=1000, content_type=None)
    assert await anext(chunks)


@pytest.mark.parametrize("pictures", [1000, 11 * MIB])
async def test_nothing_is_left_when_cancelled(place: Place, pictures: int) -> None:
    stuck = asyncio.Event()

    async def stalling() -> AsyncIterator[bytes]:
        async for chunk in pieces(mp4(pictures)[:-1]):
            yield chunk
        stuck.set()
        await asyncio.Event().wait()

    work = asyncio.create_task(transfer(place.store, "fox", stalling(), declared_length=None, content_type=None))
    await stuck.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert place.files() == []


async def test_two_at_once_leave_one_whole_video(place: Place) -> None:
    videos = [mp4(6 * MIB + extra) for extra in range(2)]
    await asyncio.gather(
        *(transfer(place.store, "fox", pieces(video), declared_length=None, content_type=None) for video in videos)
    )
    assert place.files() == ["fox.mp4"]
    assert place.get("fox.mp4") in videos


async def broken(video: bytes) -> AsyncIterator[bytes]:
    async for chunk in pieces(video[: len(video) * 2 // 3]):
        yield chunk
    raise ConnectionResetError("the connection broke")
