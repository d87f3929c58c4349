"""All that a running sandbox remembers, and the log of the requests that it got."""

import time
import uuid
from collections import deque
from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from prefect_octopusx.sandbox.faults import FaultQueue
from prefect_octopusx.sandbox.files import Storage
from prefect_octopusx.sandbox.jobs import JobBook
from prefect_octopusx.sandbox.settings import SandboxSettings
from prefect_octopusx.sandbox.wire import Lines

__all__ = ["GatewayState", "RequestLog", "Trace", "trace_of"]

_LOG_LENGTH = 10_000


@dataclass(slots=True, kw_only=True)
class Trace:
    """A request that the sandbox got; its own `/sandbox/` requests are not logged.

    Attributes:
        method: The HTTP method.
        path: The path, without the query.
        time: When it came.
        request_id: The id that the answer carries as X-Oneapi-Request-Id.
        task_id: The job that it was for, where that is known; for a create, the new one.
        status: The status of the answer; 0 while there is none.
        ended: When it was over: answered, or given up; 0 before.
    """

    method: str
    path: str
    time: float
    request_id: str
    task_id: str = ""
    status: int = 0
    ended: float = 0.0


class GatewayState:
    """What the endpoints share."""

    def __init__(self, settings: SandboxSettings) -> None:
        self.settings = settings
        self.book = JobBook(settings)
        self.faults = FaultQueue()
        self.storage = Storage(settings.url_lifetime)
        self.lines = Lines()
        self.requests: deque[Trace] = deque(maxlen=_LOG_LENGTH)
        self.files_port: int | None = None

    def find_key(self, header: str) -> str | None:
        """Return the key in an Authorization header; None for one that is not accepted."""
        scheme, _, given = header.partition(" ")
        if scheme.lower() != "bearer":
            return None
        # The engine does not mind whether a key comes with its prefix.
        return next((key for key in self.settings.keys if given.removeprefix("sk-") == key.removeprefix("sk-")), None)

    def units_left(self, key: str) -> int | None:
        """Return what a key may still spend; None for no limit."""
        return None if self.settings.quota is None else self.settings.quota - self.book.used(key)

    def files_origin(self, request: Request) -> str:
        """Return where the videos are served: the host that the client asked, at the storage's own port."""
        origin = request.base_url if self.files_port is None else request.base_url.replace(port=self.files_port)
        return str(origin).rstrip("/")

    def reset(self) -> None:
        """Forget jobs, ledger, faults and requests."""
        self.book.clear()
        self.faults.clear()
        self.requests.clear()


class RequestLog:
    """Middleware that logs every request and gives the answer its id."""

    def __init__(self, app: ASGIApp, state: GatewayState) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        now = self._state.settings.clock()
        request_id = time.strftime("%Y%m%d%H%M%S", time.gmtime(now)) + uuid.uuid4().hex[:16]
        trace = Trace(method=scope["method"], path=scope["path"], time=now, request_id=request_id)
        scope["octopusx.trace"] = trace
        if not trace.path.startswith("/sandbox/"):
            self._state.requests.append(trace)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                trace.status = message["status"]
                if trace.path.startswith(("/v1/", "/api/")):
                    MutableHeaders(scope=message)["X-Oneapi-Request-Id"] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            trace.ended = self._state.settings.clock()


def trace_of(request: Request) -> Trace:
    """Return the log's entry for a request."""
    trace: Trace = request.scope["octopusx.trace"]
    return trace
