"""What happens below HTTP: connections that end early, bytes that stop half-way, answers that take their time."""

import asyncio
import socket
import struct
import threading
import time

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

__all__ = ["HangUp", "Lines", "wait"]

_TICK = 0.02


class Lines:
    """The open connections of a server, by the client's address. The server that runs the app fills it."""

    def __init__(self) -> None:
        self.closing = threading.Event()
        self._open: dict[object, asyncio.Transport] = {}

    def add(self, transport: asyncio.Transport) -> None:
        """Remember a connection."""
        self._open[transport.get_extra_info("peername")] = transport

    def remove(self, transport: asyncio.Transport) -> None:
        """Forget a connection."""
        self._open.pop(transport.get_extra_info("peername"), None)

    def hang_up(self, scope: Scope, *, reset: bool) -> None:
        """Close the connection of a request once the bytes on their way are sent; or reset it at once.

        Raises:
            ConnectionAbortedError: The server does not tell its connections, so that it can only see this error.
        """
        transport = self._open.get(tuple(scope["client"] or ()))
        if transport is None:
            raise ConnectionAbortedError("this fault needs the server of `Sandbox`")
        if reset:
            # Without lingering, closing a socket sends RST in place of FIN.
            linger = struct.pack("ii", 1, 0)
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            transport.abort()
        else:
            transport.close()


class HangUp(Response):
    """No answer, or one that stops: the connection ends."""

    def __init__(self, lines: Lines, *, reset: bool = False, promised: Response | None = None, sent: int = 0) -> None:
        super().__init__()
        self._lines = lines
        self._reset = reset
        self._promised = promised
        self._sent = sent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send `sent` bytes of the promised response, if there is one, and end the connection."""
        if self._promised is not None:
            start = {"type": "http.response.start", "status": self._promised.status_code}
            await send({**start, "headers": self._promised.raw_headers})
            part = bytes(self._promised.body)[: self._sent]
            await send({"type": "http.response.body", "body": part, "more_body": True})
        self._lines.hang_up(scope, reset=self._reset)
        # The server must have noticed before the app returns, or it would answer or complain itself.
        while (await receive())["type"] != "http.disconnect":
            pass


async def wait(request: Request, lines: Lines, seconds: float) -> None:
    """Let time pass before an answer, but no longer than client and server are there."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and not lines.closing.is_set():
        if await request.is_disconnected():
            return
        await asyncio.sleep(min(left, _TICK))
