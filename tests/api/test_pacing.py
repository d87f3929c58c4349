"""When to ask next, for what is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_octopusx.api import next_delay
from prefect_octopusx.api.pacing import Likely, default_deadline, likely_ready

MIDDLE = 0.5  # the chance that adds no jitter


def delay(age: float, **known: object) -> float:
    return next_delay(age=age, chance=MIDDLE, **known)  # type: ignore[arg-type] # a test's shorthand


def test_the_first_look_comes_after_ten_seconds_and_then_never_faster_than_the_gateway_refreshes() -> None:
    assert delay(0) == 10
    assert all(delay(age) >= 15 for age in range(10, 3600, 7))


def test_the_older_a_job_the_longer_the_wait_up_to_a_minute() -> None:
    assert delay(60) == 15
    assert delay(480) == 30
    assert delay(3000) == 60


def test_before_a_family_is_ever_ready_there_is_no_look_but_the_first() -> None:
    assert delay(0, family="sora") == 10
    assert delay(10, family="sora") == 0.8 * 150 - 10
    assert delay(10, family="veo") == pytest.approx(0.8 * 90 - 10)
    assert delay(10, family="vidu") == 15
    assert delay(10, family="custom") == 15


def test_progress_moves_the_look_but_not_far() -> None:
    assert delay(100, steps=[(50, 10), (100, 90)]) == 15  # nearly done
    assert delay(100, steps=[(50, 10), (100, 20)]) == 30  # far from done: at most twice the usual wait
    assert delay(100, steps=[(100, 50)]) == 15  # one step tells nothing
    assert delay(3000, steps=[(50, 10), (100, 95)]) == 60  # overdue: progress tells nothing any more


USUAL = Likely(200, 240, 400)


def test_looks_are_held_back_until_shortly_before_any_video_was_ready_lately() -> None:
    assert delay(0, usual=USUAL) == 10  # a refusal by moderation comes early
    assert delay(20, usual=USUAL) == 120  # never for longer
    assert delay(100, usual=USUAL) == 60  # until 0.8 times the shortest
    assert delay(150, usual=USUAL) == 15
    assert delay(100, usual=USUAL, steps=[(50, 10), (100, 90)]) == 60  # progress is coarse
    assert delay(10, family="sora") == 110
    assert delay(10, family="sora", usual=Likely(20, 30, 40)) == 15  # what was seen wins over what was published


def test_what_takes_longer_than_nearly_all_is_looked_at_half_as_often() -> None:
    assert delay(400, usual=USUAL) == 25
    assert delay(401, usual=USUAL) == 401 / 8
    assert delay(480, usual=USUAL) == 60
    assert delay(361, family="veo") == 361 / 8
    assert delay(361, family="custom") == 361 / 16


def test_what_videos_took_lately_changes_nothing_for_off_peak_jobs_and_given_intervals() -> None:
    assert delay(20, usual=USUAL, off_peak=True) == 300
    assert delay(20, usual=USUAL, poll_interval=7) == 7
    assert delay(150, usual=USUAL, retry_after=45) == 45


def test_a_family_is_known_by_three_durations_or_by_published_timings() -> None:
    assert Likely.of([90, 80]) is None
    assert Likely.of([90, 80, 100]) == (80, 100, 160)
    assert likely_ready("vidu") == (30, 60, 120)
    assert likely_ready("vidu", Likely(80, 100, 160)) == (80, 100, 160)
    assert likely_ready("custom") is None


@given(st.lists(st.floats(0, 1e4), min_size=3, max_size=32), st.lists(st.floats(0, 1e5), min_size=3, max_size=3))
def test_how_likely_a_video_became_ready_is_a_chance_that_grows_with_time(
    durations: list[float], ages: list[float]
) -> None:
    likely = Likely.of(durations)
    assert likely
    since, now, later = sorted(ages)
    assert 0 <= likely.between(since, now) <= likely.between(since, later) <= 1
    assert likely.between(0, likely.soonest) == 0


def test_off_peak_jobs_are_asked_about_every_five_to_fifteen_minutes() -> None:
    assert delay(0, off_peak=True) == 300
    assert delay(86400, off_peak=True) == 900


def test_retry_after_is_a_floor() -> None:
    assert delay(60, retry_after=45) == 45
    assert delay(60, retry_after=1) == 15
    assert delay(60, retry_after=45, poll_interval=1) == 45


def test_a_given_interval_wins() -> None:
    assert delay(3000, poll_interval=0.5) == 0.5
    assert delay(0, poll_interval=120, off_peak=True) == 120


def test_trouble_doubles_the_wait_up_to_two_minutes() -> None:
    assert [delay(60, troubles=troubles) for troubles in range(5)] == [15, 30, 60, 120, 120]


@pytest.mark.parametrize("chance", [0.0, 0.25, 0.999])
def test_chance_spreads_looks_by_a_tenth(chance: float) -> None:
    assert 0.9 * 60 <= next_delay(age=3000, chance=chance) <= 1.1 * 60


def test_deadlines() -> None:
    assert default_deadline(off_peak=False) == 3600
    assert default_deadline(off_peak=True) == 49 * 3600


def test_looks_that_each_need_a_start_are_worth_it() -> None:
    assert delay(0, start_cost=3) == 60  # twenty times what it costs
    assert delay(0, start_cost=0.1) == 15
    assert delay(800, start_cost=3) == 100
    assert delay(3000, start_cost=3) == 375
    assert delay(0, start_cost=30) == 600
    assert delay(800, start_cost=3, poll_interval=2) == 2
    assert delay(800, start_cost=3, retry_after=300) == 300


def test_off_peak_looks_that_need_a_start_are_a_hundred_in_two_days() -> None:
    age, looks = 0.0, 0
    while age < 48 * 3600:
        age += delay(age, start_cost=3, off_peak=True)
        looks += 1
    assert delay(0, start_cost=3, off_peak=True) == 300
    assert delay(86_400, start_cost=3, off_peak=True) == 1800
    assert 100 <= looks <= 120
