"""The calendar through whole schedules: odd zones, changing clocks, doubled, late, shuffled and lost ticks."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prefect.server.schemas.schedules import CronSchedule

from prefect_octopusx.batches import Due, Weekday, due_at
from tests.batches.calendars import (
    DAY,
    Row,
    Schedule,
    beside_a_leap,
    dated_rows,
    instant,
    leap_ahead,
    schedules,
)

look_aheads = st.integers(0, 7)
weeks = st.none() | st.sets(
    st.sampled_from(["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]), min_size=1
)
lives = settings(max_examples=200)


@lives
@given(st.data(), schedules(), look_aheads)
def test_a_daily_schedule_makes_each_dated_row_at_its_time_and_misses_none(
    data: st.DataObject, schedule: Schedule, look_ahead: int
) -> None:
    zone, rows = schedule.zone, data.draw(dated_rows(schedule))
    seen: dict[int, set[datetime]] = {}
    for day, tick in data.draw(doubled_and_shuffled(schedule)):
        due, over, later = due_at(rows, tick=tick, zone=zone, look_ahead_days=look_ahead)
        assert len(due) + len(over) + later == len(rows)
        assert due == sorted(due, key=lambda row: (row.scheduled.astimezone(UTC), row.row_index))
        meant = max(datetime.combine(day, schedule.at), tick.astimezone(zone).replace(tzinfo=None))
        until = max(tick, instant(meant + look_ahead * DAY, zone))
        for index, row in enumerate(rows):
            if instant(row.date, zone) <= until and instant(row.date, zone).astimezone(zone).date() >= day - DAY:
                assert index in {row.row_index for row in due}
        for row_index, scheduled in due:
            assert scheduled.astimezone(UTC) <= until + leap_ahead(tick, zone)
            seen.setdefault(row_index, set()).add(scheduled)
    for index, row in enumerate(rows):
        when = instant(row.date, zone)
        if schedule.first <= when.astimezone(zone).date() < schedule.last:
            assert index in seen, "missed"
        if index in seen:
            assert seen[index] == {when.astimezone(zone)}


@lives
@given(st.data(), schedules(), look_aheads, st.integers(0, 4))
def test_after_lost_ticks_so_many_days_are_made_up_and_the_rest_is_over(
    data: st.DataObject, schedule: Schedule, look_ahead: int, catch_up: int
) -> None:
    zone, rows = schedule.zone, data.draw(dated_rows(schedule))
    kept = sorted(data.draw(st.sets(st.sampled_from(schedule.ticks()), min_size=1)), key=lambda day: day[1])
    made: set[int] = set()
    for day, tick in kept:
        due, over, later = due_at(rows, tick=tick, zone=zone, look_ahead_days=look_ahead, catch_up_days=catch_up)
        first = min(day, tick.astimezone(zone).date()) - catch_up * DAY
        slack = DAY if beside_a_leap(tick, zone) else timedelta()
        assert all(row.scheduled.date() >= first - slack for row in due)
        assert all(row.scheduled.date() < first for row in over)
        made |= {row.row_index for row in due}
        lost = {index for index, row in enumerate(rows) if instant(row.date, zone) <= tick} - made
        assert lost <= {row.row_index for row in over}, "neither made nor told of"
        assert later <= sum(instant(row.date, zone) > tick for row in rows)


@lives
@given(st.data(), schedules(), st.integers(1, 20), weeks)
def test_a_rotation_makes_one_row_each_day_in_order_whatever_the_tick(
    data: st.DataObject, schedule: Schedule, length: int, weekdays: set[Weekday] | None
) -> None:
    zone, rows = schedule.zone, [Row() for _ in range(length)]
    made: dict[date, set[Due]] = {}
    for day, tick in data.draw(doubled_and_shuffled(schedule)):
        look_ahead, catch_up = data.draw(look_aheads), data.draw(st.sampled_from([None, None, 0, 1, 3]))
        got = due_at(rows, tick=tick, zone=zone, look_ahead_days=look_ahead, catch_up_days=catch_up, weekdays=weekdays)
        assert (got.over, got.later) == ([], 0)
        days = [turn.scheduled.date() for turn in got.due]
        slack = DAY if beside_a_leap(tick, zone) else timedelta()
        assert days == sorted(set(days))
        assert all(day - (catch_up or 0) * DAY - slack <= turn <= day + look_ahead * DAY + slack for turn in days)
        for turn in got.due:
            made.setdefault(turn.scheduled.date(), set()).add(turn)
    assert all(len(turns) == 1 for turns in made.values()), "another row, or another time, from another tick"
    rows_in_order = []
    for day in (schedule.first + number * DAY for number in range(schedule.days)):
        if weekdays is not None and f"{day:%A}".lower() not in weekdays:
            assert day not in made
        elif instant(day, zone).astimezone(zone).date() != day:
            assert day not in made, "a day that the zone left out"
            rows_in_order.append(None)
        else:
            ((index, scheduled),) = made[day]
            assert scheduled.astimezone(UTC) == instant(day, zone)
            rows_in_order.append(index)
    turns = [(row - number) % length for number, row in enumerate(rows_in_order) if row is not None]
    assert len(set(turns)) <= 1, "a row was left out, or its order changed"


@pytest.mark.parametrize(
    ("cron", "zone", "first"),
    [
        (
            "0 0 * * *",
            "Africa/Cairo",
            date(2024, 4, 21),
        ),  # leaps at midnight: Prefect ticks an hour before, the day before
        ("30 0 * * *", "Africa/Cairo", date(2024, 10, 27)),
        ("0 0 * * *", "America/Sao_Paulo", date(2018, 10, 31)),
        ("30 23 * * *", "America/Nuuk", date(2024, 3, 26)),  # leaps into midnight
        ("30 2 * * *", "Europe/Berlin", date(2024, 3, 27)),
        ("30 2 * * *", "Europe/Berlin", date(2024, 10, 23)),
        ("15 2 * * *", "Australia/Lord_Howe", date(2024, 10, 2)),
        ("0 9 * * *", "Pacific/Apia", date(2011, 12, 26)),
    ],
)
async def test_with_prefects_own_ticks_no_day_and_no_hour_is_missed(cron: str, zone: str, first: date) -> None:
    there = ZoneInfo(zone)
    schedule = CronSchedule(cron=cron, timezone=zone)
    ticks = await schedule.get_dates(n=9, start=instant(first, there))
    days = [first + number * DAY for number in range(8)]
    rows = [Row(date=datetime.combine(day, time(hour, 45))) for day in days for hour in range(24)]
    dated = [due_at(rows, tick=tick, zone=there) for tick in ticks]
    assert {row.row_index for tick in dated for row in tick.due} == set(range(len(rows)))
    rotation = [turn for tick in ticks for turn in due_at([Row()] * 30, tick=tick, zone=there).due]
    assert {turn.scheduled.date() for turn in rotation} >= {day for day in days if day != date(2011, 12, 30)}


def doubled_and_shuffled(schedule: Schedule) -> st.SearchStrategy[list[tuple[date, datetime]]]:
    ticks = schedule.ticks()
    return st.lists(st.sampled_from(ticks), max_size=4).flatmap(lambda again: st.permutations([*ticks, *again]))
