"""Values as JSON and YAML bring them, with what is wrong with them still to be told by column."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

__all__ = ["DEEPEST", "Object", "Unusable", "parsed", "unsuitable"]

DEEPEST = 50  # levels; pydantic and json recurse, and a message is better than a RecursionError from there
_TOO_DEEP = f"it is nested deeper than {DEEPEST} levels"


class Object(dict[str, Any]):
    """An object as it stood in the file: its last values, and the names that it has more than once."""

    def __init__(self, pairs: Iterable[tuple[str, Any]]) -> None:
        pairs = list(pairs)
        super().__init__(pairs)
        self.twice: tuple[str, ...] = ()
        if len(self) < len(pairs):
            self.twice = tuple(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)


class Unusable:
    """A value that can't be used, and why."""

    def __init__(self, message: str) -> None:
        self.message = message


def parsed(text: str) -> Any:  # noqa: ANN401 - whatever JSON has
    """Return what a JSON text says, with every object as an `Object`.

    Raises:
        ValueError: It is not JSON; the message says where.
    """
    try:
        return json.loads(text, object_pairs_hook=Object)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg}, at character {error.pos + 1}") from None
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


def unsuitable(value: object, depth: int = 1) -> str | None:
    """Return why a value can't be part of a request, if it can't: what JSON or UTF-8 has no way to write."""
    if isinstance(value, list | dict):
        return _unsuitable_part(value, depth)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN and Infinity are no numbers to send"
    if isinstance(value, str) and not value.isascii() and re.search(r"[\ud800-\udfff]", value):
        return "it has half a character in it (a lone surrogate, such as \\ud83d)"
    return value.message if isinstance(value, Unusable) else None


def _unsuitable_part(value: list[Any] | dict[str, Any], depth: int) -> str | None:
    if depth > DEEPEST:
        return _TOO_DEEP
    if isinstance(value, Object) and value.twice:
        return f"it has `{value.twice[0]}` twice"
    parts = value if isinstance(value, list) else (part for pair in value.items() for part in pair)
    return next((problem for part in parts if (problem := unsuitable(part, depth + 1))), None)
