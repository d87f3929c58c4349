"""A sandbox with a clock that stands still until a test turns it, and a client for it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest

from prefect_octopusx.sandbox import Sandbox, SandboxSettings

VIDU = {"model": "viduq3-pro", "prompt": "a lighthouse in a storm", "images": []}


class Clock:
    """The time, turned by hand."""

    def __init__(self) -> None:
        self.now = 1_764_549_000.0

    def __call__(self) -> float:
        return self.now


class Client:
    """A running sandbox and a plain HTTP client for it."""

    def __init__(self, sandbox: Sandbox, http: httpx.Client) -> None:
        self.sandbox = sandbox
        self.http = http

    def create(self, **changes: object) -> httpx.Response:
        """Send a create; by default a small Vidu one."""
        return self.http.post("/v1/video/create", json={**VIDU, **changes})

    def create_id(self, **changes: object) -> str:
        """Create a video and return its id."""
        reply = self.create(**changes)
        assert reply.status_code == 200, reply.text
        return str(reply.json().get("id") or reply.json()["task_id"])

    def query(self, task_id: str) -> httpx.Response:
        """Ask for a video."""
        return self.http.get("/v1/video/query", params={"id": task_id})

    def video_url(self, task_id: str) -> str:
        """Return the signed URL of a finished video."""
        return str(self.query(task_id).json()["video_url"])


Start = Callable[..., Client]


@contextmanager
def running(**settings: Any) -> Iterator[Client]:  # noqa: ANN401 - each setting has a type of its own
    """Run a sandbox whose videos take 9 s and whose gateway looks every 2 s, if the settings do not say otherwise."""
    chosen: dict[str, Any] = {"generation": 9, "refresh": 2, **settings}
    with Sandbox(SandboxSettings(**chosen)) as sandbox:
        headers = {"Authorization": f"Bearer {sandbox.key}"}
        with httpx.Client(base_url=sandbox.url, headers=headers, trust_env=False, timeout=5) as http:
            yield Client(sandbox, http)


_CLOCK = Clock()


@pytest.fixture
def clock() -> Clock:
    _CLOCK.now = Clock().now
    return _CLOCK


@pytest.fixture(scope="session")
def shared() -> Iterator[Client]:
    with running(clock=_CLOCK) as client:
        yield client


@pytest.fixture(scope="session")
def shared_instant() -> Iterator[Client]:
    with running(clock=_CLOCK, generation=0) as client:
        yield client


@pytest.fixture
def client(shared: Client, clock: Clock) -> Client:  # noqa: ARG001 - starts the clock anew
    """A sandbox with nothing in it."""
    shared.sandbox.reset()
    return shared


@pytest.fixture
def instant(shared_instant: Client, clock: Clock) -> Client:  # noqa: ARG001 - starts the clock anew
    """A sandbox with nothing in it, whose videos are finished at once."""
    shared_instant.sandbox.reset()
    return shared_instant


@pytest.fixture
def start(clock: Clock) -> Iterator[Start]:
    """Start a sandbox with settings of its own: `start(quota=...)`."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(running(clock=clock, **settings))


@pytest.fixture
def plain() -> Iterator[httpx.Client]:
    """A client without a key, for signed URLs."""
    with httpx.Client(trust_env=False, timeout=5) as http:
        yield http
