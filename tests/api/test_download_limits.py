"""No video is endless, neither in bytes nor in time; against real servers."""

import asyncio

import pytest

from prefect_octopusx.api import DownloadError, DownloadRefused, OctopusXClient
from prefect_octopusx.api.download import DownloadLimits, open_video
from tests.api.gateways import http_answer
from tests.api.strangers import Answer, Stranger, fetch

pytestmark = pytest.mark.usefixtures("no_proxies")

KEY = "sk-0123456789abcdef"


async def endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not writer.is_closing():
        writer.write(bytes(65536))
        await writer.drain()


async def dripping(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    await drip(writer)


async def drip(writer: asyncio.StreamWriter) -> None:
    while not writer.is_closing():
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def test_a_video_that_says_it_is_too_large() -> None:
    async with Stranger(http_answer("200 OK", b"", length=1_000_001)) as host:
        client = OctopusXClient(KEY, f"http://127.0.0.1:{host.port}", max_video_mb=1)
        with pytest.raises(DownloadRefused, match=r"127\.0\.0\.1.* larger than 1 MB.*max_video_mb") as caught:
            await fetch(client, f"http://127.0.0.1:{host.port}/v.mp4?sig=SECRET")
    assert "SECRET" not in str(caught.value)
    assert not caught.value.retryable


async def test_a_video_that_never_ends() -> None:
    taken = 0
    async with (
        Stranger(endless) as host,
        OctopusXClient(KEY, f"http://127.0.0.1:{host.port}", max_video_mb=1) as client,
    ):
        with pytest.raises(DownloadRefused, match="larger than 1 MB"):  # noqa: PT012 - it is counted
            async with client.open_video(f"http://127.0.0.1:{host.port}/v.mp4") as video:
                async for chunk in video.chunks:
                    taken += len(chunk)
    assert 700_000 < taken <= 1_000_000


async def test_a_video_that_takes_too_long() -> None:
    async with Stranger(dripping) as host:
        client = OctopusXClient(KEY, f"http://127.0.0.1:{host.port}", download_timeout=0.2)
        with pytest.raises(DownloadRefused, match=r"127\.0\.0\.1.* not whole after 0\.2 s.*download_timeout"):
            await fetch(client, f"http://127.0.0.1:{host.port}/v.mp4")


@pytest.mark.parametrize(("answer", "words"), [(dripping, "less than 256 KiB came in 1 s"), (drip, "not begin")])
async def test_a_host_that_gives_a_byte_now_and_then_may_be_better_later(answer: Answer, words: str) -> None:
    async with Stranger(answer) as host:
        url = f"http://127.0.0.1:{host.port}"
        with pytest.raises(DownloadError, match=words) as caught:
            async with open_video(
                url, gateway=url, authorization="Bearer x", limits=DownloadLimits(stall=1.0)
            ) as video:
                [chunk async for chunk in video.chunks]
    assert caught.value.retryable


async def test_time_that_the_destination_takes_does_not_count() -> None:
    body = bytes(2**20)
    async with Stranger(http_answer("200 OK", body)) as host:
        url = f"http://127.0.0.1:{host.port}"
        async with OctopusXClient(KEY, url, download_timeout=1.0) as client, client.open_video(url) as video:
            size = 0
            async for chunk in video.chunks:
                size += len(chunk)
                await asyncio.sleep(0.3)
    assert size == len(body)
