"""Templates in a row's texts: `launch/{city}-{date}`.

A template brings in times and the row's own columns, and can do nothing else. It is expanded once: what a column brings
in stays as it is. The braces are read as `str.format` reads them, but nothing is looked up in any object.
"""

import difflib
import re
from collections.abc import Collection, Mapping
from datetime import datetime
from string import Formatter
from typing import NamedTuple

from prefect_octopusx.api.requests.messages import shown

__all__ = ["RESERVED", "TEMPLATED", "TemplateProblem", "placeholders", "render"]

TEMPLATED = ("name", "prompt", "images")
"""The columns that may be templates."""
RESERVED = ("date", "weekday", "scheduled")
"""The placeholders that every row has."""

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DIRECTIVES = "YymdHMSjGVuwUW"  # what depends on no language and no system: a name must be the same on every machine
_DIRECTIVE = re.compile(rf"%([{_DIRECTIVES}%])")
_PADDED = re.compile(r"0(?P<width>[1-9])d?")
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
_INSIDE = re.compile(r"[.\[]")
_LONGEST = 100_000  # characters; also of what comes out, since a column can be brought in many times
_MOST_TOLD = 100  # columns; among more, to look for the nearest takes too long in a long manifest
_MOST_PROBLEMS = 20  # of a template that are told
_LITERALLY = "for a literal brace write {{ or }}"


class TemplateProblem(NamedTuple):
    """Why a template can't be expanded."""

    message: str
    always: bool
    """Whether it is the template's own fault, whatever the row."""


class _Wrong(Exception):
    """A placeholder that can't be expanded; its two arguments are those of `TemplateProblem`."""


def placeholders(template: str) -> set[str]:
    """Return the names of what a template brings in; of a template that can't be read, those before the fault."""
    found: set[str] = set()
    if "{" in template and len(template) <= _LONGEST:
        try:
            for _, name, _, _ in Formatter().parse(template):
                found.update({name, _INSIDE.split(name)[0]} if name else ())  # {city.name} is wrong, yet of `city`
        except ValueError:
            return found  # `render` says what is wrong
    return found


def render(
    template: str,
    when: datetime,
    columns: Mapping[str, object],
    known: Collection[str],
    *,
    unusable: Collection[str] = (),
) -> tuple[str | None, list[TemplateProblem]]:
    """Expand a template.

    Args:
        template: The text.
        when: What `{date}`, `{weekday}` and `{scheduled}` are of.
        columns: The row's columns.
        known: The columns of all rows, to tell a wrong name from a value that is missing here.
        unusable: Columns whose own faults are reported already.

    Returns:
        The text, and what is wrong. There is no text where something is wrong, or an unusable column is brought in.
    """
    if "{" not in template and "}" not in template:
        return template, []
    if len(template) > _LONGEST:
        return None, [TemplateProblem(f"a template has at most {_LONGEST} characters (given: {len(template)})", True)]
    pieces: list[str] = []
    problems: dict[TemplateProblem, None] = {}
    length = 0
    whole = True
    try:
        for literal, name, spec, conversion in Formatter().parse(template):
            pieces.append(literal)
            length += len(literal)
            if name in unusable:
                whole = False
            elif name is not None:
                try:
                    pieces.append(_value(name, spec or "", conversion, when, columns, known))
                    length += len(pieces[-1])
                except _Wrong as wrong:
                    problems[TemplateProblem(*wrong.args)] = None
                    if len(problems) >= _MOST_PROBLEMS:
                        break
            if length > _LONGEST:
                return None, [
                    TemplateProblem(f"with what its columns bring in, it is over {_LONGEST} characters", False)
                ]
    except ValueError as error:
        problems[TemplateProblem(f"its braces can't be read ({error}); {_LITERALLY}", True)] = None
    return "".join(pieces) if whole and not problems else None, list(problems)


def _value(
    name: str, spec: str, conversion: str | None, when: datetime, columns: Mapping[str, object], known: Collection[str]
) -> str:
    given = "{" + _short(name) + "}"
    if conversion:
        raise _Wrong(f"`{given}` takes no conversion such as !{conversion[:1]}", True)
    if name == "weekday":
        if spec:
            raise _Wrong("`{weekday}` takes no format", True)
        return _WEEKDAYS[when.weekday()]
    if name in RESERVED:
        return _time(when, spec or ("%Y-%m-%d" if name == "date" else "%Y-%m-%dT%H-%M"), name)
    if name in columns:
        return _column(given, columns[name], spec)
    if name in {"prompt", "images"}:
        raise _Wrong(f"`{given}` may be a template itself, so no template brings it in", True)
    if name == "name":
        raise _Wrong("a name can't bring in itself", True)
    if _INSIDE.search(name):
        raise _Wrong(f"`{given}`: a template brings in columns as they are, nothing inside of them", True)
    if name in known:
        raise _Wrong(f"`{given}` has no value in this row", False)
    columns_told = known if len(known) <= _MOST_TOLD else ()
    allowed = sorted({*RESERVED, *columns_told} - {"prompt", "images"})
    close = difflib.get_close_matches(name.strip().lower()[:100], allowed, n=1)
    hint = f"use `{{{close[0]}}}`" if close else f"there is {_listed(allowed)}"
    raise _Wrong(f"`{given}` is no column of the manifest: {hint}; {_LITERALLY}", True)


def _time(when: datetime, spec: str, name: str) -> str:
    rest = _DIRECTIVE.sub("", spec)
    if "%" in rest:
        allowed = ", ".join(f"%{letter}" for letter in _DIRECTIVES)
        raise _Wrong(f"the format of `{{{name}}}` takes {allowed} (given: {shown(spec)})", True)
    # One by one: the C library has its own ideas of what else may stand in a format.
    return _DIRECTIVE.sub(lambda match: "%" if match[1] == "%" else when.strftime(match[0]), spec)


def _column(given: str, value: object, spec: str) -> str:
    if not isinstance(value, str | int | float):
        raise _Wrong(f"`{given}` is not a text or a number in this row (given: {shown(value)})", False)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if not spec:
        return text
    padded = _PADDED.fullmatch(spec)
    if not padded:
        raise _Wrong(
            f"`{given}` takes no format but digits for a whole number, such as 03d (given: {shown(spec)})", True
        )
    if not _NUMBER.fullmatch(text):
        raise _Wrong(f"`{given}` is no whole number in this row, as its format wants it (given: {shown(value)})", False)
    return f"{int(text):0{padded['width']}d}"


def _short(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:40]}…"


def _listed(names: list[str]) -> str:
    some = ", ".join(f"{{{_short(name)}}}" for name in names[:12])
    return f"{some} and {len(names) - 12} more" if len(names) > 12 else some
