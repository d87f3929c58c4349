"""What is due when: examples that can be checked by hand, with a calendar of 2026 beside them."""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from prefect_octopusx.batches import Tick, check_rotation, due_at, zone_named
from tests.batches.calendars import Row

BERLIN = ZoneInfo("Europe/Berlin")
FRIDAY = datetime(2026, 12, 4, 9, tzinfo=BERLIN)  # 4 December 2026 at 9:00, an hour ahead of UTC


def dated(*dates: str) -> list[Row]:
    """Return rows with ISO dates, as the user writes them."""
    return [Row(date=datetime.fromisoformat(d) if "T" in d else date.fromisoformat(d)) for d in dates]


def times(tick: Tick) -> list[tuple[int, str]]:
    return [(row.row_index, row.scheduled.isoformat()) for row in tick.due]


# Rows with dates


def test_a_date_is_due_from_the_start_of_its_day_and_a_time_from_its_minute() -> None:
    rows = dated("2026-12-05", "2026-12-04", "2026-12-04T09:00", "2026-12-04T09:01", "2026-12-03T08:00")
    got = due_at(rows, tick=FRIDAY, zone=BERLIN)
    assert times(got) == [
        (4, "2026-12-03T08:00:00+01:00"),
        (1, "2026-12-04T00:00:00+01:00"),
        (2, "2026-12-04T09:00:00+01:00"),
    ]
    assert (got.over, got.later) == ([], 2)


def test_the_day_before_is_made_up_for_and_what_is_older_is_over() -> None:
    rows = dated("2026-12-04", "2026-12-03T00:00", "2026-12-02T23:59", "2026-01-01")
    got = due_at(rows, tick=FRIDAY, zone=BERLIN)
    assert [row.row_index for row in got.due] == [1, 0]
    assert [row.row_index for row in got.over] == [3, 2]
    assert [row.row_index for row in due_at(rows, tick=FRIDAY, zone=BERLIN, catch_up_days=0).due] == [0]
    assert [row.row_index for row in due_at(rows, tick=FRIDAY, zone=BERLIN, catch_up_days=2).due] == [2, 1, 0]


def test_looking_ahead_reaches_the_same_time_of_day() -> None:
    rows = dated("2026-12-04", "2026-12-06T09:00", "2026-12-06T09:01")
    got = due_at(rows, tick=FRIDAY, zone=BERLIN, look_ahead_days=2)
    assert ([row.row_index for row in got.due], got.later) == ([0, 1], 1)


@pytest.mark.parametrize(
    ("tick", "reached", "not_reached"),
    [
        ("2026-03-28T09:00:00+01:00", "2026-03-29T09:00", "2026-03-29T09:01"),  # 23 hours later
        ("2026-10-24T09:00:00+02:00", "2026-10-25T09:00", "2026-10-25T09:01"),  # 25 hours later
    ],
)
def test_looking_ahead_a_day_is_not_24_hours(tick: str, reached: str, not_reached: str) -> None:
    got = due_at(dated(reached, not_reached), tick=datetime.fromisoformat(tick), zone=BERLIN, look_ahead_days=1)
    assert ([row.row_index for row in got.due], got.later) == ([0], 1)


def test_the_offset_of_the_tick_does_not_matter() -> None:
    rows = dated("2026-12-04T09:00", "2026-12-04T09:01", "2026-12-02")
    same = [FRIDAY, FRIDAY.astimezone(UTC), FRIDAY.astimezone(timezone(timedelta(hours=-11)))]
    expected = due_at(rows, tick=FRIDAY, zone=BERLIN)
    assert [due_at(rows, tick=tick, zone=BERLIN) for tick in same] == [expected] * 3


def test_a_tick_may_be_pendulums_as_those_of_prefect_are() -> None:
    pendulum = pytest.importorskip("pendulum", reason="Prefect brings it on Python up to 3.12")
    rows = dated("2026-12-04T09:00", "2026-12-04T09:01", "2026-12-02")
    expected = due_at(rows, tick=FRIDAY, zone=BERLIN)
    assert due_at(rows, tick=pendulum.instance(FRIDAY), zone=BERLIN) == expected
    assert due_at(rows, tick=pendulum.datetime(2026, 12, 4, 17, tz="Asia/Tokyo"), zone=BERLIN) == expected


def test_a_date_is_one_of_the_zone() -> None:
    tick = datetime(2026, 12, 3, 18, 30, tzinfo=UTC)  # the 4th in Kathmandu since 15 minutes
    got = due_at(dated("2026-12-04", "2026-12-02"), tick=tick, zone=ZoneInfo("Asia/Kathmandu"))
    assert times(got) == [(0, "2026-12-04T00:00:00+05:45")]
    assert len(got.over) == 1


@pytest.mark.parametrize(
    ("zone", "written", "due"),
    [
        ("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T03:00:00+02:00"),  # 2:00 leaps to 3:00
        ("Europe/Berlin", "2026-03-29T02:30:00.250", "2026-03-29T03:00:00+02:00"),
        ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T02:30:00+02:00"),  # shown twice; an hour later in winter time
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T01:00:00-02:00"),  # midnight leaps to 1:00
        ("America/Sao_Paulo", "2018-02-17T23:30", "2018-02-17T23:30:00-02:00"),  # midnight goes back to 23:00
        ("America/Sao_Paulo", "2018-02-18", "2018-02-18T00:00:00-03:00"),
        ("Africa/Cairo", "2024-04-26", "2024-04-26T01:00:00+03:00"),
        ("Asia/Beirut", "2022-03-27T00:59:59", "2022-03-27T01:00:00+03:00"),
        ("America/Havana", "2024-11-03", "2024-11-03T00:00:00-04:00"),  # 1:00 goes back to 0:00: the day starts twice
        ("America/Toronto", "1919-03-31", "1919-03-31T00:30:00-04:00"),  # 23:30 leaps to 0:30
        ("Australia/Lord_Howe", "2024-10-06T02:15", "2024-10-06T02:30:00+11:00"),  # half an hour
        ("Pacific/Apia", "2011-12-30", "2011-12-31T00:00:00+14:00"),  # there was no 30th
        ("Pacific/Apia", "2011-12-30T18:00", "2011-12-31T00:00:00+14:00"),
    ],
)
def test_what_the_clock_leaps_over_is_due_at_the_end_of_the_leap_and_what_it_shows_twice_the_first_time(
    zone: str, written: str, due: str
) -> None:
    (got,) = due_at(dated(written), tick=datetime.fromisoformat(due), zone=ZoneInfo(zone)).due
    assert got.scheduled.isoformat() == due


def test_a_tick_before_a_leap_that_may_have_been_meant_for_its_end_counts_as_such() -> None:
    """Cairo leaps from midnight to 1:00 on 26 April 2024. Prefect puts that midnight's tick on the 25th at 23:00."""
    tick = datetime(2024, 4, 25, 23, tzinfo=(cairo := ZoneInfo("Africa/Cairo")))
    assert times(due_at(dated("2024-04-26"), tick=tick, zone=cairo)) == [(0, "2024-04-26T01:00:00+03:00")]
    assert due_at(dated("2024-04-26"), tick=tick - timedelta(minutes=1), zone=cairo).later == 1
    days = [row.scheduled.date().day for row in due_at([Row()] * 7, tick=tick, zone=cairo).due]
    assert days == [25, 26]


def test_a_tick_in_the_hour_that_comes_twice_keeps_its_place() -> None:
    rows = dated("2026-10-25T02:45", "2026-10-25T03:00")  # 3:00 goes back to 2:00
    first, second = (datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=fold) for fold in (0, 1))
    assert due_at(rows, tick=first, zone=BERLIN).later == 2
    assert times(due_at(rows, tick=second, zone=BERLIN)) == [(0, "2026-10-25T02:45:00+02:00")]


# Rotations


def test_each_day_takes_the_next_row_and_the_rows_come_again() -> None:
    rows = [Row()] * 3
    days = [FRIDAY + timedelta(days=number) for number in range(7)]
    due = [due_at(rows, tick=day, zone=BERLIN).due for day in days]
    assert [len(turns) for turns in due] == [1] * 7
    first = due[0][0].row_index
    assert [turns[0].row_index for turns in due] == [(first + number) % 3 for number in range(7)]
    assert due[0][0].scheduled.isoformat() == "2026-12-04T00:00:00+01:00"


def test_turns_are_counted_from_monday_1_january_2001() -> None:
    for day, row in [("2001-01-01", 0), ("2001-01-02", 1), ("2001-01-05", 4), ("2001-01-06", 0), ("2000-12-31", 4)]:
        tick = datetime.fromisoformat(f"{day}T09:00+00:00")
        assert times(due_at([Row()] * 5, tick=tick, zone=ZoneInfo("UTC"))) == [(row, f"{day}T00:00:00+00:00")]


def test_a_rotation_on_some_weekdays_uses_all_rows_in_order() -> None:
    rows = [Row()] * 4
    weekdays = ("friday", "monday", "wednesday")
    got = due_at(rows, tick=FRIDAY, zone=BERLIN, look_ahead_days=10, weekdays=weekdays)
    assert [f"{turn.scheduled:%a %d}" for turn in got.due] == ["Fri 04", "Mon 07", "Wed 09", "Fri 11", "Mon 14"]
    first = got.due[0].row_index
    assert [turn.row_index for turn in got.due] == [(first + number) % 4 for number in range(5)]
    saturday = FRIDAY + timedelta(days=1)
    assert due_at(rows, tick=saturday, zone=BERLIN, weekdays=weekdays) == Tick([], [], 0)
    assert due_at(rows, tick=saturday, zone=BERLIN, look_ahead_days=2, weekdays=weekdays).due == got.due[1:2]


def test_a_day_that_a_zone_left_out_drops_out_of_a_rotation() -> None:
    tick = datetime(2011, 12, 28, 9, tzinfo=(apia := ZoneInfo("Pacific/Apia")))
    got = due_at([Row()] * 9, tick=tick, zone=apia, look_ahead_days=4)
    assert [turn.scheduled.day for turn in got.due] == [28, 29, 31, 1]
    assert [(turn.row_index - got.due[0].row_index) % 9 for turn in got.due] == [0, 1, 3, 4]


def test_a_rotation_starts_with_today_and_makes_up_for_yesterday_only_if_asked() -> None:
    for catch_up, days in [(None, [4]), (0, [4]), (1, [3, 4]), (2, [2, 3, 4])]:
        got = due_at([Row()] * 9, tick=FRIDAY, zone=BERLIN, catch_up_days=catch_up)
        assert [turn.scheduled.day for turn in got.due] == days


def test_no_rows_are_never_due() -> None:
    assert due_at([], tick=FRIDAY, zone=BERLIN) == Tick([], [], 0)
    check_rotation([], tick=FRIDAY, zone=BERLIN)


# What is refused


def test_arguments_out_of_range_are_named_all_at_once() -> None:
    with pytest.raises(ValueError, match="tick") as caught:
        due_at(
            [Row()],
            tick=datetime(2026, 12, 4, 9),  # noqa: DTZ001 - this is the fault
            zone=BERLIN,
            look_ahead_days=367,
            catch_up_days=-1,
            weekdays=["monday", "Tue"],  # type: ignore[list-item] # this is the fault
        )
    assert str(caught.value).splitlines() == [
        "tick: 2026-12-04T09:00:00 has no offset; a time like 2026-12-04T09:00:00+00:00 is needed",
        "look_ahead_days: 367 is not a number of days from 0 to 366",
        "catch_up_days: -1 is not a number of days from 0 to 366",
        "weekdays: 'Tue' is none of monday, tuesday, wednesday, thursday, friday, saturday, sunday",
    ]


def test_the_ends_of_the_ranges_are_allowed() -> None:
    got = due_at([Row()], tick=FRIDAY, zone=BERLIN, look_ahead_days=366, catch_up_days=366)
    assert len(got.due) == 733


def test_no_weekday_is_refused() -> None:
    for check in (due_at, check_rotation):
        with pytest.raises(
            ValueError, match=r"weekdays: none is given; allowed are monday,.* all of them if it is left"
        ):
            check([Row()], tick=FRIDAY, zone=BERLIN, weekdays=[])


def test_weekdays_are_refused_where_rows_have_dates() -> None:
    with pytest.raises(ValueError, match="weekdays: only rows without dates take turns"):
        due_at(dated("2026-12-04"), tick=FRIDAY, zone=BERLIN, weekdays=["monday"])


def test_rows_without_a_date_among_rows_with_one_are_named() -> None:
    rows = [Row(place="row 2"), Row(place="row 3", date=date(2026, 12, 4)), Row(place="row 4")]
    with pytest.raises(ValueError, match="date") as caught:
        due_at(rows, tick=FRIDAY, zone=BERLIN)
    message = "date: missing, while other rows have one; give every row a date, or none"
    assert str(caught.value).splitlines() == [f"row 2: {message}", f"row 4: {message}"]


def test_dates_that_can_not_be_placed_are_refused_with_their_rows() -> None:
    rows = [
        Row(place="row 2", date=datetime(2026, 12, 4, 9, tzinfo=UTC)),
        Row(place="row 3", date=date(1, 1, 1)),
        Row(place="row 4", date=date(9999, 12, 31)),  # "never"
    ]
    with pytest.raises(ValueError, match="date") as caught:
        due_at(rows, tick=FRIDAY, zone=BERLIN)
    assert str(caught.value).splitlines() == [
        "row 2: date: 2026-12-04T09:00:00+00:00 has an offset; leave it out, `timezone` says where",
        "row 3: date: 0001-01-01 is outside of the years 1 to 9999 in UTC",
    ]
    assert due_at(rows[2:], tick=FRIDAY, zone=BERLIN).later == 1


def test_a_long_list_of_faults_is_cut() -> None:
    rows = [Row(place=f"row {number}") for number in range(2, 62)]
    with pytest.raises(ValueError, match="row 2") as caught:
        due_at([*rows, *dated("2026-12-04")], tick=FRIDAY, zone=BERLIN)
    lines = str(caught.value).splitlines()
    assert (len(lines), lines[-1]) == (51, "... and 10 more")


# Zones


def test_a_zone_is_found_by_its_name() -> None:
    assert zone_named("Europe/Berlin") == BERLIN
    assert zone_named("UTC").utcoffset(FRIDAY) == timedelta()


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("Europe/Berln", "did you mean Europe/Berlin?"),
        ("europe/berlin", "did you mean Europe/Berlin?"),
        ("Berlin", "did you mean Europe/Berlin?"),
        ("New York", "did you mean America/New_York?"),
        ("utc", "did you mean UTC"),
        ("+02:00", "write one like Europe/Berlin or UTC"),
        ("", "write one like Europe/Berlin or UTC"),
        ("../etc/passwd", "write one like"),
        ("/etc/localtime", "is not the IANA name"),
        ("localtime", "is not the IANA name"),  # another zone on each machine
        ("America", "is not the IANA name"),  # a folder
        ("zone.tab", "is not the IANA name"),
        ("Europe/Berlin\n", "did you mean Europe/Berlin"),
        ("\ud800", "is not the IANA name"),
    ],
)
def test_what_is_no_zone_is_refused_with_near_matches(given: str, hint: str) -> None:
    with pytest.raises(ValueError, match=r"^timezone: ") as caught:
        zone_named(given)
    assert repr(given) in str(caught.value)
    assert hint in str(caught.value)


def test_a_zone_of_a_control_character_is_refused_without_it() -> None:
    with pytest.raises(ValueError, match=r"^timezone: '[?]' is not the IANA name"):
        zone_named("\0")


def test_a_very_long_zone_is_refused_in_few_words() -> None:
    with pytest.raises(ValueError, match="100000 characters") as caught:
        zone_named("a/" * 50_000)
    assert len(str(caught.value)) < 200
