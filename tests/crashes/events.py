"""A process that kills itself at a step in a folder: a file opened, a name made, moved or removed, a folder listed.

Python announces each such step to audit hooks before it takes it.
"""

import hashlib
import os
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NamedTuple

__all__ = ["Step", "Watch"]

_CHANGES = {"os.mkdir", "os.link", "os.rename", "os.remove", "os.rmdir", "os.utime"}
_LOOKS = {"os.listdir", "os.scandir"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Step(NamedTuple):
    """A step that a process took."""

    number: int
    """From 1."""
    text: str
    before: str
    """Stands for all that lay in the folder just before it; known if the process was only watched."""

    @property
    def writes(self) -> bool:
        """Whether it opened a file for writing."""
        return self.text.startswith("write")

    def __str__(self) -> str:
        return f"{self.number}: {self.text}"


@dataclass(frozen=True)
class Watch:
    """Notes a process's steps below `folder` in the file `notes`, and ends the process at one of them.

    Attributes:
        folder: The folder.
        notes: A file elsewhere.
        number: The step at which the process ends; 0 for none.
        after: Whether it ends when the step was taken, in place of just before. An opened file is still empty then.
    """

    folder: Path
    notes: Path
    number: int = 0
    after: bool = False

    def begin(self) -> None:
        """Watch this process from now on; there is no end to it."""
        taking = threading.Lock()
        noting = threading.local()
        place = os.fspath(self.folder)
        notes = os.open(self.notes, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        count = 0

        def watch(event: str, args: tuple[object, ...]) -> None:
            nonlocal count
            if getattr(noting, "now", False) or not (text := _step(event, args, place)):
                return
            with taking:
                count += 1
                noting.now = True
                os.write(notes, f"{'' if self.number else _all_in(self.folder)}\t{text}\n".encode())
                noting.now = False
                if count != self.number:
                    return
            if self.after:
                sys.setprofile(_end_outside_of_here)
            else:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(watch)

    def steps(self) -> list[Step]:
        """Return what was noted."""
        lines = [line.partition("\t") for line in self.notes.read_text().splitlines()]
        return [Step(number, text, before) for number, (before, _, text) in enumerate(lines, 1)]


def _step(event: str, args: tuple[object, ...], place: str) -> str:
    """Return what is about to be done below `place`; nothing if it is done elsewhere."""
    if event == "open":
        mode, flags = args[1], args[2]
        changes = any(letter in mode for letter in "wax+") if isinstance(mode, str) else int(str(flags)) & _WRITING
        verb = "write" if changes else "look at"
    elif event in _CHANGES:
        verb = event.removeprefix("os.")
    elif event in _LOOKS:
        verb = "look into"
    else:
        return ""
    given = [os.fsdecode(each) for each in args[:2] if isinstance(each, str | bytes | os.PathLike)]
    below = [path.removeprefix(place) or "/" for path in given if f"{path}/".startswith(f"{place}/")]
    return " ".join([verb, *below]) if below else ""


def _all_in(folder: Path) -> str:
    """Return a digest of every name in a folder and of what the files hold."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        digest.update(os.fsencode(path) + (path.read_bytes() if path.is_file() else b""))
    return digest.hexdigest()


def _end_outside_of_here(frame: FrameType, event: str, arg: object) -> None:
    """End the process at the first thing it does after the step (a profile function, for the thread that took it)."""
    del event, arg
    if frame.f_code.co_filename != __file__:
        os.kill(os.getpid(), signal.SIGKILL)
