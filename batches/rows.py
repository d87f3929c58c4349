"""A row of a manifest, and how it becomes a video: its templates are expanded, then its request is checked."""

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, field_validator

from prefect_octopusx.api import VideoRequest
from prefect_octopusx.api.documented import fields_in_help
from prefect_octopusx.api.requests.messages import shown
from prefect_octopusx.batches.errors import Fault, refused
from prefect_octopusx.batches.templates import TEMPLATED, render
from prefect_octopusx.storage import check_name

__all__ = ["DEFAULTS", "Common", "Content", "Row", "VideoItem"]

_REQUEST: TypeAdapter[VideoRequest] = TypeAdapter(VideoRequest)
DEFAULTS = "defaults"
"""The place of what is wrong with the defaults."""


@fields_in_help
class VideoItem(BaseModel):
    """One video to make."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True)

    name: str
    """The video's name, its idempotency key."""
    request: VideoRequest
    """What is asked for."""
    place: str = ""
    """Where it stands in its manifest: `row 3`, `line 3`, `video 3, line 17`."""

    _is_name = field_validator("name")(check_name)


@dataclasses.dataclass(frozen=True)
class Common:
    """What all rows of a manifest share."""

    where: str
    """The manifest's path."""
    faults: tuple[Fault, ...]
    """What is wrong outside of the rows: every row has these faults, too."""
    known: frozenset[str]
    """The columns of all rows."""


@dataclasses.dataclass(frozen=True, eq=False)
class Content:
    """What a row holds, with its defaults."""

    common: Common
    columns: Mapping[str, Any] | None
    """All columns, for templates to bring in; None for a row that can't be read."""
    fields: Mapping[str, Any]
    """What makes the request, with prompt and pictures still as templates."""
    inherited: frozenset[str]
    """Columns whose values are defaults."""
    bad: frozenset[str]
    """Columns whose faults are in `faults`."""
    faults: tuple[Fault, ...]
    """What reading it found, that of the whole file included."""


@dataclasses.dataclass(frozen=True, eq=False)
class Row:
    """One row as it was read; nothing in it is rendered yet.

    Attributes:
        place: Where it stands: `row 3`, `line 3`, `video 3, line 17`.
        date: The row's own date, or date and time; None if it has none.
    """

    place: str
    date: dt.date | dt.datetime | None
    _content: Content = dataclasses.field(repr=False)  # may hold signed URLs and pictures

    def video(self, scheduled: dt.datetime) -> VideoItem:
        """Return this row's video.

        Args:
            scheduled: What `{date}`, `{weekday}` and `{scheduled}` are of, unless the row has a `date`.

        Raises:
            ManifestError: This row has faults, or the file has some outside of its rows.
        """
        item, _, faults = self.attempt(scheduled)
        if item is None:
            raise refused(self._content.common.where, faults)
        return item

    def name_at(self, scheduled: dt.datetime) -> str:
        """Return only the name that this row's video has; its request is not looked at.

        Raises:
            ManifestError: The name is wrong, or reading found faults with this row or outside of the rows.
        """
        making = _Making(self, self._content, scheduled)
        name = making.name()
        if name is None or making.faults:
            raise refused(self._content.common.where, making.faults)
        return name

    def attempt(self, scheduled: dt.datetime) -> tuple[VideoItem | None, str | None, list[Fault]]:
        """Return this row's video, its name, and its faults. With any fault there is no video, but perhaps a name."""
        making = _Making(self, self._content, scheduled)
        name = making.name()
        request = making.request(name)
        if making.faults or name is None or request is None:
            return None, name, [_named(fault, name) if fault.place == self.place else fault for fault in making.faults]
        return VideoItem(name=name, request=request, place=self.place), name, []


def _named(fault: Fault, name: str | None) -> Fault:
    return fault if name is None else fault.model_copy(update={"name": name})


class _Making:
    """One row on its way to a video, for one time."""

    def __init__(self, row: Row, content: Content, scheduled: dt.datetime) -> None:
        self.faults = list(content.faults)
        self._row = row
        self._content = content
        self._when = _moment(row.date, scheduled)
        self._told = set(content.bad)  # columns whose faults are known, so that nothing is said of them again

    def name(self) -> str | None:
        columns = self._content.columns
        if columns is None or "name" in self._told:
            return None
        template = columns.get("name")
        if template is None:
            close = next((column for column in columns if column.lower() in {"name", "names"}), None)
            hint = f"; is it `{close}`?" if close else ""
            self._fault("name", f"it is missing: by its name a video is known, so that it is paid for once{hint}")
        elif not isinstance(template, str):
            self._fault(
                "name", f"a name is a text, in quotes where it looks like something else (given: {shown(template)})"
            )
        else:
            text = self._rendered("name", template, self._own(columns))
            if text is not None:
                try:
                    return check_name(text)
                except ValueError as error:
                    self._fault("name", str(error).removeprefix("name: "))
        return None

    def request(self, name: str | None) -> VideoRequest | None:
        columns = self._content.columns
        if columns is None:
            return None
        own = self._own(columns)
        if name is None:
            self._told.add("name")
        else:
            own["name"] = name
        fields = dict(self._content.fields)
        for column in ("prompt", "images"):
            if column in fields:
                fields[column] = self._expanded(column, fields[column], own)
        try:
            return _REQUEST.validate_python(fields)
        except ValidationError as error:
            for problem in error.errors(include_url=False, include_context=False, include_input=False):
                self._refused(problem["loc"], problem["type"], problem["msg"])
            return None

    def _own(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        return {column: value for column, value in columns.items() if column not in TEMPLATED}

    def _expanded(self, column: str, value: object, own: Mapping[str, Any]) -> object:
        """Return a value with its templates expanded; where that fails as it was, so that the rest can be checked."""
        if isinstance(value, str):
            text = self._rendered(column, value, own)
            return value if text is None else text
        if isinstance(value, list | tuple):
            return [self._expanded(column, each, own) for each in value]
        return value

    def _rendered(self, column: str, template: str, own: Mapping[str, Any]) -> str | None:
        """Return the expanded text; None where that fails, and then nothing more is said of this column."""
        text, problems = render(template, self._when, own, self._content.common.known, unusable=self._told)
        for problem in problems:
            place = DEFAULTS if problem.always and column in self._content.inherited else None
            self._fault(column, problem.message, place)
        if text is None:
            self._told.add(column)
        return text

    def _refused(self, loc: tuple[int | str, ...], kind: str, message: str) -> None:
        column = str(loc[0]) if loc else ""
        if column in self._told:
            return
        if column == "images" and len(loc) > 1 and isinstance(loc[1], int):
            message = f"picture {loc[1] + 1}: {message}"
        if kind == "extra_forbidden":
            message += f"; and no template of the manifest brings in `{{{column}}}`"
        if column in self._content.inherited:
            message += " (from the defaults)"
        self.faults.append(Fault(place=self._row.place, column=column, message=message))

    def _fault(self, column: str, message: str, place: str | None = None) -> None:
        self._told.add(column)
        self.faults.append(Fault(place=place or self._row.place, column=column, message=message))


def _moment(date: dt.date | dt.datetime | None, scheduled: dt.datetime) -> dt.datetime:
    """Return what a row's times are of: its own date, if it has one, in the zone of the schedule."""
    if isinstance(date, dt.datetime):
        return date.replace(tzinfo=scheduled.tzinfo)
    return dt.datetime.combine(date, dt.time(), scheduled.tzinfo) if date else scheduled
