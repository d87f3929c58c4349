"""Poster and player beside a stored video."""

import hashlib
import logging
import sys
from io import BytesIO
from pathlib import Path

import av
import pytest

from prefect_octopusx.storage import (
    LocalStore,
    RecordState,
    S3Store,
    VideoFacts,
    VideoRecord,
    VideoStore,
    add_extras,
    has_poster,
    pending_videos,
)
from tests.films import film
from tests.storage.conftest import MIB, Bucket, Place, record

CLIPS = Path(__file__).parents[2] / "sandbox" / "clips"
LOGGER = logging.getLogger("test")


def completed(video: bytes, name: str = "clips/fox") -> VideoRecord:
    sha256 = hashlib.sha256(video).hexdigest()
    return record(name, state=RecordState.COMPLETED, task_id="t-1", size=len(video), sha256=sha256)


async def stored(store: VideoStore, video: bytes, name: str = "clips/fox") -> VideoRecord:
    async with store.writer(name) as writer:
        await writer.write(video)
        await writer.commit()
    return completed(video, name)


def size(jpeg: bytes) -> tuple[int, int]:
    """Decode a picture as a browser does."""
    with av.open(BytesIO(jpeg)) as container:
        (frame,) = container.decode(video=0)
        return frame.width, frame.height


def brightness(jpeg: bytes) -> float:
    with av.open(BytesIO(jpeg)) as container:
        (frame,) = container.decode(video=0)
        pixels = bytes(frame.reformat(width=16, height=16, format="gray").planes[0])
    return sum(pixels) / len(pixels)


@pytest.mark.parametrize(("clip", "shape"), [("16x9", (640, 360)), ("9x16", (360, 640)), ("21x9", (640, 274))])
async def test_a_poster_lies_beside_the_video_and_the_facts_are_told(
    place: Place, clip: str, shape: tuple[int, int]
) -> None:
    video = (CLIPS / f"{clip}.mp4").read_bytes()
    done = await stored(place.store, video)
    extras = await add_extras(place.store, done, logger=LOGGER)
    assert extras.poster
    assert extras.facts is not None
    assert extras.facts[2:] == (3.0, 12.0, True)
    assert place.files() == ["clips/fox.jpg", "clips/fox.mp4"]
    assert size(place.get("clips/fox.jpg")) == shape
    assert len(place.get("clips/fox.jpg")) < 40_000
    assert await has_poster(place.store, "clips/fox", done.sha256)
    assert not await has_poster(place.store, "clips/fox", "0" * 64)


async def test_the_poster_is_no_black_frame(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    extras = await add_extras(store, await stored(store, film((20, 0), (20, 200))), logger=LOGGER)
    assert extras == (VideoFacts(64, 48, 4.0, 10.0, has_audio=False), True, False)
    assert brightness((tmp_path / "clips/fox.jpg").read_bytes()) > 100


@pytest.mark.parametrize("frames", [1, 3, 30])
async def test_a_short_or_a_dark_video_has_one_too(tmp_path: Path, frames: int) -> None:
    store = LocalStore(tmp_path)
    assert (await add_extras(store, await stored(store, film((frames, 0))), logger=LOGGER)).poster


async def test_a_poster_is_made_once_and_again_for_another_video(place: Place) -> None:
    done = await stored(place.store, film((12, 200)))
    await add_extras(place.store, done, logger=LOGGER)
    first = place.get("clips/fox.jpg")
    place.put("clips/fox.jpg", first + b"touched")
    assert (await add_extras(place.store, done, logger=LOGGER)).poster
    assert place.get("clips/fox.jpg") == first + b"touched"
    anew = await stored(place.store, film((12, 100)))  # somebody removed the first one to have it made anew
    await add_extras(place.store, anew, logger=LOGGER)
    assert await has_poster(place.store, "clips/fox", anew.sha256)
    assert brightness(place.get("clips/fox.jpg")) < brightness(first) - 20


async def test_a_file_of_somebody_else_stays(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    place.store.player = True
    mine = b"a picture of mine, made with prefect-octopusx for our launch"
    for suffix in ("jpg", "html"):
        place.put(f"clips/fox.{suffix}", mine)
    extras = await add_extras(place.store, await stored(place.store, film((12, 200))), logger=LOGGER)
    assert (extras.poster, extras.player) == (False, False)
    assert extras.facts is not None
    for suffix, what in (("jpg", "poster"), ("html", "player")):
        assert place.get(f"clips/fox.{suffix}") == mine
        assert f"clips/fox.{suffix} is not its {what}; left as it is" in caplog.text


def laid(folder: Path, video: bytes) -> tuple[LocalStore, VideoRecord]:
    (folder / "clips").mkdir()
    (folder / "clips/fox.mp4").write_bytes(video)
    return LocalStore(folder), completed(video)


@pytest.mark.parametrize(
    "video", [b"", b"no video at all", (CLIPS / "16x9.mp4").read_bytes()[:9000]], ids=["empty", "text", "cut"]
)
async def test_what_can_not_be_decoded_is_a_warning_that_names_the_video(
    tmp_path: Path, video: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    assert not (await add_extras(*laid(tmp_path, video), logger=LOGGER)).poster
    assert "clips/fox: its poster could not be made: it can't be decoded" in caplog.text
    assert [path.name for path in (tmp_path / "clips").iterdir()] == ["fox.mp4"]


async def test_frames_of_monstrous_size_are_not_decoded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    video = film((1, 100), width=8176, height=4096)
    assert not (await add_extras(*laid(tmp_path, video), logger=LOGGER)).poster
    assert "clips/fox: its poster could not be made: frames of 8176 by 4096 pixels are not decoded" in caplog.text


async def test_a_small_file_can_not_ask_for_gigabytes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """FFmpeg makes its index of samples by what the tables say, 4 GB for these, before it reads any."""
    video, many = bytearray(film((20, 100))), (80_000_000).to_bytes(4)
    sizes, times, chunks = (video.index(kind) for kind in (b"stsz", b"stts", b"stsc"))
    video[sizes + 8 : sizes + 16] = (1).to_bytes(4) + many
    video[times + 12 : times + 16] = video[chunks + 16 : chunks + 20] = many
    assert not (await add_extras(*laid(tmp_path, bytes(video)), logger=LOGGER)).poster
    assert "clips/fox: its poster could not be made: it says that it has more than 2,000,000 samples" in caplog.text


async def test_a_codec_that_nobody_knows_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    video = film((20, 100))
    for codec in (b"avc1", b"mp4v", b"avcC", b"esds"):
        video = video.replace(codec, b"zzzz")
    assert not (await add_extras(*laid(tmp_path, video), logger=LOGGER)).poster
    assert "clips/fox: its poster could not be made: there is no video in it" in caplog.text


async def test_without_a_decoder_nothing_happens(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    done = await stored(place.store, film((12, 200)))
    assert await add_extras(place.store, done, logger=LOGGER) == (None, False, False)
    assert [entry for entry in caplog.records if entry.name == LOGGER.name] == []
    assert place.files() == ["clips/fox.mp4"]


async def test_nothing_is_read_or_made_where_it_is_not_wanted(tmp_path: Path) -> None:
    store = LocalStore(tmp_path, poster=False)
    done = await stored(store, film((12, 200)))
    assert await add_extras(store, done, logger=LOGGER) == (None, False, False)
    assert [path.name for path in (tmp_path / "clips").iterdir()] == ["fox.mp4"]


async def test_the_player_is_a_page_that_needs_nothing_but_what_lies_beside_it(place: Place) -> None:
    place.store.player = True
    done = (await stored(place.store, film((12, 200)))).model_copy(update={"model": '<script>"&'})
    assert (await add_extras(place.store, done, logger=LOGGER)).player
    page = place.get("clips/fox.html").decode()
    assert '<video controls preload="metadata" poster="fox.jpg" src="fox.mp4"></video>' in page
    assert "&lt;script&gt;&quot;&amp; · 64 × 48 · 1.2 s" in page  # noqa: RUF001 - the sign that people know
    assert "<script" not in page
    assert "//" not in page
    assert str(done.sha256) in page


async def test_files_in_a_bucket_have_their_kinds(bucket: Bucket) -> None:
    store = S3Store(bucket.options(player=True, part_size=5 * MIB))
    await add_extras(store, await stored(store, film((12, 200))), logger=LOGGER)
    kinds = {
        suffix: bucket.client.head_object(Bucket=bucket.name, Key=f"videos/clips/fox.{suffix}")["ContentType"]
        for suffix in ("jpg", "html", "mp4")
    }
    assert kinds == {"jpg": "image/jpeg", "html": "text/html; charset=utf-8", "mp4": "video/mp4"}


async def test_records_marks_and_the_longest_names_are_left_alone(place: Place) -> None:
    place.store.player = True
    longest = "x" * 176 + ".jpg"
    for name in ("fox", "fox.jpg", longest):  # a video may be called like another one's poster
        done = await stored(place.store, film((12, 200)), name)
        await place.store.create(done)
        extras = await add_extras(place.store, done, logger=LOGGER)
        assert (extras.poster, extras.player) == (True, True)
    assert len(place.files()) == 3 * 4
    for name in ("fox", "fox.jpg", longest):
        await place.store.sweep(name)
        assert await place.store.has_video(name)
    assert [entry async for entry in pending_videos(place.store)] == []
    assert len(place.files()) == 3 * 4
