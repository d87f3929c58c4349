"""Opening a finished video: one streamed GET with the care that signed, short-lived URLs of strangers need."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from prefect_octopusx.api.errors import DownloadError, DownloadRefused
from prefect_octopusx.api.file_hosts import FileHosts
from prefect_octopusx.api.guarded import GuardedTransport
from prefect_octopusx.api.redact import hide_secrets_in_httpx_logs, redact_url
from prefect_octopusx.api.transport import Origin, origin, reason

__all__ = ["DOWNLOAD_TIMEOUT", "MAX_VIDEO_MB", "DownloadLimits", "VideoStream", "open_video"]

MAX_VIDEO_MB = 2000
"""Megabytes that a video may have. A minute in 4K has some hundred."""
DOWNLOAD_TIMEOUT = 3600.0
"""Seconds that a file host may take for a video."""

_MB = 1_000_000
_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_MOST_REDIRECTS = 5
_EXPIRED = frozenset({401, 403, 404, 410})
_CHUNK = 256 * 1024


@dataclass(frozen=True)
class DownloadLimits:
    """What a video may take.

    Attributes:
        max_video_mb: Megabytes, of a million bytes each.
        timeout: Seconds of waiting for the file host, in all. What the destination takes meanwhile does not count.
        stall: Seconds that the answer, and then each 256 KiB of the video, may take: a host that sends a byte now and
            then is none to wait for.
    """

    max_video_mb: float = MAX_VIDEO_MB
    timeout: float = DOWNLOAD_TIMEOUT
    stall: float = 120.0

    def check_size(self, size: int, where: str) -> None:
        """Refuse a video of `size` bytes, or of which so many are here already, if that is too much.

        Raises:
            DownloadRefused: It is.
        """
        if size > self.max_video_mb * _MB:
            raise DownloadRefused(
                f"The video at {where} is larger than {self.max_video_mb:g} MB. If that is right, raise `max_video_mb` "
                "of the OctopusX credentials, or of the client"
            )


@dataclass(frozen=True)
class VideoStream:
    """A video as it arrives.

    Attributes:
        declared_length: Bytes, where the server says.
        content_type: As the server says, for example `video/mp4`.
        chunks: The bytes. Raises `DownloadError` where the stream breaks.
    """

    declared_length: int | None
    content_type: str | None
    chunks: AsyncIterator[bytes]


@asynccontextmanager
async def open_video(
    url: str,
    *,
    gateway: str,
    authorization: str,
    hosts: FileHosts | None = None,
    limits: DownloadLimits | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[VideoStream]:
    """Open the video at `url`, following up to five redirects (never from https to http).

    Args:
        url: Where the API says that the video is.
        gateway: The gateway's base URL. `authorization` is sent to its origin and nowhere else: a signed URL needs no
            key, storage servers refuse a second credential, and a stranger must not see ours.
        authorization: The value of the Authorization header.
        hosts: Which hosts may be connected to; by default those of the public internet, and the gateway's.
        limits: What the video may take.
        tls: How certificates are verified; as httpx does by default.

    Raises:
        DownloadError: No video there, or not now. Never shows the URL's signature.
        DownloadRefused: It is outside `hosts` or `limits`.
    """
    hide_secrets_in_httpx_logs()
    limits = limits or DownloadLimits()
    # The video is stored as it is: no content coding in between, so that the length can be checked.
    headers = {"Accept-Encoding": "identity", "User-Agent": "prefect-octopusx"}
    transport = GuardedTransport(hosts or FileHosts(gateway), tls or httpx.create_ssl_context())
    async with httpx.AsyncClient(transport=transport, timeout=_TIMEOUT, headers=headers) as client:
        response = await _get(client, url, origin(gateway), authorization, limits)
        try:
            yield _stream(response, limits)
        finally:
            await response.aclose()


async def _get(
    client: httpx.AsyncClient, url: str, gateway_origin: Origin, authorization: str, limits: DownloadLimits
) -> httpx.Response:
    try:
        async with asyncio.timeout(limits.stall):
            return await _follow(client, httpx.URL(url), gateway_origin, authorization)
    except TimeoutError:
        raise DownloadError(f"The video at {redact_url(url)} did not begin within {limits.stall:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:  # the last for names that are none
        raise DownloadError(f"The video at {redact_url(url)} can't be fetched ({reason(error)})") from None


async def _follow(
    client: httpx.AsyncClient, url: httpx.URL, gateway_origin: Origin, authorization: str
) -> httpx.Response:
    for _ in range(_MOST_REDIRECTS + 1):
        headers = {"Authorization": authorization} if origin(url) == gateway_origin else {}
        response = await client.send(client.build_request("GET", url, headers=headers), stream=True)
        if not response.has_redirect_location:
            return response
        await response.aclose()
        target = url.join(response.headers["Location"])
        if url.scheme == "https" and target.scheme != "https":
            raise DownloadRefused(
                f"The video at {_shown(url)} is redirected to an address without TLS, {_shown(target)}: not fetched"
            )
        url = target
    raise DownloadError(f"The video is redirected more than {_MOST_REDIRECTS} times, last to {_shown(url)}")


def _stream(response: httpx.Response, limits: DownloadLimits) -> VideoStream:
    where = _shown(response.url)
    if response.status_code in _EXPIRED:
        raise DownloadError(
            f"The link to the video at {where} has expired or is wrong; a fresh query may give a new one",
            status=response.status_code,
        )
    if response.status_code != httpx.codes.OK:
        raise DownloadError(f"The file host did not give the video at {where}", status=response.status_code)
    coded = response.headers.get("Content-Encoding", "identity") != "identity"
    length = response.headers.get("Content-Length", "")
    declared = int(length) if length.isdecimal() and not coded else None
    limits.check_size(declared or 0, where)
    return VideoStream(
        declared_length=declared,
        content_type=response.headers.get("Content-Type"),
        chunks=_chunks(response, where, limits),
    )


async def _chunks(response: httpx.Response, where: str, limits: DownloadLimits) -> AsyncIterator[bytes]:
    arriving = _gathered(response)
    clock = asyncio.get_running_loop().time
    size, waited = 0, 0.0
    while True:
        left = limits.timeout - waited
        began = clock()
        try:
            async with asyncio.timeout(min(limits.stall, left)):
                chunk = await anext(arriving, None)
        except httpx.HTTPError as error:
            raise DownloadError(f"The download of {where} broke off ({reason(error)})") from None
        except TimeoutError:
            raise _too_slow(where, size, limits, stalled=left > limits.stall) from None
        if chunk is None:
            return
        waited += clock() - began
        size += len(chunk)
        limits.check_size(size, where)
        yield chunk


async def _gathered(response: httpx.Response) -> AsyncIterator[bytes]:
    """Yield the body in pieces of about `_CHUNK`. httpx would do that too, at the price of all else that it does."""
    gathered: list[bytes] = []
    size = 0
    async for piece in response.aiter_bytes():
        gathered.append(piece)
        size += len(piece)
        if size >= _CHUNK:
            yield b"".join(gathered)
            gathered.clear()
            size = 0
    if gathered:
        yield b"".join(gathered)


def _too_slow(where: str, size: int, limits: DownloadLimits, *, stalled: bool) -> DownloadError:
    if stalled:
        return DownloadError(
            f"The download of {where} was given up: less than {_CHUNK // 1024} KiB came in {limits.stall:g} s, "
            f"{size / _MB:.1f} MB in all"
        )
    return DownloadRefused(
        f"The download of {where} was given up: it was not whole after {limits.timeout:g} s ({size / _MB:.1f} MB came)"
        ". If the network is so slow, raise `download_timeout` of the OctopusX credentials, or of the client"
    )


def _shown(url: httpx.URL) -> str:
    return redact_url(str(url))
