"""Reading a manifest's bytes: JSONL, CSV or YAML in, rows with their places out.

What is wrong with one row stays with that row, so that it is told together with everything else. Only where no rows
can be told apart does reading stop.
"""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, NoReturn

from prefect_octopusx.api.requests.messages import shown
from prefect_octopusx.batches.errors import Fault, refused
from prefect_octopusx.batches.values import Object, parsed, unsuitable

__all__ = ["MAX_BYTES", "MAX_ROWS", "Record", "Table", "read", "record"]

MAX_ROWS = 10_000
MAX_BYTES = 32_000_000

_MOST_CSV_ROWS = 1_048_576  # empty ones included; no spreadsheet has more
_DELIMITERS = ",;\t"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_AS_UTF8 = "save it as UTF-8 (in Excel: 'CSV UTF-8')"


@dataclass
class Record:
    """A row as it stands in the file, or the defaults."""

    place: str
    values: dict[str, Any] | None = field(default_factory=dict)
    """What can be used of it; None where it can't be read at all."""
    faults: list[Fault] = field(default_factory=list)
    bad: set[str] = field(default_factory=set)
    """Columns that have a fault, and are not in `values`."""

    def refuse(self, column: str, message: str) -> None:
        """Note what is wrong with a column; an empty one stands for the whole row."""
        self.faults.append(Fault(place=self.place, column=column, message=message))
        if not column:
            self.values = None
            return
        self.bad.add(column)
        if self.values is not None:
            self.values.pop(column, None)


@dataclass
class Table:
    """A manifest as it stands in the file."""

    defaults: Record
    rows: list[Record]
    top: list[Fault] = field(default_factory=list)
    """What is wrong with the file outside of its rows."""
    cells: bool = False
    """Whether all values are the texts of cells, whose types depend on the row's model."""


def read(data: bytes, where: str) -> Table:
    """Read a manifest.

    Raises:
        ManifestError: No rows can be told apart in it.
    """
    formats: dict[str, Callable[[bytes, str], Table]] = {
        ".jsonl": _jsonl,
        ".ndjson": _jsonl,
        ".csv": _csv,
        ".yaml": _yaml,
        ".yml": _yaml,
    }
    suffix = PurePosixPath(where).suffix.lower()
    if suffix not in formats:
        _stop(where, f"a manifest's name ends in {', '.join(formats)} (given: {shown(suffix)})")
    if len(data) > MAX_BYTES:
        _stop(where, f"a manifest has at most {MAX_BYTES // 1_000_000} MB (given: {len(data) / 1_000_000:.1f} MB)")
    if data.startswith(_UTF16):
        _stop(where, f"it is in UTF-16: {_AS_UTF8}")
    table = formats[suffix](data.removeprefix(b"\xef\xbb\xbf"), where)
    if len(table.rows) > MAX_ROWS:
        _stop(where, f"a manifest has at most {MAX_ROWS:,} rows: split it")
    if not table.rows:
        raise refused(where, [*table.top, *table.defaults.faults, _whole("it has no videos")])
    return table


def record(place: str, value: object) -> Record:
    """Return an object of JSON, YAML or Python as a record."""
    if not isinstance(value, Object):
        return _unread(place, unsuitable(value) or f"a row is an object with names and values (given: {shown(value)})")
    read = Record(place, dict(value))
    for name in value.twice:
        read.refuse(name, "it is given twice")
    for name, each in value.items():
        if problem := unsuitable(name) or unsuitable(each):
            read.refuse(name, problem)
    return read


def _jsonl(data: bytes, _where: str) -> Table:
    table = Table(Record("defaults"), [])
    first = True
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        place = f"line {number}"
        try:
            value = parsed(line.decode("utf-8"))
        except UnicodeDecodeError:
            table.rows.append(_unread(place, f"it is not in UTF-8: {_AS_UTF8}"))
        except ValueError as error:
            table.rows.append(_unread(place, f"it is not JSON: {error}"))
        else:
            if first and isinstance(value, Object) and set(value) == {"defaults"}:
                table.defaults = record("defaults", value["defaults"])
            elif isinstance(value, Object) and "defaults" in value:
                table.rows.append(_unread(place, 'defaults stand alone on the first line: {"defaults": {...}}'))
            else:
                table.rows.append(record(place, value))
        first = False
        if len(table.rows) > MAX_ROWS:
            break
    return table


def _yaml(data: bytes, where: str) -> Table:
    # Here, since its library takes as long to load as half of this package, and few runs read YAML.
    from prefect_octopusx.batches.yaml_values import Items, YamlFault, load  # noqa: PLC0415

    text = _text(data, where)
    try:
        document = load(text, characters=MAX_BYTES, items=MAX_ROWS)
    except YamlFault as fault:
        raise refused(where, [Fault(place=fault.place, column="", message=str(fault))]) from None
    top: list[Fault] = []
    defaults = Record("defaults")
    videos = document
    if isinstance(document, Object):
        stray = "a manifest has `videos`, and beside them only `defaults`"
        top += [_top(name, stray) for name in document if name not in {"defaults", "videos"}]
        top += [_top(name, "it is given twice") for name in document.twice]
        videos = document.get("videos")
        if document.get("defaults") is not None:
            defaults = record("defaults", document["defaults"])
    if videos is None:
        videos = Items()
    if not isinstance(videos, Items):
        message = unsuitable(videos) or f"a manifest has a list of videos (given: {shown(videos)})"
        raise refused(where, [*top, *defaults.faults, _top("videos", message)])
    rows = enumerate(zip(videos.lines, videos, strict=True), 1)
    return Table(defaults, [record(f"video {number}, line {line}", value) for number, (line, value) in rows], top)


def _csv(data: bytes, where: str) -> Table:
    text = _text(data, where)
    delimiter = max(_DELIMITERS, key=lambda each: _width(text, each))
    table = Table(Record("defaults"), [], cells=True)
    header: _Header | None = None
    try:
        for number, cells in _filled(text, delimiter):
            if header is None:
                header = _Header(f"row {number}", cells)
            else:
                table.rows.append(header.record(f"row {number}", cells))
            if len(table.rows) > MAX_ROWS:
                break
    except _Broken as broken:
        # Nobody knows where this cell ends, so what follows means nothing.
        message = f"from here on it can't be read: {broken}; a quote inside of quotes is written twice"
        table.rows.append(_unread(f"row {broken.number}", message))
    if header:
        table.top += header.faults.values()
    return table


class _Broken(Exception):
    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number


def _filled(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that have content, with the numbers that a spreadsheet shows; white space around cells goes."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    while True:
        number += 1
        if number > _MOST_CSV_ROWS:
            raise _Broken(f"it has more than {_MOST_CSV_ROWS:,} rows, empty ones included", number)
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            raise _Broken(str(error), number) from None
        if any(cells):
            yield number, cells


def _width(text: str, delimiter: str) -> int:
    """Return how many columns the header has with this delimiter."""
    try:
        return next(len(cells) for _, cells in _filled(text, delimiter))
    except (StopIteration, _Broken):
        return 0


class _Header:
    def __init__(self, place: str, names: list[str]) -> None:
        self.place = place
        self.names = names
        self.twice = {name for name, count in Counter(names).items() if name and count > 1}
        self.faults = {
            name: Fault(place=place, column=name, message="two columns have this name")
            for name in names
            if name in self.twice
        }

    def record(self, place: str, cells: list[str]) -> Record:
        """Return a row; an empty cell is not given."""
        row = Record(place, {}, bad=set(self.twice))
        values: dict[str, Any] = {}
        for number, (name, cell) in enumerate(zip(self.names, cells, strict=False), 1):
            if cell and not name:
                column = f"number {number}"
                self.faults[column] = Fault(place=self.place, column=column, message="it has cells but no name")
            elif cell:
                values[name] = cell
        row.values = values
        if any(cells[len(self.names) :]):
            message = f"it has {len(cells)} cells, and the header {len(self.names)}: a text with a comma needs quotes"
            row.faults.append(Fault(place=place, column="", message=message))
        return row


def _text(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        fault = Fault(place=f"line {line}", column="", message=f"it is not in UTF-8: {_AS_UTF8}")
        raise refused(where, [fault]) from None


def _unread(place: str, message: str) -> Record:
    unread = Record(place)
    unread.refuse("", message)
    return unread


def _top(name: str, message: str) -> Fault:
    return Fault(place="top level", column=name, message=message)


def _whole(message: str) -> Fault:
    return Fault(place="", column="", message=message)


def _stop(where: str, message: str) -> NoReturn:
    raise refused(where, [_whole(message)])
