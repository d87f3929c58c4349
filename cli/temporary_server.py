"""Prefect's server for one command, where no other is set up.

Prefect would start one by itself. This one keeps its noise in a file, lets Ctrl-C pass, and ends with the command that
started it, however that ends: `python -m prefect_octopusx.cli.temporary_server PORT` serves until its input is closed.
"""

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["TemporaryServer"]

_PATIENCE = 180.0  # seconds; the first start on a machine makes the database
_SETTINGS = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false"}


class TemporaryServer:
    """A server on this machine, with Prefect's usual database, for as long as the context lasts."""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="prefect-octopusx-")))
            self._log = folder / "server.log"
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            with self._log.open("wb") as output:
                self._process = subprocess.Popen(  # noqa: S603 - our own module
                    [sys.executable, "-m", "prefect_octopusx.cli.temporary_server", str(port)],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=os.environ | _SETTINGS,
                    start_new_session=True,  # a terminal sends Ctrl-C to all of a session
                )
            stack.callback(self._stop)
            self.url = f"http://127.0.0.1:{port}/api"
            self._undo = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo.close()

    def wait(self) -> None:
        """Wait until it answers.

        Raises:
            RuntimeError: It does not; with the end of its log.
        """
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # this machine needs none
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until and self._process.poll() is None:
            try:
                with opener.open(f"{self.url}/health", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        end = "\n".join(self._log.read_text("utf-8", "replace").splitlines()[-10:])
        raise RuntimeError(
            "Prefect's temporary server did not start. Start one with `prefect server start`, and set PREFECT_API_URL. "
            f"The end of its log:\n{end}"
        )

    def _stop(self) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _serve(port: int) -> None:
    import uvicorn  # noqa: PLC0415 - only in the process that serves
    from prefect.server.api.server import create_app  # noqa: PLC0415

    config = uvicorn.Config(create_app(ephemeral=True, final=True), port=port, log_level="error", lifespan="on")
    server = uvicorn.Server(config)

    def end_with_input() -> None:
        sys.stdin.buffer.read()
        server.should_exit = True

    threading.Thread(target=end_with_input, daemon=True).start()
    server.run()


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
