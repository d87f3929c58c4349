"""Errors, cancellation and broken alarms: seats come free at once, and nobody who waits is left behind."""

import asyncio
import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefect_octopusx.api import Look, RequestScheduler
from tests.api.virtual import Line, now, run


def test_an_error_in_a_turn_frees_its_seat_and_is_no_answer() -> None:
    async def main() -> float:
        line = Line(requests_at_once=1)
        line.scheduler.slow_down(1)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                async with line.scheduler.look_turn():
                    raise ZeroDivisionError
        await line.look()
        return line.scheduler.requests_per_minute

    assert run(main()) == pytest.approx(60.2)  # by one answer, not by four


def test_a_cancelled_waiter_and_a_cancelled_request_free_their_places_at_once() -> None:
    async def main() -> list[tuple[float, str]]:
        line = Line(requests_per_minute=60, requests_at_once=1)
        on_the_wire = asyncio.create_task(line.look("on the wire", takes=1000))
        waiting = asyncio.create_task(line.look("waiting"))
        last = asyncio.create_task(line.look("last"))
        await asyncio.sleep(10)
        waiting.cancel()
        on_the_wire.cancel()
        await last
        return line.starts

    assert run(main()) == [(0, "on the wire"), (10, "last")]


@pytest.mark.parametrize("told_first", [True, False])
def test_one_who_is_cancelled_just_as_its_turn_comes_gives_it_on(told_first: bool) -> None:
    async def main() -> list[tuple[float, str]]:
        line = Line(requests_per_minute=60, requests_at_once=1)

        async def first() -> None:
            async with line.scheduler.look_turn():
                await asyncio.sleep(10)
                if not told_first:
                    second.cancel()
            second.cancel()

        begun = asyncio.create_task(first())
        second = asyncio.create_task(line.look("second"))
        third = asyncio.create_task(line.look("third"))
        await asyncio.gather(begun, third)
        assert second.cancelled()
        return line.starts

    assert run(main()) == [(11, "third")]


@settings(max_examples=50)
@given(st.randoms(use_true_random=False), st.integers(1, 3))
def test_with_cancellation_at_random_the_others_all_have_their_turns(chance: random.Random, seats: int) -> None:
    async def main() -> None:
        line = Line(requests_per_minute=60, requests_at_once=seats, creates_at_once=seats)
        tasks = [
            asyncio.create_task(
                line.create(f"{number}", takes=chance.choice([0, 2, 9]))
                if chance.random() < 0.3
                else line.look(f"{number}", wanted_in=chance.choice([0, 0, 5]), takes=chance.choice([0, 2, 9]))
            )
            for number in range(20)
        ]
        doomed = chance.sample(range(20), 8)
        for number in doomed:
            await asyncio.sleep(chance.choice([0, 0, 1, 2.5]))
            tasks[number].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        started = {name for _, name in line.starts}
        assert {str(number) for number in range(20)} - {str(number) for number in doomed} <= started
        assert all(after - before >= 1 - 1e-6 for (before, _), (after, _) in pairwise(line.starts))
        assert line.on_the_wire == 0
        assert len(asyncio.all_tasks()) == 1  # no alarm is left behind

    run(main())


def test_nobody_hangs_when_somebody_cancels_what_wakes_the_scheduler() -> None:
    async def main() -> list[tuple[float, str]]:
        line = Line()
        look = asyncio.create_task(line.look(wanted_in=5))
        await asyncio.sleep(1)
        for task in asyncio.all_tasks() - {look, asyncio.current_task()}:
            task.cancel()
        await look
        return line.starts

    assert run(main()) == [(5, "look")]


def test_no_alarm_is_left_when_the_last_waiter_goes() -> None:
    async def main() -> int:
        line = Line()
        look = asyncio.create_task(line.look(wanted_in=1000))
        await asyncio.sleep(1)
        look.cancel()
        await asyncio.sleep(1)
        return len(asyncio.all_tasks())

    assert run(main()) == 1


def test_nobody_hangs_when_sleeping_fails() -> None:
    async def broken(_seconds: float) -> None:
        raise OSError("no such clock")

    async def main() -> None:
        scheduler = RequestScheduler(clock=now, sleep=broken)
        async with scheduler.look_turn(Look(5)):
            pass

    with pytest.raises(OSError, match="no such clock"):
        run(main())


def test_a_loop_that_ends_while_many_wait_leaves_nothing_behind(recwarn: pytest.WarningsRecorder) -> None:
    async def main() -> list[asyncio.Task[None]]:
        line = Line()
        tasks = [asyncio.create_task(line.look(wanted_in=100 + number)) for number in range(20)]
        await asyncio.sleep(1)
        return tasks

    assert all(task.cancelled() for task in run(main()))
    assert not recwarn.list
