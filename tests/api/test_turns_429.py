"""What a 429 does to the budget, and what gives it back. Time is only a number here."""

import pytest

from prefect_octopusx.api import Look
from prefect_octopusx.api.turns import Turns

RATE = 120.0


def test_without_retry_after_a_429_closes_for_20_seconds() -> None:
    for nothing in (None, 0):
        turns = Turns(RATE, looks=1, creates=1)
        turns.join(Look(0))
        turns.slow_down(0, nothing)
        assert turns.next_call(0) == 20
        assert turns.call(19.9) is None


def answered(turns: Turns, now: float) -> float:
    """Let one look be answered at once; return when the next may be."""
    number = turns.join(Look(now))
    now = turns.next_call(now) or now
    assert turns.call(now) == number
    assert turns.start(number, now) == 0
    turns.leave(number, answered=True)
    return now


def test_answers_give_the_rate_back_in_five_minutes() -> None:
    turns = Turns(RATE, looks=1, creates=1)
    turns.slow_down(0, 10)
    now, rates = 10.0, [turns.rate]
    while turns.rate < RATE:
        now = answered(turns, now)
        rates.append(turns.rate)
    assert rates == sorted(rates)
    assert now - 10 == pytest.approx(300, abs=2)
    for _ in range(3):
        now = answered(turns, now)
    assert turns.rate == RATE


def test_429_again_and_again_halve_the_rate_down_to_a_sixteenth() -> None:
    turns = Turns(RATE, looks=1, creates=1)
    rates = []
    for now in range(0, 20 * 8, 20):
        turns.slow_down(now, None)
        rates.append(RATE / turns.rate)
    assert rates == [2, 4, 8, 16, 16, 16, 16, 16]


def test_what_was_on_the_wire_at_a_429_gives_nothing_back() -> None:
    turns = Turns(RATE, looks=1, creates=1)
    turns.join(None)
    number = turns.call(0)
    assert number is not None
    turns.start(number, 0)
    turns.slow_down(1, 10)
    turns.leave(number, answered=True)
    assert turns.rate == RATE / 2
