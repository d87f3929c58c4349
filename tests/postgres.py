"""A real PostgreSQL on 127.0.0.1 for Prefect's server in tests: on SQLite it stalls at times, with a few clients."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.servers import free_port

__all__ = ["memory", "postgres", "programs"]

_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder in memory
_ROOM = 2 * 2**30
_STARTING = 60  # seconds that a start may take; two are usual
_USER = "prefect"
# What a crash of the machine would lose, nobody wants back.
_QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


def memory() -> Path | None:
    """Return a folder in memory where there is one with room, else nothing: databases are quicker there."""
    return _MEMORY if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM else None


@contextlib.contextmanager
def postgres() -> Iterator[str | None]:
    """Run a server with an empty database, and give its address as Prefect wants it.

    Without PostgreSQL's programs on this machine it gives nothing: Prefect's own SQLite will do, if more slowly.
    """
    found = programs()
    if found is None:
        yield None
        return
    owner = _owner()
    with tempfile.TemporaryDirectory(prefix="postgres-", dir=memory(), ignore_cleanup_errors=True) as folder:
        if owner:
            shutil.chown(folder, owner)
        data, port = Path(folder, "data"), free_port()
        made = [found / "initdb", "--pgdata", data, "--username", _USER, "--auth", "trust", "--encoding", "UTF8"]
        subprocess.run([*made, "--no-sync"], check=True, capture_output=True, cwd=folder, user=owner)
        settings = (*_QUICK, "listen_addresses=127.0.0.1", f"port={port}", f"unix_socket_directories={folder}")
        with Path(folder, "log").open("wb") as log:
            server = subprocess.Popen(
                [found / "postgres", "-D", data, *(f"--{setting}" for setting in settings)],
                stdout=log,
                stderr=log,
                cwd=folder,
                user=owner,
                start_new_session=True,  # Ctrl-C in a terminal is for the tests; they end it in their turn
            )
        try:
            ready = [str(found / "pg_isready"), "--quiet", "--host", "127.0.0.1", "--port", str(port)]
            _wait(server, ready, Path(folder, "log"))
            yield f"postgresql+asyncpg://{_USER}@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGINT)  # PostgreSQL's "fast shutdown"
            server.wait()


def programs() -> Path | None:
    """Return the folder of `initdb` and `postgres`. Debian keeps them out of the path, a folder for each version."""
    if inpath := shutil.which("initdb"):
        return Path(inpath).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return versions[-1].parent if versions else None


def _owner() -> str | None:
    """Return whom to be: PostgreSQL refuses to be run by root."""
    if os.geteuid():
        return None
    return next(user.pw_name for user in pwd.getpwall() if user.pw_name in {"postgres", "nobody"})


def _wait(server: subprocess.Popen[bytes], ready: list[str], log: Path) -> None:
    until = time.monotonic() + _STARTING
    while subprocess.run(ready, check=False).returncode:
        if server.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()[-3000:]}")
        time.sleep(0.1)
