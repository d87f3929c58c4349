"""The program at a terminal, as a process: bars, questions, Ctrl-C, and Prefect's own server."""

import contextlib
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.flows.deployed import Studio

PROGRAM = [sys.executable, "-m", "prefect_octopusx.cli"]
CAT = ["generate", "a cat", "--model", "viduq3-pro"]


class Terminal:
    """A terminal of 60 columns with the program in it."""

    def __init__(self, *arguments: str, environment: dict[str, str]) -> None:
        self._keyboard, screen = os.openpty()
        fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
        self.process = subprocess.Popen(
            [*PROGRAM, *arguments], stdin=screen, stdout=screen, stderr=screen, start_new_session=True, env=environment
        )
        os.close(screen)
        self.seen = ""

    def wait_for(self, pattern: str, timeout: float = 90) -> None:
        """Read on until the pattern is there, in what is to be read without colours and moves."""
        until = time.monotonic() + timeout
        while not re.search(pattern, self.text):
            assert time.monotonic() < until, self.text
            if select.select([self._keyboard], [], [], 0.2)[0]:
                self.seen += os.read(self._keyboard, 10_000).decode()

    @property
    def text(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.seen)

    def type(self, text: str) -> None:
        os.write(self._keyboard, text.encode())

    def interrupt(self) -> None:
        """Do as a terminal does for Ctrl-C: tell all of its processes."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self) -> int:
        """Read to the end; return the exit code."""
        try:
            while True:
                self.seen += os.read(self._keyboard, 10_000).decode()
        except OSError:  # Linux says so when nobody has the other side any more
            return self.process.wait(timeout=30)

    def close(self) -> None:
        os.close(self._keyboard)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


OpenTerminal = Callable[..., Terminal]


@pytest.fixture
def open_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenTerminal]:
    """Give what opens a terminal with the program in it, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:

        def opened(*arguments: str, **environment: str) -> Terminal:
            terminal = Terminal(*arguments, environment=os.environ | {"TERM": "xterm"} | environment)
            stack.callback(terminal.close)
            return terminal

        yield opened


def test_a_newcomer_is_offered_the_sandbox_and_prefects_server_comes_and_goes_in_silence(
    open_terminal: OpenTerminal, tmp_path: Path
) -> None:
    """No key, no server, nothing set up."""
    (tmp_path / "tmp").mkdir()
    home = {"PREFECT_HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "tmp"), "PREFECT_API_URL": ""}
    terminal = open_terminal(*CAT, "--name", "hero", "--to", "s3://my-videos/clips", **home)
    terminal.wait_for(r"No API key found\. Try the sandbox, which bills nothing\? \[Y/n\]", timeout=300)
    terminal.type("\n")
    assert terminal.end() == 0, terminal.text
    assert "Sandbox: nothing is billed, and the clips are samples." in terminal.text
    assert re.search(r"hero ━.* [1-9]\d?% 0:\d\d:\d\d +running", terminal.text), terminal.text
    assert "/sandbox-videos/hero.mp4" in terminal.text  # never in the place of the real ones
    assert (tmp_path / "sandbox-videos" / "hero.mp4").exists()
    assert not [
        word for word in ("Traceback", "INFO", "WARN", "ERROR", "Prefect run", "database") if word in terminal.text
    ]
    assert list((tmp_path / "tmp").iterdir()) == []  # where the server's log was, until it had ended


@pytest.mark.usefixtures("prefect_api")
def test_ctrl_c_says_that_it_goes_on_and_how_to_come_back(open_terminal: OpenTerminal, studio: Studio) -> None:
    terminal = open_terminal(*CAT, "--name", "hero", "--to", "out", "--poll-interval", "0.2")
    terminal.wait_for(r"running")
    terminal.interrupt()
    assert terminal.end() == 130
    task = studio.sandbox.jobs[0].id
    said = terminal.text.replace("\r\n", "")
    assert f"hero goes on without this command, and is paid for: task {task}" in said
    assert f"prefect-octopusx adopt {task} --name hero --to out" in said
    assert "prefect-octopusx collect --to out" in said
    assert "Traceback" not in said
    assert len(studio.sandbox.ledger) == 1
