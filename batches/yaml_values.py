"""YAML 1.2 as values: texts stay texts (`16:9`, `yes`, `2026-12-01`), tags build nothing, aliases can't explode.

Built from the parser's events and not by a constructor of the library: those know YAML 1.1's idea of a number or a
date as well, and have no lines to tell.
"""

import re
from collections.abc import Iterator, Sized
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml import events as yaml
from ruamel.yaml.error import MarkedYAMLError

from prefect_octopusx.api.requests.messages import shown
from prefect_octopusx.batches.values import DEEPEST, Object, Unusable

__all__ = ["Items", "YamlFault", "load"]

_CONSTANTS = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_DIGITS = 300  # of a number; more is none
_TEXT = "tag:yaml.org,2002:str"
_QUOTES = "a text that begins with { or [, or has ': ' or ' #' in it, needs quotes"


class YamlFault(Exception):
    """The document can't be read."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.place = "" if line is None else f"line {line}"


class Items(list[Any]):
    """A list, with the line of each item, counted from 1."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[int] = []


def load(text: str, *, characters: int, items: int) -> Any:  # noqa: ANN401 - whatever YAML has
    """Return the document: `Object`, `Items`, texts, numbers, true, false and None; `Unusable` for what can't be read.

    Args:
        text: The document.
        characters: How many it may have with all aliases written out.
        items: How many a list or an object in it may have.

    Raises:
        YamlFault: It is not YAML, too deep, or too large with its aliases.
    """
    try:
        return _Reader(text, characters, items).document()
    except YamlFault:
        raise
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise YamlFault(f"it is not YAML: {error.problem or error.context}; {_QUOTES}", line) from None
    except Exception as error:  # noqa: BLE001 - on odd bytes the library raises what its code happens to raise
        reason = getattr(error, "reason", None) or type(error).__name__
        position = getattr(error, "position", None)
        line = text.count("\n", 0, position) + 1 if isinstance(position, int) else None
        raise YamlFault(f"it is not YAML: {reason}", line) from None


class _Reader:
    def __init__(self, text: str, characters: int, items: int) -> None:
        # In Python, not in C: libyaml reads YAML 1.1.
        self._events: Iterator[Any] = iter(YAML(typ="safe", pure=True).parse(text))
        self._left = self._characters = characters
        self._items = items
        self._anchors: dict[str, tuple[Any, int]] = {}

    def document(self) -> Any:  # noqa: ANN401 - whatever YAML has
        next(self._events)  # the stream's start
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        value = self._value(next(self._events), 1)
        next(self._events)  # the document's end
        another = next(self._events)
        if not isinstance(another, yaml.StreamEndEvent):
            raise YamlFault("a second document begins here; a manifest is one", _line(another))
        return value

    def _value(self, event: Any, depth: int) -> Any:  # noqa: ANN401 - whatever YAML has
        self._spend(1, event)
        if isinstance(event, yaml.AliasEvent):
            value, size = self._anchors.get(event.anchor, (None, 0))
            if event.anchor not in self._anchors:
                return Unusable(f"`*{event.anchor}` stands for nothing before it")
            self._spend(size, event)
            return value
        before = self._left
        if event.anchor is not None:
            self._anchors[event.anchor] = (Unusable(f"`*{event.anchor}` stands for what it is a part of"), 0)
        value = self._built(event, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, before - self._left)
        return value

    def _built(self, event: Any, depth: int) -> Any:  # noqa: ANN401 - whatever YAML has
        if isinstance(event, yaml.ScalarEvent):
            self._spend(len(event.value), event)
            return self._scalar(event)
        if depth > DEEPEST + 5:  # a row's own values have `DEEPEST`
            raise YamlFault(f"it is nested deeper than {DEEPEST} levels here", _line(event))
        built = self._list(depth) if isinstance(event, yaml.SequenceStartEvent) else self._object(depth)
        return built if event.tag is None else _tagged(event)

    def _list(self, depth: int) -> Items:
        items = Items()
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._value(event, depth + 1))
            items.lines.append(_line(event))
            self._count(items, event)
        return items

    def _object(self, depth: int) -> Object:
        pairs: list[tuple[str, Any]] = []
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event, depth)
            value = self._value(next(self._events), depth + 1)
            if key == "<<":
                value = Unusable("YAML 1.2 merges nothing; what all videos share stands in `defaults`")
            pairs.append((key, value))
            self._count(pairs, event)
        return Object(pairs)

    def _key(self, event: Any, depth: int) -> str:  # noqa: ANN401 - an event
        """Return a key as it is written."""
        if isinstance(event, yaml.ScalarEvent):
            self._value(event, depth)
            return str(event.value)
        raise YamlFault(f"a key is a text; {_QUOTES}", _line(event))

    def _scalar(self, event: Any) -> Any:  # noqa: ANN401 - text, number, true, false or None
        if event.tag not in {None, _TEXT, "!"}:
            return _tagged(event)
        quoted = not event.implicit[0]
        return event.value if quoted or event.tag is not None else _plain(event.value)

    def _count(self, items: Sized, event: Any) -> None:  # noqa: ANN401 - an event
        if len(items) > self._items:
            raise YamlFault(f"it has more than {self._items:,} items from here on", _line(event))

    def _spend(self, size: int, event: Any) -> None:  # noqa: ANN401 - an event
        self._left -= size
        if self._left < 0:
            message = f"with its aliases written out it has more than {self._characters:,} characters from here on"
            raise YamlFault(message, _line(event))


def _plain(text: str) -> object:
    """Return what a text without quotes stands for, by YAML 1.2's core schema."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    integer = _INTEGER.fullmatch(text)
    if not integer and not _FLOAT.fullmatch(text):
        return text
    if len(text) > _DIGITS:
        return Unusable(f"a number has at most {_DIGITS} digits; a text of digits needs quotes")
    if integer:
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    return float(re.sub(r"\.(?=[ina])", "", text.lower()))  # Python writes inf and nan without the dot


def _tagged(event: Any) -> Unusable:  # noqa: ANN401 - an event
    return Unusable(f"a tag makes nothing here; leave it out (given: {shown(event.tag)})")


def _line(event: Any) -> int:  # noqa: ANN401 - an event
    return int(event.start_mark.line) + 1
