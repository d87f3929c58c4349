"""The client: four calls of the unified video API, each answered by a typed value or one of our errors."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
import pydantic

from prefect_octopusx.api.download import DOWNLOAD_TIMEOUT, MAX_VIDEO_MB, DownloadLimits, VideoStream, open_video
from prefect_octopusx.api.errors import (
    EndpointNotFound,
    GatewayError,
    GatewayUnreachable,
    InvalidRequest,
    OctopusXError,
    SubmissionUncertain,
    TaskNotFound,
)
from prefect_octopusx.api.file_hosts import FileHosts
from prefect_octopusx.api.redact import hide_secrets_in_httpx_logs, redact_url
from prefect_octopusx.api.replies import VideoTask, read_created, read_queried
from prefect_octopusx.api.requests import RemixRequest, VideoRequest
from prefect_octopusx.api.transport import check_base_url, origin, reason
from prefect_octopusx.api.usage import KeyUsage, read_usage
from prefect_octopusx.api.verdicts import Answer, create_error, error_code, error_text, query_error

__all__ = ["CREATE_TIMEOUT", "DEFAULT_BASE_URL", "OctopusXClient"]

DEFAULT_BASE_URL = "https://octopusx.ai"
CREATE_TIMEOUT = 150.0
"""Seconds a create may take: the gateway tries several channels before it answers."""

_CONNECT_TIMEOUT = 10.0
_QUERY_TIMEOUT = 30.0
_SHORTEST_SECRET = 8  # characters; a shorter key may be part of any word
_LARGEST_REPLY = 8 * 2**20
_MOST_REDIRECTS = 3
# Below the shortest keep-alive of common servers (uvicorn: 5 s), so that none closes a connection as we write to it.
_IDLE_CONNECTIONS = httpx.Limits(keepalive_expiry=3.0)
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)


class OctopusXClient:
    """An asynchronous client of one OctopusX gateway. Use it as a context manager, on one event loop.

    ```python
    async with OctopusXClient(api_key="...") as client:
        task = await client.create_video(ViduRequest(model="viduq3-pro", prompt="a cat chasing butterflies"))
        task = await client.query_video(task.id)
    ```

    Nothing is sent twice by itself, and the key goes to the gateway's own origin only.

    Args:
        api_key: The key, with or without its `sk-` prefix. White space around it is dropped.
        base_url: The gateway, up to but without `/v1`.
        create_timeout: Seconds until the answer to a create must be there, whole.
        query_timeout: Seconds until the answer to anything else must be there, whole.
        allowed_private_hosts: Hosts outside the public internet that videos may be fetched from: names, addresses,
            networks. The gateway's own need not be named.
        max_video_mb: Megabytes that a video may have; a larger one is not fetched.
        download_timeout: Seconds to wait for a video's file host, in all.
        logger: Where warnings about requests go; the package's own logger by default.

    Raises:
        InvalidRequest: The key can be none.
        ValueError: `base_url` is not an address, or one of `allowed_private_hosts` is no host.
    """

    def __init__(
        self,
        api_key: str,
        base_url: str = DEFAULT_BASE_URL,
        *,
        create_timeout: float = CREATE_TIMEOUT,
        query_timeout: float = _QUERY_TIMEOUT,
        allowed_private_hosts: Iterable[str] = (),
        max_video_mb: float = MAX_VIDEO_MB,
        download_timeout: float = DOWNLOAD_TIMEOUT,
        logger: "logging.Logger | logging.LoggerAdapter[Any] | None" = None,
    ) -> None:
        self._base_url = check_base_url(base_url)
        self._logger = logger or logging.getLogger(__name__)
        # A header with other characters fails inside httpx with an error that shows the key.
        key = api_key.strip()
        if not key.isascii() or not key.isprintable() or not key:
            raise InvalidRequest(
                "api_key: it is empty, or has characters that no key has (check for a copying mistake)"
            )
        headers = {"Authorization": f"Bearer {key}", "Accept": "application/json", "User-Agent": "prefect-octopusx"}
        # As it is, and as JSON or a URL write it.
        self._keys = {form.encode() for form in (key, key.replace("/", "\\/"), quote(key, safe=""))}
        hide_secrets_in_httpx_logs()
        tls = httpx.create_ssl_context()  # made once, because it costs some time
        # Creates get a connection of their own each: an idle one may be closed by the server just as we write to it,
        # and then nobody knows whether the create was read. And a client of their own: they may run in other threads.
        self._create_client = partial(
            httpx.AsyncClient,
            headers=headers,
            verify=tls,
            timeout=httpx.Timeout(create_timeout, connect=_CONNECT_TIMEOUT),
        )
        self._questions = httpx.AsyncClient(
            headers=headers,
            verify=tls,
            timeout=httpx.Timeout(query_timeout, connect=_CONNECT_TIMEOUT),
            limits=_IDLE_CONNECTIONS,
        )
        self._open_video = partial(
            open_video,
            gateway=self._base_url,
            authorization=headers["Authorization"],
            hosts=FileHosts(self._base_url, allowed_private_hosts),
            limits=DownloadLimits(max_video_mb, download_timeout),
            tls=tls,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._questions.aclose()

    async def create_video(self, request: VideoRequest, *, warn: bool = True) -> VideoTask:
        """Submit a video: `POST /v1/video/create`. **Billed.** Sent at most once.

        Args:
            request: What to make.
            warn: Whether to log what soft rules say of the request.

        Returns:
            The task, with the id to ask with.

        Raises:
            OctopusXError: With `resend_safe` where it surely was not accepted; `SubmissionUncertain` where nobody
                knows whether it was.
        """
        return await self._create("/v1/video/create", request, warn=warn)

    async def remix_video(self, request: RemixRequest) -> VideoTask:
        """Make a new video from an earlier one: `POST /v1/video/remix` (Grok). **Billed**, as a create is.

        Raises:
            OctopusXError: As `create_video`.
        """
        task = await self._create("/v1/video/remix", request)
        if task.id == request.task_id:
            self._logger.warning("The gateway gave the remix the id of its source, task %s", task.id)
        return task

    async def query_video(self, task_id: str, *, alt_ids: tuple[str, ...] = ()) -> VideoTask:
        """Ask how a video is doing: `GET /v1/video/query`. Free.

        Args:
            task_id: The id from the create, verbatim.
            alt_ids: Other ids of the create's reply, asked for where the gateway does not know the first.

        Raises:
            TaskNotFound: The gateway knows none of them; in the first seconds after a create it may just be late.
            OctopusXError: With `retryable` where asking again may help. No error here means that the video failed.
        """
        try:
            return await self._query(task_id, asked=task_id)
        except TaskNotFound:
            for other in alt_ids:
                try:
                    return await self._query(task_id, asked=other)
                except TaskNotFound:
                    continue
            raise

    async def key_usage(self) -> KeyUsage:
        """Ask what the key has used: `GET /api/usage/token/`. Rarely: 20 calls in 20 minutes are the engine's limit.

        Raises:
            OctopusXError: `AuthenticationError` for an unknown key, `RateLimited` where asked too often.
        """
        answer = await self._ask("/api/usage/token/")
        usage = read_usage(answer.body or {})
        if usage is not None and answer.status == httpx.codes.OK:
            return usage
        # Older gateways answer an unknown key with status 200 and `success: false`.
        refused = answer.status == httpx.codes.OK and (answer.body or {}).get("success") is False
        raise query_error(answer._replace(status=401) if refused else answer)

    @asynccontextmanager
    async def open_video(self, url: str) -> AsyncIterator[VideoStream]:
        """Open a finished video for reading. The key is sent only where the gateway itself serves the file.

        Raises:
            DownloadError: It can't be fetched, or is not a video; the query may give a fresh URL.
            DownloadRefused: Its host, its size or the time it takes is outside what was set.
        """
        async with self._open_video(url) as video:
            yield video

    def content_url(self, task_id: str) -> str:
        """Return the address where the gateway itself serves a finished video, for replies that lack a URL."""
        return f"{self._base_url}/v1/videos/{quote(task_id, safe='')}/content"

    async def _create(self, path: str, request: "VideoRequest | RemixRequest", *, warn: bool = True) -> VideoTask:
        what = f"{path.rpartition('/')[2]} of {request.model}"
        try:
            body = await asyncio.to_thread(request.body)  # reads and encodes pictures
            warnings = await asyncio.to_thread(request.warnings) if warn else ()
        except (OSError, ValueError) as error:
            raise InvalidRequest(f"The {what} was not sent: {error}") from None
        for warning in warnings:
            self._logger.warning("%s: %s", request.model, warning)
        async with self._create_client() as creates:
            call = creates.build_request("POST", self._base_url + path, json=body)
            answer = await self._send(creates, call, lost=SubmissionUncertain, what=f"the {what}")
        reply = answer.body
        if httpx.codes.is_success(answer.status) and reply is not None and not _is_refusal(reply):
            task = read_created(reply)
            if task is not None:
                return task
        raise create_error(answer, what=what)

    async def _query(self, task_id: str, *, asked: str) -> VideoTask:
        answer = await self._ask("/v1/video/query", id=asked)
        body = answer.body
        if not httpx.codes.is_success(answer.status) or body is None or _is_refusal(body):
            raise query_error(answer, task_id=asked)
        try:
            return read_queried(body, task_id)
        except (pydantic.ValidationError, RecursionError):
            raise query_error(answer, task_id=asked) from None

    async def _ask(self, path: str, **query: str) -> Answer:
        call = self._questions.build_request("GET", self._base_url + path, params=query or None)
        for _ in range(_MOST_REDIRECTS):
            answer = await self._send(self._questions, call, lost=GatewayError, what=f"GET {path}")
            if answer.location is None or origin(answer.location) != origin(self._base_url):
                return answer
            call = self._questions.build_request("GET", answer.location)
        raise EndpointNotFound(f"GET {path} is redirected again and again; check `base_url`")

    async def _send(
        self, client: httpx.AsyncClient, call: httpx.Request, *, lost: type[OctopusXError], what: str
    ) -> Answer:
        """Send once. What was surely never sent is `GatewayUnreachable`; any other loss is of the class `lost`."""
        limit = client.timeout.read
        try:
            async with asyncio.timeout(limit):  # httpx itself limits each read, not their sum
                return await self._exchange(client, call)
        except _NEVER_SENT as error:
            raise GatewayUnreachable(
                f"{what[0].upper()}{what[1:]} was not sent: {redact_url(self._base_url)} can't be reached "
                f"({reason(error)}). Check `base_url`, the network and any proxy"
            ) from None
        except TimeoutError:
            raise lost(_lost(what, f"not there, whole, after {limit} s", lost)) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:  # also of redirects to no address
            raise lost(_lost(what, reason(error), lost)) from None

    async def _exchange(self, client: httpx.AsyncClient, call: httpx.Request) -> Answer:
        response = await client.send(call, stream=True)
        try:
            content = await _read(response)
        finally:
            await response.aclose()
        location = response.headers.get("Location") if response.is_redirect else None
        return Answer(
            status=response.status_code,
            content=self._without_key(content),
            request_id=self._text(response.headers.get("X-Oneapi-Request-Id")),
            retry_after=_seconds(response.headers.get("Retry-After")),
            location=str(call.url.join(location)) if location else None,
        )

    def _without_key(self, content: bytes) -> bytes:
        """Return an answer without our key, which a proxy's error page may repeat."""
        for key in self._keys:
            content = content.replace(key, "…".encode()) if len(key) >= _SHORTEST_SECRET else content
        return content

    def _text(self, header: str | None) -> str | None:
        """Return a header's value without our key."""
        return header and self._without_key(header.encode(errors="replace")).decode()


async def _read(response: httpx.Response) -> bytes:
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > _LARGEST_REPLY:
            raise httpx.DecodingError(f"the reply is larger than {_LARGEST_REPLY} bytes")
    return bytes(content)


def _is_refusal(body: Any) -> bool:  # noqa: ANN401 - JSON
    """Tell an error under a 2xx (`{"success": false}`, `{"code": "task_not_exist", "data": null}`) from a task."""
    code = error_code(body)
    coded = bool(code) and not code.isdigit()
    error = body.get("error")
    told = isinstance(error, str | dict) and bool(error_text(error))
    return body.get("success") is False or ((coded or told) and not body.get("data") and not body.get("status"))


def _lost(what: str, why: str, lost: type[OctopusXError]) -> str:
    if lost is SubmissionUncertain:
        return f"No certain answer to {what} ({why}). The video may be in the making and billed"
    return f"No answer to {what} ({why})"


def _seconds(header: str | None) -> float | None:
    """Read `Retry-After` in seconds; its form with a date is so rare that it is left out."""
    try:
        seconds = float(header) if header else -1.0
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None
