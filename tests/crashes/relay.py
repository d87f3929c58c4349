"""A relay before the gateway, its file server and the S3 server, which numbers all requests of a run and can end it.

What a process did before it was killed is what its requests did: so every request is a point to be killed at, before it
arrives or after it was answered, and no point is missed when the product sends its requests in another way.
"""

import http.client
import re
import sys
import threading
from collections.abc import Callable
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import urlsplit

__all__ = ["Blow", "Call", "Moment", "Relay"]

_OF_THE_HOP = {"connection", "content-length", "expect", "keep-alive", "transfer-encoding"}
_FILES = re.compile(rb"http://127\.0\.0\.1:\d+/files/")


class Moment(StrEnum):
    """When, in the course of a request, the process is killed."""

    BEFORE = "before"
    """It is sent, but never arrives."""
    AMID = "amid"
    """Half of the answer's body has come."""
    AFTER = "after"
    """It is done, but no answer comes."""


class Call(NamedTuple):
    """A request that came through."""

    number: int
    """From 1."""
    server: str
    method: str
    path: str
    left: str
    """Stands for all that the servers held when it had been done; known if the relay was given a look."""

    def __str__(self) -> str:
        return f"request {self.number}, {self.method} {self.path} ({self.server})"


class Blow(NamedTuple):
    """Where a process is to be killed."""

    moment: Moment
    call: Call
    """The request, as it was numbered in a run that nothing happened to."""

    def __str__(self) -> str:
        return f"{self.moment} {self.call}"


class Relay:
    """Listens in place of the servers, as long as it is entered.

    Args:
        gateway: The sandbox's address.
        s3: The S3 server's address.
        padding: Bytes that each video is made longer by, with a box that players skip.
    """

    def __init__(self, *, gateway: str, s3: str | None = None, padding: int = 0) -> None:
        self.calls: list[Call] = []
        self.look: Callable[[], str] = str
        """Tells what the servers hold."""
        self.errors: list[BaseException] = []
        self.blow: Blow | None = None
        self.kill: Callable[[], None] = _nobody
        """Kills the process and returns when it is gone."""
        self._padding = padding
        self._count = threading.Lock()
        self._begun = 0
        self._idle = threading.Condition()
        self._busy = 0
        # The sandbox gives its files at its other port too: two addresses, because a file server must not get the key.
        targets = {"gateway": gateway, "files": gateway, "s3": s3}
        self.servers = [name for name, target in targets.items() if target]
        self._doors = {name: _door(self, name, target) for name, target in targets.items() if target}
        self._threads = [
            threading.Thread(target=door.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
            for door in self._doors.values()
        ]

    def url(self, server: str) -> str:
        """Return the address at which a server is reached through the relay."""
        return f"http://127.0.0.1:{self._doors[server].server_address[1]}"

    def settle(self) -> None:
        """Wait until nothing is on its way any more: a dead process's last requests may still be arriving."""
        with self._idle:
            assert self._idle.wait_for(lambda: not self._busy, timeout=20), "a request does not end"

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for door in self._doors.values():
            door.shutdown()
            door.server_close()
        for thread in self._threads:
            thread.join()
        if self.errors:
            raise BaseExceptionGroup("the relay failed", self.errors)

    def pass_on(self, server: str, handler: BaseHTTPRequestHandler) -> bool:
        """Send a request on and its answer back, or kill the process on the way. Tell whether it was answered."""
        with self._idle:
            self._busy += 1
        try:
            return self._pass_on(server, handler)
        finally:
            with self._idle:
                self._busy -= 1
                self._idle.notify_all()

    def _pass_on(self, server: str, handler: BaseHTTPRequestHandler) -> bool:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        with self._count:
            self._begun += 1
            number = self._begun
        moment = self.blow.moment if self.blow and self.blow.call.number == number else None
        if moment is Moment.BEFORE:
            self.kill()
            return False
        status, headers, data = _send(self._doors[server].target, handler, body)
        self.calls.append(Call(number, server, handler.command, _short(handler.path), self.look()))
        if server == "gateway":
            data = _FILES.sub(f"{self.url('files')}/files/".encode(), data)
        if server == "files" and self._padding:
            data += self._padding.to_bytes(4) + b"free" + bytes(self._padding - 8)
        if moment is Moment.AFTER:
            self.kill()
            return False
        handler.send_response_only(status)
        for name, value in headers:
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        if moment is Moment.AMID:
            handler.wfile.write(data[: len(data) // 2])
            self.kill()
            return False
        handler.wfile.write(data)
        return True


def _nobody() -> None:
    raise AssertionError("there is a blow, but nobody to kill")


def _short(path: str) -> str:
    """Return a path without the bucket's name, and without what differs from run to run in the query."""
    parts = urlsplit(path)
    query = "".join(f" {each.partition('=')[0]}" for each in parts.query.split("&") if each)
    return re.sub(r"^/videos-[0-9a-f]+/", "", parts.path) + query


def _send(target: str, handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    headers = {name: value for name, value in handler.headers.items() if name.lower() not in _OF_THE_HOP}
    upstream = http.client.HTTPConnection(target, timeout=60)
    try:
        upstream.request(handler.command, handler.path, body, headers)
        reply = upstream.getresponse()
        data = reply.read()
    finally:
        upstream.close()
    return reply.status, [pair for pair in reply.getheaders() if pair[0].lower() not in _OF_THE_HOP], data


class _Door(ThreadingHTTPServer):
    """One listening port."""

    daemon_threads = True
    target: str
    errors: list[BaseException]

    def handle_error(self, *_: object) -> None:
        """Keep what went wrong for the test, but not that a client is gone: that is the point."""
        error = sys.exception()
        if error is not None and not isinstance(error, ConnectionError):
            self.errors.append(error)


def _door(relay: Relay, server: str, target: str) -> _Door:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _pass_on(self) -> None:
            if not relay.pass_on(server, self):
                self.close_connection = True

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on  # noqa: N815 - the names http.server asks for

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    door = _Door(("127.0.0.1", 0), Handler)
    door.target = urlsplit(target).netloc
    door.errors = relay.errors
    return door
