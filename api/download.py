"""Opening a finished video: one streamed GET with the care that signed, short-lived URLs of strangers need."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.request import getproxies

import httpx

from prefect_octopusx.api.errors import DownloadError
from prefect_octopusx.api.redact import hide_queries_in_httpx_logs, redact_url
from prefect_octopusx.api.streams import StreamTransport
from prefect_octopusx.api.transport import Origin, origin, reason

__all__ = ["VideoStream", "open_video"]

_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_MOST_REDIRECTS = 5
_EXPIRED = frozenset({401, 403, 404, 410})
_CHUNK = 256 * 1024


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
async def open_video(url: str, *, gateway: str, authorization: str) -> AsyncIterator[VideoStream]:
    """Open the video at `url`, following up to five redirects (never from https to http).

    Args:
        url: Where the API says that the video is.
        gateway: The gateway's base URL. `authorization` is sent to its origin and nowhere else: a signed URL needs no
            key, storage servers refuse a second credential, and a stranger must not see ours.
        authorization: The value of the Authorization header.

    Raises:
        DownloadError: No video there, or not now. Never shows the URL's signature.
    """
    hide_queries_in_httpx_logs()
    gateway_origin = origin(gateway)
    # The video is stored as it is: no content coding in between, so that the length can be checked.
    headers = {"Accept-Encoding": "identity", "User-Agent": "prefect-octopusx"}
    # With a transport given, httpx asks for no proxy.
    transport = None if getproxies().keys() - {"no"} else StreamTransport(httpx.create_ssl_context())
    async with httpx.AsyncClient(transport=transport, timeout=_TIMEOUT, headers=headers) as client:
        try:
            response = await _get(client, httpx.URL(url), gateway_origin, authorization)
            try:
                yield _stream(response)
            finally:
                await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise DownloadError(f"The video at {redact_url(url)} can't be fetched ({reason(error)})") from None


async def _get(client: httpx.AsyncClient, url: httpx.URL, gateway_origin: Origin, authorization: str) -> httpx.Response:
    for _ in range(_MOST_REDIRECTS + 1):
        headers = {"Authorization": authorization} if origin(url) == gateway_origin else {}
        response = await client.send(client.build_request("GET", url, headers=headers), stream=True)
        if not response.is_redirect:
            return response
        await response.aclose()
        target = url.join(response.headers["Location"])
        if url.scheme == "https" and target.scheme != "https":
            raise DownloadError(f"The video at {_shown(url)} is redirected to an address without TLS, {_shown(target)}")
        url = target
    raise DownloadError(f"The video is redirected more than {_MOST_REDIRECTS} times, last to {_shown(url)}")


def _stream(response: httpx.Response) -> VideoStream:
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
    return VideoStream(
        declared_length=int(length) if length.isdecimal() and not coded else None,
        content_type=response.headers.get("Content-Type"),
        chunks=_chunks(response, where),
    )


async def _chunks(response: httpx.Response, where: str) -> AsyncIterator[bytes]:
    try:
        async for chunk in _gathered(response):
            yield chunk
    except httpx.HTTPError as error:
        raise DownloadError(f"The download of {where} broke off ({reason(error)})") from None


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


def _shown(url: httpx.URL) -> str:
    return redact_url(str(url))
