"""What a row of the matrix is: a fault, what provokes it, what is seen of it, and what is left."""

import re
from dataclasses import dataclass
from typing import NamedTuple

from prefect_octopusx.sandbox import Fault
from tests.faults.relay import Act

__all__ = [
    "BUSY",
    "FAILED",
    "FORBIDDEN",
    "LATER",
    "REFUSED",
    "RELEASED",
    "STORED",
    "UNCERTAIN",
    "UNSENT",
    "Called",
    "Disk",
    "Elsewhere",
    "Fate",
    "Odd",
    "Provocation",
    "Row",
    "Server",
    "told",
]


class Fate(NamedTuple):
    """What becomes of a video whose fault does not go away; in the words of the page."""

    again: str
    """Whether it is tried again by itself: `yes`, `no`, or `-` where nothing has to be. `yes` also says that a fault
    that passes is got over by that."""
    billed: str
    """`nothing`, `once`, `refunded`, or `perhaps`: nobody can tell."""
    record: str
    """Its state, or `none`."""
    then: str
    """How to go on once the fault is gone."""


STORED = Fate("-", "once", "completed", "-")
"""Nothing is seen but perhaps a warning: the video is stored."""
REFUSED = Fate("no", "nothing", "refused", "change it, or `retry_failed`")
RELEASED = Fate("no", "nothing", "released", "run it again")
BUSY = Fate("yes", "nothing", "released", "run it again")
UNCERTAIN = Fate("no", "perhaps", "uncertain", "adopt it, or `resubmit`")
FAILED = Fate("no", "refunded", "failed", "`retry_failed`")
LATER = Fate("yes", "once", "submitted", "run it again")
FORBIDDEN = Fate("no", "once", "submitted", "run it again")
UNSENT = Fate("yes", "nothing", "none", "run it again")


@dataclass(frozen=True)
class Odd:
    """An act of the relay.

    Attributes:
        act: What is done to a request.
        of: A part of the line of the requests that it is done to, if not just those of the row's place.
        after: Only once a request with this in its line came, at whatever server.
        limit: Seconds that an answer may take for the client then; its own by default.
    """

    act: Act
    of: str = ""
    after: str = ""
    limit: float | None = None


@dataclass(frozen=True)
class Elsewhere:
    """The gateway's address leads elsewhere: `refused`, `unknown`, `plain` (no TLS) or `untrusted`."""

    place: str


@dataclass(frozen=True)
class Called:
    """The gateway calls its tasks so."""

    id: str


@dataclass(frozen=True)
class Disk:
    """The disk of the folder becomes `full` or `read-only`.

    Attributes:
        becomes: What.
        late: Only once the video is submitted.
    """

    becomes: str
    late: bool = False


@dataclass(frozen=True)
class Server:
    """Prefect's server, from the first look at the video on.

    Attributes:
        does: Plays `away`, `locked` (its database), or takes no `events`.
        minutes: For how long, if it ends while the run waits.
    """

    does: str
    minutes: float = 0


Provocation = Fault | Odd | Elsewhere | Called | Disk | Server
"""A fault of the sandbox, one of the relay before it, a wrong address, a name, a disk, or Prefect's server."""


@dataclass(frozen=True)
class Row:
    """A fault, and what becomes of a video.

    Attributes:
        fault: The fault, as the page calls it.
        fate: What becomes of the video if it stays.
        sees: What the user sees, `…` standing for anything; empty: the video is stored all the same.
        by: What provokes it, each by itself.
        padding: Bytes that the video is made longer by.
    """

    fault: str
    fate: Fate
    sees: str
    by: tuple[Provocation, ...]
    padding: int = 0


def told(words: str) -> str:
    """Return what is seen as a regular expression, in which `…` stands for anything."""
    return re.escape(words).replace("…", ".*").replace("\\ .*", " ?.*")
