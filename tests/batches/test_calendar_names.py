"""The names of a rotation: each turn needs its own, or it would find its video made."""

import time
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefect_octopusx.batches import Weekday, check_rotation
from tests.batches.calendars import Row

BERLIN = ZoneInfo("Europe/Berlin")
FRIDAY = datetime(2026, 12, 4, 9, tzinfo=BERLIN)
WAY_ON = "and a name is made once; use {date} in the name"


def rows(*names: str) -> list[Row]:
    return [Row(name=name, place=f"row {number}") for number, name in enumerate(names, start=2)]


def faults(given: list[Row], weekdays: list[Weekday] | None = None) -> list[str]:
    with pytest.raises(ValueError, match="name") as caught:
        check_rotation(given, tick=FRIDAY, zone=BERLIN, weekdays=weekdays)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    "name",
    ["clip-{date}", "{scheduled:%y%m%d}", "{scheduled:%Y-%j}", "{scheduled:%G-w%V}-{weekday}", "x/{date}/{place}"],
)
@pytest.mark.parametrize("length", [1, 7, 30])
def test_names_with_the_whole_date_pass(name: str, length: int) -> None:
    check_rotation(rows(*[name] * length), tick=FRIDAY, zone=BERLIN)


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("clip", "2026-12-05 would be 'clip', as 2026-12-04 is"),
        ("clip-{weekday}", "2026-12-11 would be 'clip-friday', as 2026-12-04 is"),
        ("clip-{scheduled:%d}", "2027-01-04 would be 'clip-04', as 2026-12-04 is"),
        ("clip-{scheduled:%Y-%m}", "2026-12-05 would be 'clip-2026-12', as 2026-12-04 is"),
        ("clip-{scheduled:%m-%d}", "2027-12-04 would be 'clip-12-04', as 2026-12-04 is"),
        ("clip-{scheduled:%H}", "2026-12-05 would be 'clip-00', as 2026-12-04 is"),
    ],
)
def test_a_name_that_comes_again_is_refused_with_both_dates(name: str, same: str) -> None:
    assert faults(rows(name)) == [f"row 2: name: {same}, {WAY_ON}"]


def test_years_and_weeks_that_do_not_belong_together_are_found_years_ahead() -> None:
    """1 January 2029 and 31 December 2029 are Mondays, both in a week 1: that of 2029, and that of 2030."""
    (fault,) = faults(rows("clip-{scheduled:%Y}-w{scheduled:%V}"), ["monday"])
    assert "2029-12-31 would be 'clip-2029-w01', as 2029-01-01 is" in fault
    check_rotation(rows("clip-{scheduled:%G}-w{scheduled:%V}"), tick=FRIDAY, zone=BERLIN, weekdays=["monday"])


def test_each_row_whose_name_comes_again_is_named() -> None:
    given = rows("hero", "clip-{date}", "teaser-{weekday}")
    # 4 December 2026 is 9468 days after 1 January 2001, so it is the first row's turn; its next ones are 3 days apart.
    assert faults(given) == [
        f"row 2: name: 2026-12-07 would be 'hero', as 2026-12-04 is, {WAY_ON}",
        f"row 4: name: 2026-12-27 would be 'teaser-sunday', as 2026-12-06 is, {WAY_ON}",
    ]


def test_rows_that_share_names_are_told_whose_it_was() -> None:
    given = rows("clip-{scheduled:%m}", "CLIP-{scheduled:%m}")  # a folder may not tell them apart
    assert faults(given)[1] == f"row 3: name: 2026-12-05 would be 'CLIP-12', as 2026-12-04 (row 2) is, {WAY_ON}"


def test_names_that_only_a_second_round_brings_again_are_found() -> None:
    many = [f"video-{number}" for number in range(2000)]
    assert len(faults(rows(*many), ["sunday"])) == 51  # 38 years a round


def test_rows_with_dates_pass_as_each_is_made_once() -> None:
    check_rotation([Row(date=date(2026, 12, 4), name="clip")], tick=FRIDAY, zone=BERLIN)


@settings(max_examples=50)
@given(st.integers(1, 60), st.sets(st.sampled_from(["monday", "wednesday", "sunday"]), min_size=1), st.data())
def test_one_row_whose_name_does_not_change_is_always_found(
    length: int, weekdays: set[Weekday], data: st.DataObject
) -> None:
    given = rows(*["clip-{date}-{place}"] * length)
    at = data.draw(st.integers(0, length - 1))
    given[at] = Row(name="clip", place="the bad row")
    with pytest.raises(ValueError, match="the bad row: name: ") as caught:
        check_rotation(given, tick=FRIDAY.astimezone(UTC), zone=BERLIN, weekdays=weekdays)
    assert len(str(caught.value).splitlines()) == 1


def test_ten_thousand_rows_are_checked_in_bounded_work() -> None:
    calls = 0

    class Counting(Row):
        def name_at(self, scheduled: datetime) -> str:
            nonlocal calls
            calls += 1
            return f"clip-{scheduled:%Y-%m-%d}"

    begun = time.process_time()
    check_rotation([Counting()] * 10_000, tick=FRIDAY, zone=BERLIN)
    assert time.process_time() - begun < 2
    assert 20_000 <= calls <= 20_007
    calls = 0
    check_rotation([Counting()], tick=FRIDAY, zone=BERLIN)
    assert 28 * 365 < calls <= 28 * 366
