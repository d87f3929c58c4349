"""A manifest: a list of videos as a file, checked as a whole before anything is paid.

What is wrong is kept with its row, so that one error tells all of it: `read_manifest` raises only where no rows can be
told apart, and `Manifest.videos` raises everything else.
"""

import dataclasses
import datetime as dt
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from prefect_octopusx.api.requests.messages import shown
from prefect_octopusx.batches.cells import converted, family_of, is_sent
from prefect_octopusx.batches.errors import Fault, refused
from prefect_octopusx.batches.formats import Record, read, record
from prefect_octopusx.batches.rows import DEFAULTS, Common, Content, Row, VideoItem
from prefect_octopusx.batches.templates import RESERVED, TEMPLATED, placeholders
from prefect_octopusx.batches.values import Object
from prefect_octopusx.storage.names import folded

__all__ = ["Manifest", "read_manifest"]

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATE_AND_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?")


@dataclasses.dataclass(frozen=True, eq=False)
class Manifest:
    """A list of videos as it was read; nothing is rendered yet.

    Attributes:
        name: The batch's name: `launch` of `s3://b/x/launch.csv`.
        rows: At least one.
        where: What was read: a path or a URI.
    """

    name: str
    rows: tuple[Row, ...]
    where: str

    def videos(self, scheduled: dt.datetime, *, together: bool = True) -> list[VideoItem]:
        """Return the videos of all rows, in their order.

        Args:
            scheduled: What `{date}`, `{weekday}` and `{scheduled}` are of, in rows without a `date`.
            together: Whether all are made for this time, so that their names must differ; rows of a rotation take
                turns, and their names may differ by the time alone.

        Raises:
            ManifestError: There is any fault; it has all faults of all rows.
        """
        items: list[VideoItem] = []
        faults: list[Fault] = []
        places: dict[str, tuple[str, str]] = {}
        for row in self.rows:
            item, name, found = row.attempt(scheduled)
            faults += found
            if together and name is not None:
                first, place = places.setdefault(folded(name), (name, row.place))
                if place != row.place:
                    faults.append(Fault(place=row.place, column="name", name=name, message=_taken(name, first, place)))
            if item is not None:
                items.append(item)
        if faults:
            raise refused(self.where, faults)
        return items


def read_manifest(data: bytes, *, where: str, defaults: Mapping[str, Any] | None = None) -> Manifest:
    """Read a manifest. The ending of its name decides the format: .jsonl, .ndjson, .csv, .yaml or .yml.

    Faults of single rows are not raised here but by `Manifest.videos`, together with all others.

    Args:
        data: The file's content.
        where: Its path or URI.
        defaults: Values for all rows; the file's own defaults and its rows come before them.

    Returns:
        The manifest, with at least one row.

    Raises:
        ManifestError: No rows can be told apart in it.
    """
    table = read(data, where)
    below, own = record(DEFAULTS, Object(dict(defaults or {}).items())), table.defaults
    if own.values is None:
        raise refused(where, [*table.top, *own.faults])  # what rows lack is in there
    both = Record(DEFAULTS, {**_values(below), **own.values}, [*below.faults, *own.faults], below.bad | own.bad)
    common = Common(where, (*table.top, *both.faults), frozenset(_values(both)).union(*map(_values, table.rows)))
    used = frozenset(_used(both)).union(*map(_used, table.rows))
    rows = tuple(_row(entry, both, common, used, cells=table.cells) for entry in table.rows)
    return Manifest(name=PurePosixPath(where).stem, rows=rows, where=where)


def _values(entry: Record) -> Mapping[str, Any]:
    return entry.values or {}


def _used(entry: Record) -> Iterator[str]:
    """Yield what the templates of a row, or of the defaults, bring in."""
    for column in TEMPLATED:
        value = _values(entry).get(column)
        for text in value if isinstance(value, list | tuple) else [value]:
            if isinstance(text, str):
                yield from placeholders(text)


def _row(entry: Record, defaults: Record, common: Common, used: frozenset[str], *, cells: bool) -> Row:
    """Join a row with the defaults, and note what is wrong with it whatever the time."""
    given = entry.values
    if given is None:
        faults = (*common.faults, *entry.faults)
        return Row(entry.place, None, Content(common, None, {}, frozenset(), frozenset(), faults))
    merged = {column: value for column, value in _values(defaults).items() if column not in entry.bad} | given
    columns = {column: value for column, value in merged.items() if value is not None}
    inherited = frozenset(columns).difference(given)
    row = Record(entry.place, columns, list(entry.faults), entry.bad | defaults.bad.difference(given))
    for column in RESERVED[1:]:
        if column in columns:
            _refuse(row, column, f"`{{{column}}}` is a time already: give this column another name", inherited)
    try:
        date = _date(columns.get("date"))
    except ValueError as error:
        _refuse(row, "date", str(error), inherited)
        date = None
    family = family_of(columns)
    fields: dict[str, Any] = {}
    for column, value in list(columns.items()):
        if is_sent(column, family, used):
            try:
                sent = converted(column, value, family) if cells and column in given else value
            except ValueError as error:
                row.refuse(column, str(error))
            else:
                if sent is not None:
                    fields[column] = sent
    content = Content(common, columns, fields, inherited, frozenset(row.bad), (*common.faults, *row.faults))
    return Row(entry.place, date, content)


def _refuse(row: Record, column: str, message: str, inherited: frozenset[str]) -> None:
    """Note what is wrong with a column, with the defaults where its value stands there."""
    row.refuse(column, message)
    if column in inherited:
        row.faults[-1] = row.faults[-1].model_copy(update={"place": DEFAULTS})


def _date(value: object) -> dt.date | dt.datetime | None:
    if value is None:
        return None
    try:
        if isinstance(value, str) and _DATE.fullmatch(value):
            return dt.date.fromisoformat(value)
        if isinstance(value, str) and _DATE_AND_TIME.fullmatch(value):
            return dt.datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"there is no such day or time: {error} (given: {shown(value)})") from None
    if isinstance(value, dt.date) and not (isinstance(value, dt.datetime) and value.tzinfo):
        return value
    raise ValueError(
        "`date` is an ISO date, 2026-12-01, or a date and a time without offset, 2026-12-01T09:00"
        f" (given: {shown(value)})"
    )


def _taken(name: str, first: str, place: str) -> str:
    if name == first:
        return f"{shown(name)} is the name of {place} already"
    return f"{shown(name)} differs only by letter case from {shown(first)}, {place}: not every folder tells them apart"
