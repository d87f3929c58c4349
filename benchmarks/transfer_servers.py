"""The two ends of a transfer that is measured: a file host, and an S3 server that keeps nothing.

`transfer.py` starts each in a process of its own: `python -m benchmarks.transfer_servers files FOLDER`, or `s3`. It
prints its port. Both do as little as they can, so that what is measured is the client. The S3 server counts the bytes
of each object, which a HEAD tells, and checks nothing.

With `--rate` each end moves so many MB/s at most, all connections together, and with `--latency` it answers each
request so many seconds late: as a server at the other end of a line does.
"""

import argparse
import os
import re
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

_PIECE = 256 * 1024  # bytes
_AHEAD = 0.02  # seconds that a line may be behind and catch up
_DECODED = "x-amz-decoded-content-length"


class Line:
    """What all connections of a server share: at most so many bytes a second; 0 is as fast as it goes."""

    def __init__(self, rate: float, latency: float) -> None:
        self.rate, self.latency = rate, latency
        self._free = 0.0
        self._lock = threading.Lock()

    def take(self, count: int) -> None:
        """Wait until `count` bytes have passed."""
        if not self.rate:
            return
        with self._lock:
            self._free = max(self._free, time.monotonic() - _AHEAD) + count / self.rate
            due = self._free
        time.sleep(max(0.0, due - time.monotonic()))


class Server(ThreadingHTTPServer):
    """A thread a connection. Where the line is slow, so are the buffers small: what lies in them has not arrived.

    Attributes:
        line: What all connections share.
        folder: Where the files are, of the file host.
        sizes: Bytes of each object, of the S3 server.
        parts: Bytes of each part of the unfinished uploads.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, handler: type[BaseHTTPRequestHandler], line: Line, folder: Path) -> None:
        self.line, self.folder = line, folder
        self.sizes: dict[str, int] = {}
        self.parts: dict[str, dict[str, int]] = {}
        super().__init__(("127.0.0.1", 0), handler)
        if line.rate:
            for buffer in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                self.socket.setsockopt(socket.SOL_SOCKET, buffer, _PIECE)


class Handler(BaseHTTPRequestHandler):
    """Answers in HTTP/1.1, without a log."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def answer(self, status: int, *headers: tuple[str, str], body: bytes = b"", length: int | None = None) -> None:
        """Send the head of an answer, and its body if it is at hand."""
        time.sleep(self.server.line.latency)
        self.send_response_only(status)
        for header in (*headers, ("Content-Length", str(len(body) if length is None else length))):
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


class Files(Handler):
    """Serves the files of a folder."""

    def do_GET(self) -> None:
        """Send one."""
        with (self.server.folder / Path(urlsplit(self.path).path).name).open("rb") as file:
            about = os.fstat(file.fileno())
            modified = ("Last-Modified", self.date_time_string(about.st_mtime))
            self.answer(200, ("Content-Type", "video/mp4"), modified, length=about.st_size)
            at = 0
            while at < about.st_size:
                self.server.line.take(min(_PIECE, about.st_size - at))
                at += os.sendfile(self.connection.fileno(), file.fileno(), at, _PIECE)


class Sink(Handler):
    """As much of S3 as an upload needs."""

    def setup(self) -> None:
        """Begin a connection, which has a buffer for all of its requests."""
        super().setup()
        self._buffer = memoryview(bytearray(_PIECE))

    def do_PUT(self) -> None:
        """Take an object, or a part."""
        asked = urlsplit(self.path)
        size = self._drain()
        if number := re.search(r"partNumber=(\d+)", asked.query):
            self.server.parts[asked.path][number[1]] = size
        else:
            self.server.sizes[asked.path] = size
        self.answer(200, ("ETag", '"x"'))

    def do_POST(self) -> None:
        """Begin an upload in parts, or complete it."""
        asked = urlsplit(self.path)
        self._drain()
        if "uploadId=" in asked.query:
            self.server.sizes[asked.path] = sum(self.server.parts.pop(asked.path).values())
            self._xml("CompleteMultipartUploadResult", "<ETag>x</ETag>")
        else:
            self.server.parts[asked.path] = {}
            bucket, _, key = asked.path.lstrip("/").partition("/")
            content = f"<Bucket>{bucket}</Bucket><Key>{key}</Key><UploadId>1</UploadId>"
            self._xml("InitiateMultipartUploadResult", content)

    def do_DELETE(self) -> None:
        """Forget an object."""
        self.server.sizes.pop(urlsplit(self.path).path, None)
        self.answer(204)

    def do_HEAD(self) -> None:
        """Tell an object's size."""
        size = self.server.sizes.get(urlsplit(self.path).path)
        self.answer(404 if size is None else 200, length=size or 0)

    def _drain(self) -> int:
        length = left = int(self.headers.get("Content-Length", 0))
        while left:
            got = self.rfile.readinto(self._buffer[:left])  # type: ignore[attr-defined] # it is a buffered reader
            if not got:
                raise ConnectionError("the client went away")
            self.server.line.take(got)
            left -= got
        return int(self.headers.get(_DECODED, length))

    def _xml(self, root: str, content: str) -> None:
        self.answer(200, ("Content-Type", "application/xml"), body=f"<{root}>{content}</{root}>".encode())


def main() -> int:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["files", "s3"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rate", type=float, default=0.0, help="MB/s")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds")
    options = parser.parse_args()
    handler = Files if options.kind == "files" else Sink
    server = Server(handler, Line(options.rate * 1e6, options.latency), options.folder)
    print(server.server_address[1], flush=True)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
