"""Both stores, two kinds of S3 server, a proxy before them that fails on request, and runs that submit.

What takes a bucket runs on moto, and on Swift but for what `not_on_swift.py` lists.
"""

import asyncio
import http.client
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

import boto3
import pytest

from prefect_octopusx.api import OctopusXClient
from prefect_octopusx.sandbox import Sandbox
from prefect_octopusx.storage.local import LocalStore
from prefect_octopusx.storage.records import RecordState, VideoRecord
from prefect_octopusx.storage.s3 import S3Options, S3Store
from prefect_octopusx.storage.store import VideoStore
from tests.clocks import Clock
from tests.storage.holding import Holder
from tests.storage.not_on_swift import EXCEPTIONS, LONG, NEEDLESS
from tests.storage.sending import Posts, Send
from tests.swift.server import Swift

MIB = 1024 * 1024
_HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what does not run on Swift, and what takes too long there for every day."""
    skipped = {*EXCEPTIONS, *NEEDLESS, *(() if os.environ.get("DESTINATIONS") == "all" else LONG)}

    def is_left_out(item: pytest.Item) -> bool:
        parameters = getattr(item, "callspec", None)
        on_swift = parameters and "swift" in (parameters.params.get("place"), parameters.params.get("server"))
        names = {item.path.name, f"{item.path.name}::{getattr(item, 'originalname', '')}"}
        return bool(on_swift) and not names.isdisjoint(skipped)

    left_out = {item for item in items if item.path.parent == _HERE and is_left_out(item)}
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


def box(kind: str, payload: bytes) -> bytes:
    return (8 + len(payload)).to_bytes(4) + kind.encode() + payload


def mp4(pictures: int = 1000) -> bytes:
    """Return a whole mp4, as far as its boxes tell, with `pictures` bytes in `mdat`, the last one."""
    pattern = bytes(range(251)) * (pictures // 251 + 1)
    return box("ftyp", b"isom\0\0\2\0isomiso2") + box("moov", bytes(120)) + box("mdat", pattern[:pictures])


async def pieces(data: bytes, length: int = 64 * 1024) -> AsyncIterator[bytes]:
    for at in range(0, len(data), length):
        yield data[at : at + length]


def record(name: str = "clips/fox", **fields: Any) -> VideoRecord:  # noqa: ANN401 - any field of the record
    return VideoRecord.model_validate(
        {
            "name": name,
            "state": RecordState.SUBMITTING,
            "model": "jimeng-video-3.0",
            "family": "jimeng",
            "request": {"prompt": "a fox"},
            "digest": "0" * 64,
            "claimed_at": datetime(2026, 5, 1, 12, tzinfo=UTC),
            **fields,
        }
    )


class Server(NamedTuple):
    """A running S3 server."""

    endpoint: str
    keys: tuple[str, str]
    session: boto3.Session
    """Kept, because a session reads boto3's large description of S3 once."""
    needs: Mapping[str, Any] = {}
    """Options without which no store works there."""


class Bucket(NamedTuple):
    """A bucket of its own for a test."""

    name: str
    server: Server
    client: Any

    @property
    def endpoint(self) -> str:
        return self.server.endpoint

    @property
    def session(self) -> boto3.Session:
        return self.server.session

    def new_session(self) -> boto3.Session:
        """Return a session to be changed."""
        return _session(self.server.keys)

    def options(self, **given: Any) -> S3Options:  # noqa: ANN401 - any option
        return S3Options(
            **{
                "bucket": self.name,
                "prefix": "videos",
                "endpoint_url": self.endpoint,
                "session_factory": lambda: self.session,
                **self.server.needs,
                **given,
            }
        )

    def objects(self) -> list[str]:
        return [found["Key"] for found in self.client.list_objects_v2(Bucket=self.name).get("Contents", [])]

    def uploads(self) -> list[Any]:
        return list(self.client.list_multipart_uploads(Bucket=self.name).get("Uploads", []))

    def get(self, key: str) -> bytes:
        return bytes(self.client.get_object(Bucket=self.name, Key=key)["Body"].read())


class Place(NamedTuple):
    """A store, and what a test must know of where it keeps its files."""

    store: VideoStore
    files: Callable[[], list[str]]
    """All that is there, hidden files and unfinished uploads included."""
    get: Callable[[str], bytes]
    put: Callable[[str, bytes], None]


def _session(keys: tuple[str, str]) -> boto3.Session:
    return boto3.Session(*keys, region_name="us-east-1")


@pytest.fixture(scope="session")
def moto_server(s3_url: str) -> Server:
    keys = ("AKIATEST", "test-secret")
    return Server(s3_url, keys, _session(keys))


@pytest.fixture(scope="session")
def swift_server(swift: Swift) -> Server:
    keys = (swift.access_key, swift.secret_key)
    return Server(swift.endpoint, keys, _session(keys), {"conditional_writes": False, "region": swift.region})


@pytest.fixture(params=["moto", "swift"])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(f"{request.param}_server")
    return found


@contextmanager
def new_bucket(server: Server) -> Iterator[Bucket]:
    client = server.session.client("s3", endpoint_url=server.endpoint)
    name = f"b-{uuid4().hex[:12]}"
    client.create_bucket(Bucket=name)
    yield Bucket(name, server, client)
    client.close()


@pytest.fixture
def bucket(server: Server) -> Iterator[Bucket]:
    with new_bucket(server) as made:
        yield made


@pytest.fixture(params=["local", "moto", "swift"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "local":
        yield _folder(tmp_path / "videos")
        return
    with new_bucket(request.getfixturevalue(f"{request.param}_server")) as bucket:
        yield Place(
            S3Store(bucket.options(part_size=5 * MIB)),
            lambda: (
                sorted(key.removeprefix("videos/") for key in bucket.objects())
                + [f"unfinished {upload['Key']}" for upload in bucket.uploads()]
            ),
            lambda name: bucket.get(f"videos/{name}"),
            lambda name, data: bucket.client.put_object(Bucket=bucket.name, Key=f"videos/{name}", Body=data),
        )


def _folder(folder: Path) -> Place:
    def put(name: str, data: bytes) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)

    return Place(
        LocalStore(folder),
        lambda: sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()),
        lambda name: (folder / name).read_bytes(),
        put,
    )


class Fault(NamedTuple):
    """What the proxy does once, in place of a plain answer, to a request whose line contains `of`."""

    of: str
    status: int = 0
    """0: the request is passed on and done, but the answer is lost."""
    code: str = ""
    headers: Iterable[tuple[str, str]] = ()
    cut: bool = False
    """The true answer is passed back, but broken off in its middle."""
    hold: threading.Event | None = None
    """The request is passed on once this is set."""
    body: str = ""
    """What is answered with that status; by default S3's XML with the code."""


class Proxy:
    """An HTTP proxy before an S3 server, with faults in the order they are to happen."""

    def __init__(self, target: str) -> None:
        self.faults: list[Fault] = []
        self.lines: list[str] = []
        self.headers: list[dict[str, str]] = []
        self._lock = threading.Lock()
        proxy, address = self, urlsplit(target).netloc

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                fault = proxy.take(f"{self.command} {self.path}", dict(self.headers))
                if fault and fault.hold:
                    fault.hold.wait(30)
                if fault and fault.status:
                    text = fault.body or f"<Error><Code>{fault.code}</Code><Message>said so</Message></Error>"
                    self._answer(fault.status, list(fault.headers), text.encode())
                    return
                upstream = http.client.HTTPConnection(address)
                upstream.request(self.command, self.path, body, dict(self.headers))
                reply = upstream.getresponse()
                data = reply.read()
                upstream.close()
                if fault and not fault.hold and not fault.cut:
                    self.close_connection = True
                    return
                skipped = {"content-length", "transfer-encoding", "connection"}
                headers = [(key, value) for key, value in reply.getheaders() if key.lower() not in skipped]
                self._answer(reply.status, headers, data, cut=bool(fault and fault.cut))

            def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes, *, cut: bool = False) -> None:
                self.send_response_only(status)
                for key, value in headers:
                    self.send_header(key, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if cut else body)
                self.close_connection = self.close_connection or cut

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on  # noqa: N815 - the names http.server asks for

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"

    def take(self, line: str, headers: dict[str, str]) -> Fault | None:
        """Note a request, and return the fault that is due."""
        with self._lock:
            self.lines.append(line)
            self.headers.append(headers)
            due = next((fault for fault in self.faults if fault.of in line), None)
            if due:
                self.faults.remove(due)
            return due

    async def saw(self, part: str, times: int = 1) -> None:
        """Wait until so many requests whose line contains `part` have arrived."""
        async with asyncio.timeout(20):
            while sum(part in line for line in self.lines) < times:
                await asyncio.sleep(0.01)


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    proxy = Proxy(server.endpoint)
    thread = threading.Thread(target=proxy.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield proxy
    proxy.server.shutdown()
    proxy.server.server_close()
    thread.join()


@pytest.fixture
def store(place: Place) -> VideoStore:
    return place.store


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def posts(sandbox: Sandbox) -> Posts:
    return Posts(sandbox)


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[OctopusXClient]:
    async with OctopusXClient(api_key=sandbox.key, base_url=sandbox.url) as opened:
        yield opened


@pytest.fixture
def holder(client: OctopusXClient, sandbox: Sandbox) -> Iterator[Holder]:
    holder = Holder(client, sandbox)
    yield holder
    holder.let_go()  # else the run of a test that failed would wait for ever


@pytest.fixture
async def send(store: VideoStore, sandbox: Sandbox, clock: Clock) -> AsyncIterator[Send]:
    async with OctopusXClient(api_key=sandbox.key, base_url=sandbox.url, create_timeout=3) as opened:
        yield Send(store, opened, clock)
