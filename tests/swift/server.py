"""A real S3 server on 127.0.0.1, on disk, that checks signatures: OpenStack Swift with its `s3api`.

Swift is four servers: a proxy, which speaks S3, before one for objects, one for containers (S3's buckets) and one for
accounts. Each is one process, on a port of its own; together they have a temporary folder for a disk.
"""

import contextlib
import os
import pwd
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import boto3
import pytest

HOME = Path(__file__).parents[2] / ".venv" / "swift"
"""Where `make test` installs Swift: in an environment of its own, because it is no library of this package."""

_HERE = Path(__file__).parent
_KINDS = ("proxy", "object", "container", "account")
_STARTING = 90  # seconds that a start may take; two are usual
_FOLDERS = (tempfile.gettempdir(), "/var/tmp", str(HOME), "/dev/shm")  # noqa: S108 - in turn, until one will do


class Swift(NamedTuple):
    """A running Swift, and the keys to it."""

    endpoint: str
    access_key: str = "test:tester"
    secret_key: str = "testing"
    region: str = "us-east-1"

    def be_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let boto3 find its keys where it looks for them first."""
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", self.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", self.secret_key)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it would keep the keys of the tests before


@contextlib.contextmanager
def running() -> Iterator[Swift]:
    """Run a Swift without any buckets, and end it.

    Raises:
        RuntimeError: It is not installed, has no folder, or did not start; the message ends with what it logged.
    """
    if not (HOME / "bin" / "swift-proxy-server").exists():
        raise RuntimeError(f"Swift is not installed in {HOME}: `make test` does that.")
    with _folder() as folder, _ports() as ports:
        _configure(folder, ports)
        servers: list[subprocess.Popen[bytes]] = []
        try:
            with (folder / "log").open("wb") as log:
                servers.extend(_start(kind, folder, log.fileno()) for kind in _KINDS)
            _wait(servers, ports, folder / "log")
            yield Swift(f"http://127.0.0.1:{ports['proxy']}")
        finally:
            _end(servers)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """Make a folder where files may have extended attributes: Swift keeps there what it knows of an object."""
    tried = []
    for parent in dict.fromkeys(_FOLDERS):
        try:
            made = tempfile.TemporaryDirectory(prefix="swift-", dir=parent, ignore_cleanup_errors=True)
        except OSError as error:
            tried.append(f"{parent}: {error.strerror}")
            continue
        with made as name:
            probe = Path(name, "probe")
            probe.touch()
            try:
                os.setxattr(probe, "user.swift.metadata", bytes(1024))
            except OSError as error:
                tried.append(f"{parent}: {error.strerror}")
                continue
            yield Path(name)
            return
    raise RuntimeError(f"Swift needs a folder with extended attributes: set TMPDIR to one. Tried {'; '.join(tried)}.")


@contextlib.contextmanager
def _ports() -> Iterator[Mapping[str, int]]:
    """Keep four free ports.

    They stay bound here while Swift runs, which hinders others but not Swift: with SO_REUSEADDR, a port may be bound
    twice if only one listens. Without that, two Swifts might get one port and share it: it sets SO_REUSEPORT, too.
    """
    with contextlib.ExitStack() as stack:
        ports = {}
        for kind in _KINDS:
            kept = stack.enter_context(socket.socket())
            kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            kept.bind(("127.0.0.1", 0))
            ports[kind] = kept.getsockname()[1]
        yield ports


def _configure(folder: Path, ports: Mapping[str, int]) -> None:
    (folder / "disk").mkdir()
    (folder / "swift.conf").write_text("[swift-hash]\nswift_hash_path_prefix = tests\n")
    for kind in _KINDS:
        text = (_HERE / ("proxy.conf" if kind == "proxy" else "storage.conf")).read_text()
        filled = text.format(kind=kind, port=ports[kind], user=pwd.getpwuid(os.getuid()).pw_name, folder=folder)
        (folder / f"{kind}.conf").write_text(filled)
    rings = [f"{kind}={port}" for kind, port in ports.items() if kind != "proxy"]
    command = [HOME / "bin" / "python", _HERE / "rings.py", folder, *rings]
    built = subprocess.run(command, capture_output=True, check=False)
    if built.returncode:
        raise RuntimeError(f"Swift's rings could not be written:\n{built.stderr.decode()[-3000:]}")


def _start(kind: str, folder: Path, log: int) -> subprocess.Popen[bytes]:
    command = [HOME / "bin" / f"swift-{kind}-server", folder / f"{kind}.conf", "--verbose"]
    # A session of its own, as Swift makes one anyhow: an interrupt from the keyboard ends it by way of `_end`.
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    )


def _wait(servers: list[subprocess.Popen[bytes]], ports: Mapping[str, int], log: Path) -> None:
    until = time.monotonic() + _STARTING
    while not all(_answers(port) for port in ports.values()):
        if any(server.poll() is not None for server in servers) or time.monotonic() > until:
            raise RuntimeError(f"Swift did not start:\n{log.read_text()[-3000:]}")
        time.sleep(0.05)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthcheck", timeout=5) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def _end(servers: list[subprocess.Popen[bytes]]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        for server in servers:
            if server.poll() is None:
                server.send_signal(number)
        for server in servers:
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(timeout=10)
