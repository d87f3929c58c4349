"""A team's own Prefect, without containers: PostgreSQL, Redis, API and background services apart, and workers."""

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx

from tests.postgres import postgres, programs
from tests.servers import Group, free_port

__all__ = ["Cluster", "cluster", "missing"]

_STARTING = 120  # seconds that a part may take to start


class Cluster:
    """The parts, each with a log in `home`.

    Args:
        home: An empty folder.
        shared: Where each server finds the others.
    """

    def __init__(self, home: Path, shared: Mapping[str, str]) -> None:
        self._home = home
        self._shared = dict(shared)
        self._port = free_port()
        self.parts: dict[str, Group] = {}

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self._port}/api"

    def start_server(self) -> None:
        """Start the API, and when it answers the background services."""
        command = ["server", "start", "--no-services", "--host", "127.0.0.1", "--port", str(self._port)]
        self._start("api", *command, **self._shared)
        until = time.monotonic() + _STARTING
        while not self._answers():
            if not self.parts["api"].lives or time.monotonic() > until:
                raise RuntimeError(f"The API did not start:\n{self.log('api')[-3000:]}")
            time.sleep(0.2)
        self._start("services", "server", "services", "start", **self._shared)

    def stop_server(self) -> None:
        for name in ("services", "api"):
            self.parts.pop(name).end()

    def start_worker(self, name: str, *, limit: int, **environment: str) -> Group:
        """Start a process worker with a home of its own, for so many runs at once."""
        home = self._home / name
        home.mkdir()
        settings = {"PREFECT_API_URL": self.api, "PREFECT_HOME": str(home), "TMPDIR": str(home)} | environment
        return self._start(
            name, "worker", "start", "--pool", "videos", "--name", name, "--limit", f"{limit}", **settings
        )

    def log(self, name: str) -> str:
        return (self._home / f"{name}.log").read_text(errors="replace")

    def end(self) -> None:
        for part in reversed(self.parts.values()):
            part.end()

    def _start(self, name: str, *command: str, **environment: str) -> Group:
        settings = {"PREFECT_HOME": str(self._home / "server")} | environment
        part = Group("-m", "prefect", *command, log=self._home / f"{name}.log", environment=settings)
        self.parts[name] = part
        return part

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.api}/health", timeout=2).is_success
        except httpx.HTTPError:
            return False


def missing() -> str | None:
    """Return what this machine lacks for it."""
    lacking = [
        name for name, found in (("PostgreSQL", programs()), ("Redis", shutil.which("redis-server"))) if not found
    ]
    return f"there is no {' and no '.join(lacking)} here" if lacking else None


@contextlib.contextmanager
def cluster(home: Path) -> Iterator[Cluster]:
    """Run PostgreSQL, Redis and the server; workers are started by the test."""
    (home / "server").mkdir()
    with postgres() as database, _redis(home) as redis:
        found = Cluster(
            home,
            {
                "PREFECT_SERVER_DATABASE_CONNECTION_URL": str(database),
                "PREFECT_SERVER_EVENTS_MESSAGING_BROKER": "prefect_redis.messaging",
                "PREFECT_SERVER_EVENTS_MESSAGING_CACHE": "prefect_redis.messaging",
                "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING": "prefect_redis.ordering",
                "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect_redis.lease_storage",
                "PREFECT_SERVER_DOCKET_URL": f"{redis}/1",
                "PREFECT_REDIS_MESSAGING_URL": f"{redis}/0",
            },
        )
        try:
            found.start_server()
            yield found
        finally:
            found.end()


@contextlib.contextmanager
def _redis(home: Path) -> Iterator[str]:
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(home)]
    with (home / "redis.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        until = time.monotonic() + _STARTING
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            if server.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"Redis did not start:\n{(home / 'redis.log').read_text()[-3000:]}")
            time.sleep(0.1)
        yield f"redis://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()
