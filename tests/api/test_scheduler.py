"""The scheduler as coroutines meet it, in virtual time: turns, seats, and what is around a request."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from prefect_octopusx.api import Look, RequestScheduler
from tests.api.virtual import Line, now, run
from tests.clocks import Clock


def test_requests_start_at_even_distances_from_the_first() -> None:
    async def main() -> list[float]:
        line = Line(requests_per_minute=60)
        await asyncio.gather(*(line.look() for _ in range(4)), line.create())
        return [at for at, _ in line.starts]

    assert run(main()) == pytest.approx([0, 1, 2, 3, 4])


def test_a_look_comes_when_it_is_wanted_and_not_before() -> None:
    async def main() -> list[tuple[float, str]]:
        line = Line()
        await asyncio.gather(line.look("late", wanted_in=50), line.look("early", wanted_in=3), line.look("now"))
        return line.starts

    assert run(main()) == [(0, "now"), (3, "early"), (50, "late")]


def test_one_who_comes_later_may_want_it_sooner() -> None:
    async def main() -> list[tuple[float, str]]:
        line = Line()
        late = asyncio.create_task(line.look("late", wanted_in=50))
        await asyncio.sleep(1)
        await line.look("early", wanted_in=2)
        await late
        return line.starts

    assert run(main()) == [(3, "early"), (50, "late")]


def test_slow_creates_have_seats_of_their_own() -> None:
    async def main() -> list[tuple[float, str]]:
        line = Line(requests_per_minute=60, creates_at_once=2)
        creates = [line.create(takes=150) for _ in range(4)]
        looks = [line.look(wanted_in=10 * number) for number in range(6)]
        await asyncio.gather(*creates, *looks)
        return line.starts

    starts = run(main())
    assert [at for at, name in starts if name == "create"] == pytest.approx([0, 2, 150, 152])
    assert [at for at, name in starts if name == "look"] == pytest.approx([1, 10, 20, 30, 40, 50])


def test_looks_on_the_wire_are_limited() -> None:
    async def main() -> list[float]:
        line = Line(requests_per_minute=600, requests_at_once=3)
        await asyncio.gather(*(line.look(takes=10) for _ in range(6)))
        return [at for at, _ in line.starts]

    assert run(main()) == pytest.approx([0, 0.1, 0.2, 10, 10.1, 10.2])


def test_a_429_stops_all_and_halves_the_rate_until_answers_give_it_back() -> None:
    async def main() -> list[float]:
        line = Line(requests_per_minute=60)
        looks = [asyncio.create_task(line.look()) for _ in range(5)]
        await asyncio.sleep(1.5)
        line.scheduler.slow_down(30)
        assert line.scheduler.requests_per_minute == 30
        await asyncio.gather(*looks)
        return [at for at, _ in line.starts]

    assert run(main()) == pytest.approx([0, 1, 31.5, 33.5, 35.5], abs=0.1)


def test_what_is_around_a_request_is_entered_after_its_turn_came_and_before_it_starts() -> None:
    async def main() -> list[tuple[float, str]]:
        seen: list[tuple[float, str]] = []

        @asynccontextmanager
        async def around(kind: str) -> AsyncIterator[None]:
            seen.append((now(), f"{kind} in"))
            yield
            seen.append((now(), f"{kind} out"))

        scheduler = RequestScheduler(60, around=around, clock=now)
        async with scheduler.look_turn(Look(5)):
            await asyncio.sleep(2)
            seen.append((now(), "request"))
        async with scheduler.create_turn():
            pass
        return seen

    assert run(main()) == [(5, "look in"), (7, "request"), (7, "look out"), (7, "create in"), (7, "create out")]


def test_what_waits_around_creates_blocks_no_look_and_makes_no_burst() -> None:
    """A global limit that was full lets several requests go at once: they still start one after the other."""

    async def main() -> list[tuple[float, str]]:
        full = asyncio.Event()

        @asynccontextmanager
        async def around(kind: str) -> AsyncIterator[None]:
            if kind == "create":
                await full.wait()
            yield

        line = Line(requests_per_minute=60, around=around)
        tasks = [asyncio.create_task(line.create()) for _ in range(3)]
        tasks += [asyncio.create_task(line.look(wanted_in=10)), asyncio.create_task(line.look(wanted_in=100.5))]
        await asyncio.sleep(100)
        full.set()
        await asyncio.gather(*tasks)
        return line.starts

    starts = run(main())
    assert starts[0] == (10, "look")
    assert [name for _, name in starts].count("create") == 3
    assert starts[1][0] == 100
    assert all(after - before >= 1 - 1e-6 for (before, _), (after, _) in pairwise(starts))


def test_a_429_also_stops_what_had_its_turn_and_has_not_started() -> None:
    async def main() -> list[tuple[float, str]]:
        @asynccontextmanager
        async def around(_kind: str) -> AsyncIterator[None]:
            await asyncio.sleep(5)
            yield

        line = Line(around=around)
        look = asyncio.create_task(line.look())
        await asyncio.sleep(3)
        line.scheduler.slow_down(10)
        await look
        return line.starts

    assert run(main()) == [(13, "look")]


async def test_clock_and_sleep_are_arguments() -> None:
    clock = Clock()
    scheduler = RequestScheduler(6, clock=clock, sleep=clock.sleep)
    began = clock()
    for _ in range(3):
        async with scheduler.create_turn():
            pass
    async with scheduler.look_turn(Look(scheduler.now() + 100)):
        assert clock() - began == pytest.approx(120)


@pytest.mark.parametrize(
    "wrong",
    [
        {"requests_per_minute": 0},
        {"requests_per_minute": -1},
        {"requests_per_minute": float("nan")},
        {"requests_per_minute": float("inf")},
        {"requests_at_once": 0},
        {"creates_at_once": 0},
    ],
)
def test_numbers_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=f"^{name}: .* is "):
        RequestScheduler(**wrong)  # type: ignore[arg-type] # on purpose


def test_what_families_took_lately() -> None:
    scheduler = RequestScheduler()
    assert scheduler.usual("veo") is None
    for seconds in (100, 140):
        scheduler.took("veo", seconds)
    assert scheduler.usual("veo") is None  # two tell nothing
    scheduler.took("veo", 120)
    assert scheduler.usual("veo") == (100, 140, pytest.approx(224))
    assert scheduler.usual("vidu") is None
    for _ in range(32):
        scheduler.took("veo", 60)
    assert scheduler.usual("veo") == (60, 60, 96)  # the last 32
