"""Rows, zones and daily schedules for the calendar's tests, and local times reckoned in another way."""

import functools
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

DAY = timedelta(days=1)
# Those that leap at midnight, over it, by half an hour or a day, that go back for Ramadan, and some plain ones.
ZONES = [
    "UTC",
    "Europe/Berlin",
    "Europe/London",
    "Europe/Dublin",
    "Europe/Moscow",
    "Europe/Istanbul",
    "America/New_York",
    "America/Los_Angeles",
    "America/St_Johns",
    "America/Sao_Paulo",
    "America/Havana",
    "America/Asuncion",
    "America/Santiago",
    "America/Nuuk",
    "America/Scoresbysund",
    "America/Caracas",
    "America/Adak",
    "Atlantic/Azores",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Africa/El_Aaiun",
    "Africa/Juba",
    "Asia/Beirut",
    "Asia/Amman",
    "Asia/Gaza",
    "Asia/Tehran",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Asia/Pyongyang",
    "Asia/Tokyo",
    "Asia/Dhaka",
    "Antarctica/Troll",
    "Antarctica/Casey",
    "Australia/Lord_Howe",
    "Australia/Sydney",
    "Pacific/Apia",
    "Pacific/Fakaofo",
    "Pacific/Kiritimati",
    "Pacific/Chatham",
    "Pacific/Auckland",
    "Pacific/Norfolk",
]

Leaps = Literal["end", "before", "after"]
"""Where a scheduler puts a time that is left out: at the leap's end, or by the leap's length before or after."""


@dataclass(frozen=True)
class Row:
    """A manifest's row, as far as the calendar looks at it."""

    date: date | datetime | None = None
    name: str = "clip-{date}"
    place: str = "row 2"

    def name_at(self, scheduled: datetime) -> str:
        return self.name.format(
            date=scheduled.date(), weekday=f"{scheduled:%A}".lower(), scheduled=scheduled, place=self.place
        )


@dataclass(frozen=True)
class Schedule:
    """One tick a local day, at one time of day."""

    zone: ZoneInfo
    first: date
    days: int
    at: time
    leaps: Leaps

    @property
    def last(self) -> date:
        return self.first + (self.days - 1) * DAY

    def ticks(self) -> list[tuple[date, datetime]]:
        """Return each day with its tick in UTC, as a scheduler would make them."""
        return [(day, self.tick(day)) for day in map(self.first.__add__, map(timedelta, range(self.days)))]

    def tick(self, day: date) -> datetime:
        return instant(datetime.combine(day, self.at), self.zone, self.leaps)


def instant(when: date, zone: ZoneInfo, leaps: Leaps = "end") -> datetime:
    """Return, in UTC, when the zone's clock first shows a time; or where `leaps` puts it."""
    wall = (when if isinstance(when, datetime) else datetime.combine(when, time())).replace(tzinfo=UTC)
    old, new = offset(wall - timedelta(hours=26), zone), offset(wall + timedelta(hours=26), zone)
    shown = [wall - given for given in (old, new) if offset(wall - given, zone) == given]
    if shown:
        return min(shown)
    before, after = wall - new, wall - old
    if leaps != "end":
        return before if leaps == "before" else after
    end = before.replace(second=0, microsecond=0)
    while offset(end, zone) == old:
        end += timedelta(minutes=1)
    return end


def offset(when: datetime, zone: ZoneInfo) -> timedelta:
    found = when.astimezone(zone).utcoffset()
    assert found is not None
    return found


def leap_ahead(tick: datetime, zone: ZoneInfo) -> timedelta:
    """Return the length of a leap, if one comes within its length after a tick."""
    length = offset(tick + DAY, zone) - offset(tick, zone)
    return length if offset(tick + length, zone) > offset(tick, zone) else timedelta()


def beside_a_leap(tick: datetime, zone: ZoneInfo) -> bool:
    return offset(tick - DAY, zone) < offset(tick + DAY, zone)


@functools.cache
def changes(zone: ZoneInfo) -> list[date]:
    """Return the days since 1990 on which the zone's clock changed."""
    noons = [datetime(1990, 1, 1, 12, tzinfo=UTC) + number * DAY for number in range(37 * 365)]
    return [noon.date() for noon in noons if offset(noon, zone) != offset(noon - DAY, zone)]


odd_times = [time(0), time(0, 1), time(0, 30), time(1), time(1, 59), time(2), time(2, 15), time(2, 30), time(3)]
times = st.sampled_from([*odd_times, time(9), time(22, 30), time(23), time(23, 30), time(23, 59)]) | st.builds(
    time, st.integers(0, 23), st.integers(0, 59)
)


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Draw a week or two, mostly such that have a change of the clock in them."""
    zone = ZoneInfo(draw(st.sampled_from(ZONES)))
    some_day = st.dates(date(1995, 1, 1), date(2026, 12, 1))
    change = draw(st.sampled_from(changes(zone)) if changes(zone) else some_day)
    first = draw(st.integers(0, 8).map(lambda days: change - days * DAY) | some_day)
    return Schedule(
        zone, first, draw(st.integers(2, 14)), draw(times), draw(st.sampled_from(["end", "before", "after"]))
    )


def dated_rows(schedule: Schedule) -> st.SearchStrategy[list[Row]]:
    """Draw rows with dates from some days before a schedule to some days after it."""
    days = st.integers(-4, schedule.days + 9).map(lambda days: schedule.first + days * DAY)
    dates = st.lists(days | st.builds(datetime.combine, days, times), min_size=1, max_size=25)
    return dates.map(lambda given: [Row(date=when) for when in given])
