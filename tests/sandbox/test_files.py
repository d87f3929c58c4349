"""The finished videos: real clips, signed URLs, the content endpoint."""

import hashlib
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest

from prefect_octopusx.sandbox.clips import RATIOS, clip_path, cover_path

if TYPE_CHECKING:
    from tests.sandbox.conftest import Client, Clock, Start


def boxes(content: bytes) -> list[str]:
    """Return the names of an MP4's top-level boxes; they must fill it."""
    names, at = [], 0
    while at < len(content):
        size = int.from_bytes(content[at : at + 4])
        names.append(content[at + 4 : at + 8].decode())
        assert size >= 8
        at += size
    assert at == len(content)
    return names


@pytest.mark.parametrize("ratio", RATIOS)
def test_clips_are_small_and_start_at_once(ratio: str) -> None:
    content = clip_path(ratio).read_bytes()

    assert len(content) < 60_000
    names = boxes(content)
    assert names[0] == "ftyp"
    assert names.index("moov") < names.index("mdat")
    assert cover_path(ratio).read_bytes().startswith(b"\xff\xd8")


def test_an_unknown_ratio_has_a_clip_too() -> None:
    assert clip_path("5:4").read_bytes() == clip_path("16:9").read_bytes()


def test_two_videos_are_two_files(instant: "Client", plain: httpx.Client) -> None:
    contents = [plain.get(instant.video_url(instant.create_id())).content for _ in range(2)]

    assert len({hashlib.sha256(content).digest() for content in contents}) == 2
    assert all(boxes(content)[-1] == "free" for content in contents)


@pytest.mark.parametrize(
    ("body", "ratio"),
    [
        ({"aspect_ratio": "3:4"}, "3:4"),
        ({}, "16:9"),
        ({"model": "veo3.1"}, "9:16"),
        ({"model": "veo3.1", "size": "1280x720"}, "16:9"),
        ({"model": "sora-2", "orientation": "portrait"}, "9:16"),
        ({"model": "grok-video-3", "aspect_ratio": "2:3"}, "2:3"),
    ],
)
def test_the_clip_has_the_ratio_that_was_asked_for(
    instant: "Client", plain: httpx.Client, body: dict[str, Any], ratio: str
) -> None:
    video = plain.get(instant.video_url(instant.create_id(**body)))

    assert video.content.startswith(clip_path(ratio).read_bytes())
    assert video.headers["content-type"] == "video/mp4"
    assert int(video.headers["content-length"]) == len(video.content)


def test_signed_urls_are_at_another_origin_and_take_no_key(instant: "Client", plain: httpx.Client) -> None:
    url = instant.video_url(instant.create_id())

    assert urlsplit(url).port != urlsplit(instant.sandbox.url).port
    assert plain.get(url).status_code == 200
    leaked = plain.get(url, headers={"authorization": f"Bearer {instant.sandbox.key}"})
    assert leaked.status_code == 400
    assert "<Code>InvalidArgument</Code>" in leaked.text


def test_a_wrong_signature_is_refused(instant: "Client", plain: httpx.Client) -> None:
    first, second = (urlsplit(instant.video_url(instant.create_id())) for _ in range(2))
    for url in (
        first._replace(query=""),
        first._replace(path=second.path),
        first._replace(query=first.query.replace("expires=", "expires=9")),
    ):
        reply = plain.get(url.geturl())
        assert reply.status_code == 403
        assert "<Code>SignatureDoesNotMatch</Code>" in reply.text
        assert reply.headers["content-type"].startswith("application/xml")


def test_signed_urls_expire_and_a_query_gives_a_fresh_one(start: "Start", clock: "Clock", plain: httpx.Client) -> None:
    client = start(generation=0, url_lifetime=60)
    task_id = client.create_id()
    url = client.video_url(task_id)
    clock.now += 59
    assert client.video_url(task_id) == url
    assert plain.get(url).status_code == 200

    clock.now += 1

    expired = plain.get(url)
    assert expired.status_code == 403
    assert "Request has expired" in expired.text
    assert plain.get(client.video_url(task_id)).status_code == 200


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [("bytes=0-9", 206, slice(0, 10)), ("bytes=100-", 206, slice(100, None)), ("lines=1-2", 200, slice(None))],
)
def test_ranges(instant: "Client", plain: httpx.Client, asked: str, status: int, part: slice) -> None:
    url = instant.video_url(instant.create_id())
    whole = plain.get(url).content

    reply = plain.get(url, headers={"range": asked})

    assert (reply.status_code, reply.content) == (status, whole[part])


def test_a_range_behind_the_end(instant: "Client", plain: httpx.Client) -> None:
    reply = plain.get(instant.video_url(instant.create_id()), headers={"range": "bytes=9999999-"})

    assert reply.status_code == 416


def test_covers(instant: "Client", plain: httpx.Client) -> None:
    task_id = instant.create_id(model="jimeng-video-3.0", aspect_ratio="1:1", size="720P")

    cover = plain.get(instant.query(task_id).json()["thumbnail_url"])

    assert (cover.headers["content-type"], cover.content) == ("image/jpeg", cover_path("1:1").read_bytes())


def test_the_content_endpoint(client: "Client", clock: "Clock") -> None:
    task_id = client.create_id(model="sora-2")
    early = client.http.get(f"/v1/videos/{task_id}/content")
    clock.now += 10
    video = client.http.get(f"/v1/videos/{task_id}/content")
    unknown = client.http.get("/v1/videos/x/content")

    assert (early.status_code, unknown.status_code) == (400, 404)
    assert "code" not in early.json()["error"]
    assert boxes(video.content)[0] == "ftyp"


def test_the_files_of_forgotten_jobs_are_gone(instant: "Client", plain: httpx.Client) -> None:
    url = instant.video_url(instant.create_id())
    instant.sandbox.reset()

    assert plain.get(url).status_code == 404
