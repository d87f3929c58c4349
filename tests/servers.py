"""Prefect's server, as tests start, stop and restart it."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

__all__ = ["Group", "PrefectServer", "free_port"]


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


class Group:
    """A command with all the processes that it starts, which end with it.

    Args:
        command: The arguments of this Python.
        log: Where its output goes; what is there stays.
        environment: What it has besides the environment of the tests.
    """

    def __init__(self, *command: str, log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, *command],
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=os.environ | dict(environment or {}),
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def lives(self) -> bool:
        return self._process.poll() is None

    def children(self) -> list[int]:
        """Return the processes that it has started, and those that they have, which are alive."""
        parents = _parents()
        found = [self.pid]
        for pid in found:  # grows meanwhile
            found += [child for child, parent in parents.items() if parent == pid]
        return found[1:]

    def wait(self, seconds: float) -> int:
        """Wait until it ends by itself; return its exit code."""
        return self._process.wait(timeout=seconds)

    def end(self) -> None:
        """Ask it to end, and see to it."""
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=10)
        self.kill()

    def kill(self) -> None:
        """End it and all it has started, at once."""
        pids = self.children() if self.lives else []
        self._signal(signal.SIGKILL)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)


class PrefectServer:
    """A real server with a database of its own, which outlives it.

    Args:
        home: The folder for all that it keeps.
        port: Where it listens.
        database: The address of its database; left out, an SQLite file in `home`.
    """

    def __init__(self, home: Path, port: int, database: str | None = None) -> None:
        self.url = f"http://127.0.0.1:{port}/api"
        self._home = home
        self._port = port
        self._database = database
        self._group: Group | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = ["-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(self._port)]
        log = self._home / "server.log"
        environment = {"PREFECT_HOME": str(self._home)}
        if self._database:
            environment["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = self._database
        self._group = Group(*command, log=log, environment=environment)
        until = time.monotonic() + 120
        while not _answers(f"{self.url}/health"):
            if not self._group.lives or time.monotonic() > until:
                raise RuntimeError(f"The Prefect server did not start:\n{log.read_text()[-3000:]}")
            time.sleep(0.2)

    def stop(self) -> None:
        """End it."""
        if self._group is not None:
            self._group.end()


def _parents() -> dict[int, int]:
    """Return the parent of each process of this machine."""
    if Path("/proc/self/stat").exists():  # slim images have no `ps`
        found = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                found[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        return found
    command = [str(shutil.which("ps")), "-axo", "pid=,ppid="]
    table = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {int(pid): int(parent) for pid, parent in (line.split() for line in table.splitlines())}


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.HTTPError:
        return False
