"""A fifth of all requests goes wrong: at the gateway, at its files, and at the bucket."""

import contextlib
import http.client
import random
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from prefect_octopusx.sandbox import Fault
from prefect_octopusx.sandbox.faults import FaultQueue

__all__ = ["LOST", "Chance", "FaultyBucket", "FaultyGateway"]

LOST = ("create_lost_reply", "create_reset", "create_closed", "create_html_504", "create_no_id", "create_500_empty")
"""After these nobody knows whether the video was accepted."""
_GATEWAY = {
    "create": (
        *LOST,
        "create_rate_limited_empty",
        "create_upstream_saturated",
        "create_model_not_found",
        "create_build_request_failed",
        "create_quota",
        "create_invalid_key",
    ),
    "query": (
        "query_html_502",
        "query_500",
        "query_rate_limited_empty",
        "query_reset",
        "query_closed",
        "query_wrapped",
        "query_unknown_state",
        "query_task_not_exist",
    ),
    "file": ("file_expired", "file_500", "file_truncated", "file_cut", "file_html", "file_empty", "file_reset"),
}
_BUCKET = ("500", "503", "reset", "lost reply", "slow")
_SLOW = 0.4  # seconds


class Chance:
    """Decides which requests go wrong, and counts."""

    def __init__(self, seed: int, rate: float = 0.2) -> None:
        self.asked = 0
        self.drawn: Counter[str] = Counter()
        self.rate = rate
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    def draw(self, kinds: Sequence[str]) -> str:
        """Return what goes wrong with a request; empty: nothing does."""
        with self._lock:
            self.asked += 1
            if self._random.random() >= self.rate:
                return ""
            kind = self._random.choice(kinds)
            self.drawn[kind] += 1
            return kind


class FaultyGateway(FaultQueue):
    """The sandbox's queue of faults, in which chance decides who draws one."""

    def __init__(self, chance: Chance) -> None:
        super().__init__()
        self._chance = chance

    def draw(self, stage: str, text: str) -> Fault | None:
        """Return the fault of a request."""
        del text
        kind = self._chance.draw(_GATEWAY[stage]) if stage in _GATEWAY else ""
        return Fault(kind) if kind else None


class FaultyBucket(ThreadingHTTPServer):
    """An HTTP proxy before an S3 server."""

    daemon_threads = True

    def __init__(self, target: str, chance: Chance) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = urlsplit(target).netloc
        self.chance = chance
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    @contextlib.contextmanager
    def running(self) -> Iterator[str]:
        """Run it; gives its address."""
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self.url
        finally:
            self.shutdown()
            self.server_close()
            thread.join()

    def handle_error(self, *_: object) -> None:
        """Keep quiet about clients that were killed."""
        if not isinstance(sys.exception(), ConnectionError):
            raise  # noqa: PLE0704 - socketserver calls this where an error is handled


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultyBucket

    def do_GET(self) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):  # its sender was killed
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            if len(body) == length:
                self._answer(self.server.chance.draw(_BUCKET), body)
                return
        self.close_connection = True

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815 - the names http.server asks for

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def _answer(self, fault: str, body: bytes) -> None:
        if fault in {"500", "503"}:
            code = {"500": "InternalError", "503": "SlowDown"}[fault]
            self._reply(int(fault), [], f"<Error><Code>{code}</Code><Message>later</Message></Error>".encode())
            return
        if fault == "slow":
            time.sleep(_SLOW)
        answer = None if fault == "reset" else self._pass_on(body)
        if answer is None or fault == "lost reply":
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        self._reply(*answer)

    def _pass_on(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        with contextlib.closing(http.client.HTTPConnection(self.server.target, timeout=60)) as upstream:
            upstream.request(self.command, self.path, body, dict(self.headers))
            reply = upstream.getresponse()
            skipped = {"content-length", "transfer-encoding", "connection"}
            return reply.status, [one for one in reply.getheaders() if one[0].lower() not in skipped], reply.read()

    def _reply(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for key, value in headers:
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
