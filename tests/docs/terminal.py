"""A terminal as the reader of a page has it open: a shell, in which the page's blocks are typed one after the other."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.servers import Group

__all__ = ["Terminal", "until"]

PATIENCE = (
    300  # seconds; Prefect's scheduler may look at a new deployment a minute late, and a busy machine later still
)


class Terminal(Group):
    """A shell with all that runs in it. It ends at the first command that fails.

    Args:
        folder: Where it begins.
        log: The file of what is seen in it.
        environment: All of its environment.
    """

    def __init__(self, folder: Path, log: Path, environment: Mapping[str, str]) -> None:
        self.log = log
        self._typed = 0
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                ["/bin/bash", "--norc"],
                cwd=folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._write("set -e -o pipefail; trap : INT")  # Ctrl-C ends the command, not the shell

    def type(self, commands: str) -> None:
        """Type commands, and look no further: the last of them may keep the terminal."""
        self._typed += 1
        self._write(f"{commands}\necho over-{self._typed}")

    def run(self, commands: str) -> str:
        """Type commands, wait until all are over, and return what they print."""
        begin = len(self.seen())
        self.type(commands)
        self._rest()
        return self.seen()[begin:]

    def interrupt(self) -> None:
        """Press Ctrl-C, and wait for the prompt."""
        os.killpg(self.pid, signal.SIGINT)
        self._rest()

    def end(self) -> None:
        """End it, and all that runs in it."""
        super().end()
        self._process.communicate()  # closes its keyboard

    def seen(self) -> str:
        """Return all that it shows."""
        return self.log.read_text("utf-8", errors="replace")

    def _rest(self) -> None:
        until(lambda: f"over-{self._typed}\n" in self.seen(), self)

    def _write(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()


def until(so: Callable[[], bool], *terminals: Terminal) -> None:
    """Wait until something is so, while the terminals live."""
    end = time.monotonic() + PATIENCE
    while not so():
        for terminal in terminals:
            assert terminal.lives, terminal.seen()[-3000:]
        assert time.monotonic() < end, "\n".join(terminal.seen()[-3000:] for terminal in terminals)
        time.sleep(0.05)
