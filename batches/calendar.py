"""The content calendar: which rows of a manifest are due at a tick of the schedule.

Nothing in here looks at a clock: the tick is the time for which a run was scheduled, so the same tick gives the same
answer whenever it runs, and however often. The name of a video makes it once; the calendar only says what is due.

Where rows have dates, each is made once, at its date. Where none has one, they are a *rotation*: each day takes the
next row, counted from a fixed Monday, so no state is kept and no row is left out.

Days are days of a time zone. Where its clock leaps over a time (spring), that time is at the end of the leap; where it
shows a time twice (autumn), the first one counts. Schedulers differ about the times that are left out: Prefect 3.8 runs
`30 2 * * *` an hour early on such a day with Python up to 3.12, and an hour late from 3.13 on. At midnight that is
another date. So a tick beside a leap also stands for the time it may have been meant for, and no day is lost.
"""

import difflib
import functools
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from typing import Literal, NamedTuple, Protocol, get_args
from zoneinfo import ZoneInfo, available_timezones

from prefect_octopusx.api.requests.messages import shown
from prefect_octopusx.storage.names import folded

__all__ = ["CalendarRow", "Due", "Tick", "Weekday", "check_rotation", "due_at", "zone_named"]

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
"""A day of the week, by its English name in small letters."""

_WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)
_EPOCH = date(2001, 1, 1)  # a Monday, from which the turns of rotations are counted
_MOST_DAYS = 366
_CYCLE = 28 * 1461 // 4  # days, after which the dates fall on the same weekdays again
_MOST_FAULTS = 50  # that a message lists
_ONE_DAY = timedelta(days=1)

_When = date | datetime


class CalendarRow(Protocol):
    """What the calendar wants to know of a manifest's row."""

    @property
    def place(self) -> str:
        """Where the row stands, for messages."""

    @property
    def date(self) -> _When | None:
        """The local day, or day and time without offset, for which the user planned the row."""

    def name_at(self, scheduled: datetime) -> str:
        """Return the video's name for a scheduled time."""


class Due(NamedTuple):
    """A row and the time for which its video is made.

    Attributes:
        row_index: Which row: its index among those given.
        scheduled: Aware, in the calendar's zone. It depends on the row and its day alone, never on the tick that makes
            it.
    """

    row_index: int
    scheduled: datetime


class Tick(NamedTuple):
    """What a run has to make.

    Attributes:
        due: In order of time, then of rows. Most were made by earlier runs: their names tell.
        over: Rows whose date is too long ago. They are not made any more; which of them never were, their names tell.
        later: How many rows with a date are still to come.
    """

    due: list[Due]
    over: list[Due]
    later: int


def due_at(
    rows: Sequence[CalendarRow],
    *,
    tick: datetime,
    zone: ZoneInfo,
    look_ahead_days: int = 0,
    catch_up_days: int | None = None,
    weekdays: Collection[Weekday] | None = None,
) -> Tick:
    """Return which rows are due at a tick.

    A row with a date is due from the start of that day, or from its time. In a rotation each day's row is due on its
    day; a day that a zone left out (Pacific/Apia, 2011-12-30) drops out with its row.

    Args:
        rows: The manifest's rows. Either all of them have a date, or none has.
        tick: The time for which the run was scheduled, with an offset.
        zone: Where days start and dates are read.
        look_ahead_days: Days by which videos are made before their time.
        catch_up_days: Days before the tick's own that are made up for. By default 1 for rows with dates: so a daily
            schedule misses none, whatever its time of day. By default 0 for a rotation, which would otherwise begin
            with yesterday's video.
        weekdays: The days that take a turn in a rotation; all seven by default.

    Raises:
        ValueError: An argument is out of range, or only some rows have a date. Every fault is named.
    """
    _refuse(
        chain(
            _range_faults(tick=tick, look_ahead_days=look_ahead_days, catch_up_days=catch_up_days),
            _weekday_faults(rows, weekdays),
            _date_faults(rows, zone),
        )
    )
    tick = _plain(tick).astimezone(UTC)
    earliest, latest = _meant_times(tick, zone)
    latest += timedelta(days=look_ahead_days)
    if _is_rotation(rows):
        first = earliest.date() - timedelta(days=catch_up_days or 0)
        days = range(first.toordinal(), latest.toordinal() + 1)
        return Tick(list(_turns(days, len(rows), zone, weekdays)), [], 0)
    first = earliest.date() - timedelta(days=1 if catch_up_days is None else catch_up_days)
    return _by_date(rows, zone, first=first, until=max(tick, _instant(latest, zone)))


def check_rotation(
    rows: Sequence[CalendarRow], *, tick: datetime, zone: ZoneInfo, weekdays: Collection[Weekday] | None = None
) -> None:
    """Check that no two turns of a rotation have the same name: the second one would find its video made.

    Looks at the turns of 28 years, after which dates fall on the same weekdays again, and at two rounds at least.
    Calls `name_at` once for each, up to 10,000 times or twice the number of rows. Rows with dates pass unchecked.

    Args:
        rows: The manifest's rows.
        tick: The time for which the run was scheduled, with an offset.
        zone: Where days start.
        weekdays: The days that take a turn; all seven by default.

    Raises:
        ValueError: The rows whose names come again, and when; or an argument is out of range.
    """
    _refuse(chain(_range_faults(tick=tick), _weekday_faults(rows, weekdays)))
    if not _is_rotation(rows):
        return
    today = _plain(tick).astimezone(zone).date().toordinal()
    two_rounds = (2 * len(rows) // len(set(weekdays or _WEEKDAYS)) + 1) * 7
    days = range(today, min(today + max(_CYCLE, two_rounds), date.max.toordinal()))
    taken: dict[str, Due] = {}
    faults: dict[int, str] = {}
    for turn in _turns(days, len(rows), zone, weekdays):
        if turn.row_index in faults:
            continue
        name = rows[turn.row_index].name_at(turn.scheduled)
        other = taken.setdefault(folded(name), turn)  # a folder may not tell `Hero` from `hero`
        if other is not turn:
            faults[turn.row_index] = _same_name(rows, name, turn, other)
    _refuse(faults[index] for index in sorted(faults))


def zone_named(name: str) -> ZoneInfo:
    """Return the time zone of an IANA name.

    Args:
        name: Such as `Europe/Berlin`.

    Raises:
        ValueError: There is none; near matches are named.
    """
    known = _zones()
    if name in known.values():
        return ZoneInfo(name)
    asked = name[:80].strip().replace(" ", "_").casefold()
    cities = {key.rpartition("/")[2]: key for key in known}
    near = [cities[city] for city in difflib.get_close_matches(asked.rpartition("/")[2], cities, n=3, cutoff=0.85)]
    near = list(dict.fromkeys([*difflib.get_close_matches(asked, known, n=3, cutoff=0.85), *near]))[:3]
    hint = f"did you mean {' or '.join(known[key] for key in near)}?" if near else "write one like Europe/Berlin or UTC"
    raise ValueError(f"timezone: {shown(name)} is not the IANA name of a time zone; {hint}")


@functools.cache
def _zones() -> dict[str, str]:
    """Return the names of all zones, by their names in lower case; `localtime` is another one on each machine."""
    return {name.casefold(): name for name in sorted(available_timezones() - {"localtime"})}


def _by_date(rows: Sequence[CalendarRow], zone: ZoneInfo, *, first: date, until: datetime) -> Tick:
    due, over, later = [], [], 0
    instants = ((_instant(_plain(row.date), zone), index) for index, row in enumerate(rows) if row.date is not None)
    for instant, index in sorted(instants):
        planned = Due(index, instant.astimezone(zone))
        if instant > until:
            later += 1
        elif planned.scheduled.date() < first:
            over.append(planned)
        else:
            due.append(planned)
    return Tick(due, over, later)


def _turns(days: range, rows: int, zone: ZoneInfo, weekdays: Collection[Weekday] | None) -> Iterator[Due]:
    """Give the turn of each day, by ordinals, that takes one: row n mod `rows` on the n-th such day since the epoch."""
    chosen = [number for number, name in enumerate(_WEEKDAYS) if weekdays is None or name in weekdays]
    for ordinal in days:
        week, number = divmod(ordinal - _EPOCH.toordinal(), 7)
        if number not in chosen:
            continue
        day = date.fromordinal(ordinal)
        scheduled = _instant(_plain(day), zone).astimezone(zone)
        if scheduled.date() == day:
            yield Due((week * len(chosen) + chosen.index(number)) % rows, scheduled)


def _meant_times(tick: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the first and the last local time that a tick may stand for.

    Beside a leap of the clock that is, besides the time shown, what a clock would show that leaps earlier or later, if
    this is a time that the zone left out.
    """
    times = [_shown(tick, zone)]
    for near in (tick - _ONE_DAY, tick + _ONE_DAY):
        other = _shown(tick, zone) + _offset(near, zone) - _offset(tick, zone)
        if _shown(_instant(other, zone), zone) != other:
            times.append(other)
    return min(times), max(times)


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the first instant, in UTC, at which the zone's clock shows `wall`; where it leaps over it, the leap's end.

    Comparisons are made in UTC or without a zone: those of two times in the same zone ignore leaps.
    """
    instant = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if _shown(instant, zone) == wall:
        return instant
    # PEP 495: of a time that is left out, fold=0 makes one after the leap, and fold=1 one before it.
    before = wall.replace(tzinfo=zone, fold=1, microsecond=0).astimezone(UTC)
    seconds = range(int((instant - before).total_seconds()) + 1)
    return before + timedelta(
        seconds=bisect_right(seconds, wall, key=lambda second: _shown(before + timedelta(seconds=second), zone))
    )


def _shown(instant: datetime, zone: ZoneInfo) -> datetime:
    """Return what a clock on the wall shows, without zone and fold."""
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta:
    return _shown(instant, zone) - instant.replace(tzinfo=None)


def _plain(when: _When) -> datetime:
    """Return a time, or a date's midnight, as the standard class.

    Prefect's ticks are of pendulum's, which reckons otherwise, and a YAML reader's dates may be of one of its own.
    """
    return datetime.fromisoformat(when.isoformat())


def _is_rotation(rows: Sequence[CalendarRow]) -> bool:
    return bool(rows) and all(row.date is None for row in rows)


def _same_name(rows: Sequence[CalendarRow], name: str, turn: Due, other: Due) -> str:
    whose = "" if turn.row_index == other.row_index else f" ({rows[other.row_index].place})"
    return (
        f"{rows[turn.row_index].place}: name: {turn.scheduled:%Y-%m-%d} would be {shown(name)}, as "
        f"{other.scheduled:%Y-%m-%d}{whose} is, and a name is made once; use {{date}} in the name"
    )


def _range_faults(*, tick: datetime, look_ahead_days: int = 0, catch_up_days: int | None = None) -> Iterator[str]:
    if tick.utcoffset() is None:
        yield f"tick: {tick.isoformat()} has no offset; a time like {tick.isoformat()}+00:00 is needed"
    for field, given in (("look_ahead_days", look_ahead_days), ("catch_up_days", catch_up_days)):
        if given is not None and not 0 <= given <= _MOST_DAYS:
            yield f"{field}: {given} is not a number of days from 0 to {_MOST_DAYS}"


def _weekday_faults(rows: Sequence[CalendarRow], weekdays: Collection[str] | None) -> Iterator[str]:
    if weekdays is None:
        return
    if not weekdays:
        yield f"weekdays: none is given; allowed are {', '.join(_WEEKDAYS)}, and all of them if it is left out"
    for given in weekdays:
        if given not in _WEEKDAYS:
            yield f"weekdays: {shown(given)} is none of {', '.join(_WEEKDAYS)}"
    if rows and not _is_rotation(rows):
        yield "weekdays: only rows without dates take turns, and these have dates; leave it out"


def _date_faults(rows: Sequence[CalendarRow], zone: ZoneInfo) -> Iterator[str]:
    if _is_rotation(rows):
        return
    for row in rows:
        if row.date is None:
            yield f"{row.place}: date: missing, while other rows have one; give every row a date, or none"
        elif isinstance(row.date, datetime) and row.date.tzinfo is not None:
            yield f"{row.place}: date: {row.date.isoformat()} has an offset; leave it out, `timezone` says where"
        else:
            try:
                _instant(_plain(row.date), zone)
            except OverflowError:
                yield f"{row.place}: date: {row.date.isoformat()} is outside of the years 1 to 9999 in UTC"


def _refuse(faults: Iterable[str]) -> None:
    """Raise all faults as one error, if there are any."""
    found = list(faults)
    more = [f"... and {len(found) - _MOST_FAULTS} more"] if len(found) > _MOST_FAULTS else []
    if found:
        raise ValueError("\n".join([*found[:_MOST_FAULTS], *more]))
