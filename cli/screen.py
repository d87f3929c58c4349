"""What people see at a terminal, and what scripts read.

Results go to stdout; progress, notes and errors to stderr. With `--quiet` and `--json` there are no notes, but what is
left behind is always told.
"""

import json
import os
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import httpx
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

from prefect_octopusx.api import CredentialsMissing, OctopusXError, SubmissionUncertain, VideoTimeout
from prefect_octopusx.api.redact import redact
from prefect_octopusx.batches import ManifestError, ResultsInvalid
from prefect_octopusx.cli.exits import Exit, Refused
from prefect_octopusx.cli.options import Output
from prefect_octopusx.storage import NameTaken, RecordNotWritten

__all__ = ["Bar", "Screen", "readers_may_leave"]

_NOTHING_SENT = (CredentialsMissing, ManifestError, ResultsInvalid, NameTaken, Refused, ValidationError)
_UNCERTAIN = (SubmissionUncertain, RecordNotWritten)


class Screen:
    """The terminal as one command has it.

    Args:
        output: What is to be seen.
    """

    def __init__(self, output: Output) -> None:
        plain: dict[str, Any] = {"highlight": False, "emoji": False, "markup": False, "soft_wrap": True}
        self._out = Console(**plain)
        self._err = Console(stderr=True, **plain)
        self._json = output.json
        self._quiet = output.quiet
        self._is_told = False
        self.verbose = output.verbose
        self.document: dict[str, Any] = {}
        """What the JSON document of an error has besides the error."""
        self.left_behind = ["Interrupted."]
        """What is said after Ctrl-C."""
        self.left_task: str | None = None
        """The task that is left behind."""

    @property
    def is_json(self) -> bool:
        """Whether a JSON document is wanted."""
        return self._json

    @property
    def tells(self) -> bool:
        """Whether there are notes and progress."""
        return not (self._json or self._quiet)

    @property
    def is_live(self) -> bool:
        """Whether something may move."""
        return self.tells and not self.verbose and self._err.is_terminal

    @property
    def can_ask(self) -> bool:
        """Whether somebody is there to answer."""
        return self.tells and self._err.is_terminal and sys.stdin.isatty()

    def ask(self, question: str) -> bool:
        """Ask; Enter is yes."""
        self._err.print(f"{question} [Y/n] ", end="")
        answer = sys.stdin.readline()
        return answer.strip().lower() in {"", "y", "yes"} and answer.endswith("\n")

    def note(self, text: str) -> None:
        """Say something on the side."""
        if self.tells:
            self._err.print(text)

    def busy(self, text: str) -> AbstractContextManager[object]:
        """Show that something goes on that tells no progress."""
        return self._err.status(f"{text} …") if self.is_live else nullcontext()

    @contextmanager
    def bar(self, label: str) -> Iterator["Bar"]:
        """Show how something proceeds."""
        if not self.is_live:
            yield Bar(label, self)
            return
        columns = (
            TextColumn("{task.description}", table_column=Column(max_width=24, no_wrap=True, overflow="ellipsis")),
            BarColumn(bar_width=20),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[last]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
        )
        with Progress(*columns, console=self._err, expand=True, transient=True) as progress:
            yield Bar(label, self, progress, progress.add_task(label, total=100, last=""))

    def done(self, document: Mapping[str, Any], *, addresses: Sequence[str | None] = (), lines: Sequence[str]) -> None:
        """Print what came out, in the way that was asked for."""
        self._is_told = True
        if self._json:
            self.write(json.dumps(document, indent=2, ensure_ascii=False))
        else:
            self.write(*(address for address in addresses if address) if self._quiet else lines)

    def write(self, *lines: str) -> None:
        """Write to stdout."""
        with readers_may_leave():
            self._out.file.writelines(f"{line}\n" for line in lines)

    def failed(self, error: Exception) -> Exit:
        """Say what went wrong; return the exit code that tells it."""
        code, message = _judged(error)
        if self.verbose:
            self._err.print(redact("".join(traceback.format_exception(error))))
        self._err.print(f"prefect-octopusx: {message}")
        self._tell_in_json(type(error).__name__, message, getattr(error, "task_id", None))
        return code

    def interrupted(self) -> None:
        """Say what is left behind, in whatever way is asked for: it may be paid for."""
        for line in self.left_behind:
            self._err.print(line)
        self._tell_in_json("Interrupted", "\n".join(self.left_behind), self.left_task)

    def _tell_in_json(self, kind: str, message: str, task_id: str | None) -> None:
        if self._json and not self._is_told:  # there is one document
            told = {"type": kind, "message": message, "task_id": task_id}
            self.done({**self.document, "error": told}, lines=())


@contextmanager
def readers_may_leave() -> Iterator[None]:
    """Write to stdout in here: that its reader has enough is no failure of what was done."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)  # else Python complains when it flushes at the end
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


class Bar:
    """One thing that proceeds: a bar at a terminal, lines elsewhere.

    Args:
        label: What it is called.
        screen: Where it is shown.
        progress: The bars, at a terminal.
        task: Which of them.
    """

    def __init__(
        self, label: str, screen: Screen, progress: Progress | None = None, task: TaskID | None = None
    ) -> None:
        self.label = label
        self._screen = screen
        self._progress = progress
        self._task = task
        self._of_a_name = re.compile(rf"{re.escape(label)}( \([^)]*\))?: ")

    def move(self, percent: float) -> None:
        """Show how far it is."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=percent)

    def say(self, text: str, *, is_important: bool = False) -> None:
        """Show what is going on; what is important stays."""
        if self._progress is not None and self._task is not None and not is_important:
            self._progress.update(self._task, last=self._of_a_name.sub("", text))
        else:
            self._screen.note(text)


def _judged(error: Exception) -> tuple[Exit, str]:
    """Return the exit code of an error, and what to say of it."""
    if isinstance(error, ValidationError):
        found = [str(one["msg"]) for one in error.errors(include_url=False, include_input=False)]
        return Exit.REFUSED, redact("\n  ".join(["nothing was sent; the request can't be:", *found]))
    if isinstance(error, OctopusXError | Refused):
        code = Exit.FAILED
        if isinstance(error, _NOTHING_SENT):
            code = Exit.REFUSED
        elif isinstance(error, _UNCERTAIN):
            code = Exit.UNCERTAIN
        elif isinstance(error, VideoTimeout):
            code = Exit.IN_THE_MAKING
        return code, redact(str(error))
    if isinstance(error, httpx.HTTPError):  # of OctopusX they are errors of this project
        return Exit.FAILED, redact(f"Prefect's API does not answer as it should ({type(error).__name__}: {error}). "
                                   "Is the server at PREFECT_API_URL up?")  # fmt: skip
    return Exit.FAILED, f"{type(error).__name__}: {redact(str(error))[:1000]}\nMore: the same with --verbose"
