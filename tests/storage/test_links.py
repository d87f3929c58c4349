"""Where a browser finds a stored video."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from prefect_octopusx.storage import LocalStore, S3Options, S3Store, check_public_base_url
from tests.storage.conftest import Bucket


@pytest.mark.parametrize(
    "url",
    [
        "cdn.example.com",
        "ftp://cdn.example.com",
        "https://",
        "https://user:pw@cdn.example.com",
        "https://cdn.example.com/?token=1",
        "https://cdn.example.com/#a",
        "https://cdn.example.com/a b",
        'https://cdn.example.com/"><script>',
        "https://cdn.example.com:x",
        "https://cdn.example.com/\n",
        "javascript://cdn.example.com/%0aalert(1)",
    ],
)
def test_a_public_base_url_is_an_address_alone(url: str) -> None:
    with pytest.raises(ValueError, match="public_base_url: it is a plain address") as caught:
        check_public_base_url(url)
    assert "token" not in str(caught.value)
    assert "pw" not in str(caught.value)


async def test_a_public_address_has_the_name_below_it(tmp_path: Path) -> None:
    bucket = S3Store(S3Options(bucket="videos", prefix="clips", public_base_url="https://cdn.example.com/v/"))
    for store in (bucket, LocalStore(tmp_path, public_base_url="https://cdn.example.com/v")):
        link = await store.link("März/fox.1", ".jpg")
        assert link is not None
        assert link.url == "https://cdn.example.com/v/M%C3%A4rz/fox.1.jpg"
        assert link.is_file
        assert link.until is None


async def test_a_folder_without_a_public_address_has_no_links(tmp_path: Path) -> None:
    assert await LocalStore(tmp_path).link("fox") is None


@pytest.mark.parametrize(
    ("region", "url"),
    [
        ("eu-central-1", "https://eu-central-1.console.aws.amazon.com/s3/object/my-videos?region=eu-central-1&prefix="),
        ("cn-north-1", "https://console.amazonaws.cn/s3/object/my-videos?region=cn-north-1&prefix="),
        ("us-gov-west-1", "https://console.amazonaws-us-gov.com/s3/object/my-videos?region=us-gov-west-1&prefix="),
    ],
)
async def test_an_object_of_aws_is_shown_in_its_console(region: str, url: str) -> None:
    link = await S3Store(S3Options(bucket="my-videos", prefix="März", region=region)).link("a/fox")
    assert link is not None
    assert link.url == f"{url}M%C3%A4rz/a/fox.mp4"
    assert not link.is_file


async def test_another_store_has_no_console(monkeypatch: pytest.MonkeyPatch, bucket: Bucket) -> None:
    assert await S3Store(bucket.options()).link("fox") is None
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://minio.example.com")
    assert await S3Store(S3Options(bucket="my-videos", region="us-east-1")).link("fox") is None


async def test_a_presigned_link_opens_the_file_and_says_how_long(bucket: Bucket) -> None:
    bucket.client.put_object(Bucket=bucket.name, Key="videos/fox.mp4", Body=b"a video", ContentType="video/mp4")
    before = datetime.now(UTC)
    link = await S3Store(bucket.options(presigned_link_hours=24)).link("fox")
    assert link is not None
    assert link.until is not None
    assert timedelta(0) <= link.until - before - timedelta(hours=24) < timedelta(minutes=1)
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in link.url
    assert "X-Amz-Expires=86400" in link.url
    async with httpx.AsyncClient() as client:
        reply = await client.get(link.url)
    assert (reply.content, reply.headers["Content-Type"]) == (b"a video", "video/mp4")


async def test_a_presigned_link_goes_to_the_region_of_the_bucket() -> None:
    link = await S3Store(S3Options(bucket="my-videos", region="eu-south-2", presigned_link_hours=1)).link("fox")
    assert link is not None
    assert link.url.startswith("https://my-videos.s3.eu-south-2.amazonaws.com/fox.mp4?")


async def test_asking_for_links_changes_nothing_for_another_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://minio.example.com")
    link = await S3Store(S3Options(bucket="my-videos", region="us-east-1", presigned_link_hours=1)).link("fox")
    assert link is not None
    assert link.url.startswith("https://minio.example.com/my-videos/fox.mp4?")


@pytest.mark.parametrize("hours", [0, -1, 169])
def test_presigned_links_last_an_hour_to_a_week(hours: int) -> None:
    with pytest.raises(ValueError, match=f"presigned_link_hours: {hours} is not from 1 to 168"):
        S3Options(bucket="videos", presigned_link_hours=hours)


def test_a_public_address_needs_no_signature() -> None:
    with pytest.raises(ValueError, match="give one of them"):
        S3Options(bucket="videos", presigned_link_hours=1, public_base_url="https://cdn.example.com")
