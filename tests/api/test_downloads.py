"""Downloads of finished videos: which fail and how, which take a turn, and what stays out of the logs."""

import asyncio
import logging

import pytest

from prefect_octopusx.api import DownloadError, OctopusXClient
from prefect_octopusx.sandbox import Fault, Sandbox
from tests.api.gateways import CAT, Odd, client, http_answer


async def finished(sandbox: Sandbox) -> str:
    async with client(sandbox) as gateway:
        task = await gateway.create_video(CAT)
        while not task.final:
            await asyncio.sleep(0.02)
            task = await gateway.query_video(task.id)
        assert task.video_url
        return task.video_url


DOWNLOAD_FAULTS = [
    ("file_expired", "expired"),
    ("file_404", "expired"),
    ("file_410", "expired"),
    ("file_truncated", "broke off"),
    ("file_reset", "can't be fetched"),
]


@pytest.mark.parametrize(("kind", "words"), DOWNLOAD_FAULTS)
async def test_downloads_that_fail(sandbox: Sandbox, kind: str, words: str) -> None:
    url = await finished(sandbox)
    sandbox.add_fault(Fault(kind))
    async with client(sandbox) as gateway:
        with pytest.raises(DownloadError, match=words) as caught:
            async with gateway.open_video(url) as video:
                [chunk async for chunk in video.chunks]
    assert "sig=" not in str(caught.value)
    assert caught.value.retryable


@pytest.mark.parametrize("kind", ["file_redirect_same_origin", "file_redirect_cross_origin", "file_no_length"])
async def test_downloads_that_take_a_turn(sandbox: Sandbox, kind: str) -> None:
    url = await finished(sandbox)
    sandbox.add_fault(Fault(kind))
    async with client(sandbox) as gateway, gateway.open_video(url) as video:
        data = b"".join([chunk async for chunk in video.chunks])
    assert data[4:8] == b"ftyp"


async def test_endless_redirects_end(sandbox: Sandbox) -> None:
    url = await finished(sandbox)
    sandbox.add_fault(Fault("file_redirect_same_origin", times=None))
    async with client(sandbox) as gateway:
        with pytest.raises(DownloadError, match="more than 5 times"):
            async with gateway.open_video(url):
                pass


async def test_the_gateway_itself_serves_the_file_to_the_key(sandbox: Sandbox) -> None:
    await finished(sandbox)
    async with client(sandbox) as gateway, gateway.open_video(gateway.content_url(sandbox.jobs[0].id)) as video:
        assert b"".join([chunk async for chunk in video.chunks])[4:8] == b"ftyp"


async def test_signed_urls_stay_out_of_httpx_logs(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    url = await finished(sandbox)
    with caplog.at_level(logging.DEBUG):
        async with client(sandbox) as gateway, gateway.open_video(url) as video:
            [chunk async for chunk in video.chunks]
    logged = "\n".join(record.getMessage() for record in caplog.records)
    assert "/files/" in logged
    assert "sig=" not in logged
    assert sandbox.key not in logged


async def test_a_video_host_that_fails() -> None:
    async with Odd(http_answer("500 Oh", b"")) as url, OctopusXClient("sk-x", url) as gateway:
        with pytest.raises(DownloadError, match="did not give the video"):
            async with gateway.open_video(f"{url}/a.mp4?sig=SECRET"):
                pass
