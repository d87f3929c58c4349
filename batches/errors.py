"""What is wrong with a manifest: every fault with its place and its column, in one error."""

import re
from collections.abc import Iterable, Sequence
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

from prefect_octopusx.api.documented import fields_in_help
from prefect_octopusx.api.errors import OctopusXError
from prefect_octopusx.api.redact import redact
from prefect_octopusx.api.requests.messages import lower_scheme

__all__ = ["Fault", "ManifestError", "refused"]

_LINES = 50  # how many lines of faults a message has at most
_LONGEST = 600  # characters of one text in a message
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")


def _safe(text: object) -> object:
    """Return a text that can be shown, on one line: no signed URL, no picture, no half character."""
    if not isinstance(text, str):
        return text
    whole = text[: 10 * _LONGEST].encode("utf-8", "backslashreplace").decode()
    shown = redact(lower_scheme(_CONTROL.sub(" ", whole)))
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"


_Shown = Annotated[str, BeforeValidator(_safe)]


@fields_in_help
class Fault(BaseModel):
    """One thing that is wrong with a manifest."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    place: _Shown
    """Where: `row 3`, `line 3`, `video 3, line 17`, `defaults`; empty for the file as a whole."""
    column: _Shown
    """The column; empty for the row as a whole."""
    name: _Shown | None = None
    """The video's name, where it is known."""
    message: _Shown
    """What was given and what is allowed; without signed URLs and pictures."""

    def __str__(self) -> str:
        where = ", ".join(part for part in (self.place, self.column and f"column {self.column}") if part)
        return f"{where}: {self.message}" if where else self.message


class ManifestError(OctopusXError):
    """A manifest can't be used. The message lists every fault, one a line.

    Attributes:
        faults: All of them, those of the file first, then by row.
    """

    def __init__(self, message: str, *, faults: Sequence[Fault] = ()) -> None:
        super().__init__(message)
        self.faults = tuple(faults)


def refused(where: str, faults: Iterable[Fault]) -> ManifestError:
    """Return the error that refuses the manifest `where` for `faults`; what several rows share is listed once."""
    listed = tuple(dict.fromkeys(faults))
    count = "a fault" if len(listed) == 1 else f"{len(listed)} faults"
    return ManifestError("\n".join([f"{_safe(where)} has {count}:", *_lines(listed)]), faults=listed)


def _lines(faults: Sequence[Fault]) -> list[str]:
    if len(faults) <= _LINES:
        return list(map(str, faults))
    alike: dict[tuple[str, str], list[Fault]] = {}  # a wrong column in 10,000 rows must not hide the other faults
    for fault in faults:
        alike.setdefault((fault.column, fault.message), []).append(fault)
    groups = list(alike.values())
    lines = [f"{first} (the same in {len(rest)} more)" if rest else str(first) for first, *rest in groups[:_LINES]]
    if more := sum(map(len, groups[_LINES:])):
        lines.append(f"... and {more} more")
    return lines
