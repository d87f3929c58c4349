"""A transfer takes the same memory however large the video is."""

import tracemalloc
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from prefect_octopusx.storage.local import LocalStore
from prefect_octopusx.storage.s3 import S3Options, S3Store
from prefect_octopusx.storage.store import VideoStore
from prefect_octopusx.storage.transfer import transfer
from tests.storage.conftest import MIB, box

LENGTH = 200 * MIB


class Sink(BaseHTTPRequestHandler):
    """As much of S3 as a multipart upload needs; keeps nothing but the sizes of the parts."""

    protocol_version = "HTTP/1.1"
    parts: list[int]

    def do_POST(self) -> None:
        self._drain()
        root = "InitiateMultipartUploadResult" if self.path.endswith("uploads") else "CompleteMultipartUploadResult"
        self._answer(f"<{root}><UploadId>1</UploadId><ETag>x</ETag></{root}>".encode())

    def do_GET(self) -> None:
        self._answer(b"")

    def do_PUT(self) -> None:
        self.parts.append(self._drain())
        self._answer(b"")

    def _drain(self) -> int:
        length = left = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(left, 64 * 1024)))
        return length

    def _answer(self, body: bytes) -> None:
        self.send_response_only(200)
        self.send_header("ETag", '"x"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def sink() -> Iterator[tuple[str, list[int]]]:
    parts: list[int] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OwnSink", (Sink,), {"parts": parts}))
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", parts
    server.shutdown()
    server.server_close()
    thread.join()


async def flood() -> AsyncIterator[bytes]:
    yield box("ftyp", b"isom") + box("moov", b"index") + (8 + LENGTH).to_bytes(4) + b"mdat"
    chunk = bytes(MIB // 4)
    for _ in range(LENGTH // len(chunk)):
        yield chunk


async def peak_of_transfer(store: VideoStore) -> int:
    """Return how many bytes more than before were in use at most."""
    await store.has_video("big")  # what is loaded on first use is not the transfer's
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    await transfer(store, "big", flood(), declared_length=None, content_type=None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak - before


async def test_into_a_folder(tmp_path: Path) -> None:
    assert await peak_of_transfer(LocalStore(tmp_path)) < 6 * MIB
    assert (tmp_path / "big.mp4").stat().st_size > LENGTH


async def test_into_a_bucket(sink: tuple[str, list[int]]) -> None:
    """Two parts on their way and one that gathers, with the copies that a busy machine is late to drop."""
    endpoint, parts = sink
    store = S3Store(S3Options(bucket="b", endpoint_url=endpoint, part_size=5 * MIB, concurrency=2))
    assert await peak_of_transfer(store) < 6 * 5 * MIB
    assert sum(parts) > LENGTH
    assert set(parts[:-3]) == {5 * MIB}
