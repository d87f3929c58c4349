"""Wording what is wrong with a request, without ever showing a picture's content or a signed URL."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from prefect_octopusx.api.redact import redact

__all__ = ["Problem", "lower_scheme", "refusal", "rule", "shown"]

_SCHEME = re.compile(r"(?i)\b(?:https?://|data:)")
_MANY = 80  # characters of a value that a message shows at most


class Problem(NamedTuple):
    """One thing that a hard rule refuses."""

    loc: tuple[str | int, ...]
    """Where: the field, and for a list the index in it."""
    message: str
    """What was given and what is allowed."""
    type: str = "rule"
    """Pydantic's name of the kind of error, or `rule`."""


def rule(message: str) -> PydanticCustomError:
    """Return the error by which a field validator refuses a value."""
    return PydanticCustomError("rule", message)


def refusal(title: str, problems: Iterable[Problem]) -> ValidationError:
    """Return one validation error for all `problems`; raised inside a validator, pydantic merges it with its own."""
    return ValidationError.from_exception_data(
        title,
        [
            # The input may be a picture or a signed URL, and who prints `errors()` prints it; the message says enough.
            InitErrorDetails(type=PydanticCustomError(problem.type, problem.message), loc=problem.loc, input="…")
            for problem in problems
        ],
        hide_input=True,
    )


def shown(value: object) -> str:
    """Return what a message may show of a given value: short, without inline pictures, URL queries and passwords."""
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, list | tuple | set | dict):
        return f"{len(value)} item{'' if len(value) == 1 else 's'}"
    if not isinstance(value, str):
        text = redact(repr(value))
        return text if len(text) <= _MANY else f"{text[:_MANY]}…"
    text = redact(lower_scheme(value))
    if len(text) <= _MANY:
        return repr(text)
    # A long text without a space may be a picture in bare base64.
    start = text[:_MANY] if " " in text[:_MANY] or "://" in text[:_MANY] else text[:12]
    return f"{start + '…'!r}, {len(value)} characters"


def lower_scheme(text: str) -> str:
    """Return `text` with `HTTPS://` and `DATA:` in lower case, as redaction expects them."""
    return _SCHEME.sub(lambda match: match.group(0).lower(), text)
