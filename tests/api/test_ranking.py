"""What the ranking of looks is worth, and what is learnt from durations, by real waits in virtual time."""

import asyncio
import random
import statistics
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple

import pytest

from prefect_octopusx.api import Look, RequestScheduler, wait_until_final
from tests.api.virtual import FAMILIES, Gateway, now, realistic, run


class FirstCome(RequestScheduler):
    """The same budget and pacing without the ranking: who has wanted a look for the longest time comes first."""

    def look_turn(self, look: Look | None = None) -> AbstractAsyncContextManager[None]:
        return super().look_turn(Look(look.wanted_at) if look else None)


class Unlearning(RequestScheduler):
    """Learns nothing of what videos took."""

    def took(self, family: str, seconds: float) -> None:
        pass


class Batch(NamedTuple):
    """What came of a batch."""

    lag: float
    """Seconds between ready, as the gateway shows it, and seen; the mean."""
    longest_lag: float
    looks: int
    soonest: list[float]
    """What was known of the shortest duration after each video."""


def batch(
    scheduler: RequestScheduler,
    seed: int,
    *,
    videos: int = 300,
    families: Sequence[str] = tuple(FAMILIES),
    gap: float = 0.0,
    creates: bool = False,
    seconds: Callable[[random.Random, str, int], float] = lambda chance, family, _: realistic(chance, family),
    **gateway: Any,  # noqa: ANN401 - the gateway's arguments
) -> Batch:
    """Make a batch of videos under one budget.

    Args:
        scheduler: The budget.
        seed: Decides what is left to chance.
        videos: How many.
        families: What they are of.
        gap: Seconds between two submissions.
        creates: Whether the submissions need turns too.
        seconds: How long the n-th video takes.
        gateway: What it tells.
    """

    async def main() -> Batch:
        chance, asked_at = random.Random(seed), Gateway(**gateway)
        lags: list[float] = []
        soonest: list[float] = []

        async def make(number: int) -> None:
            family = chance.choice(families)
            takes = seconds(chance, family, number)
            await asyncio.sleep(number * gap)
            if creates:
                async with scheduler.create_turn():
                    await asyncio.sleep(5)
            task_id = asked_at.submit(family, takes)
            options: dict[str, Any] = {"clock": now, "chance": chance.random, "scheduler": scheduler}
            await wait_until_final(asked_at, task_id, submitted_at=now(), family=family, **options)  # type: ignore[arg-type] # as a client
            lags.append(now() - asked_at.shown_at(task_id))
            if usual := scheduler.usual(family):
                soonest.append(usual.soonest)

        await asyncio.gather(*(make(number) for number in range(videos)))
        return Batch(statistics.mean(lags), max(lags), len(asked_at.asked), soonest)

    return run(main())


@pytest.mark.parametrize(
    ("scene", "at_most"),
    [
        pytest.param({}, 0.75, id="all submitted at once"),
        pytest.param({"gap": 1.0}, 0.8, id="one submitted a second"),
        pytest.param({"creates": True}, 0.75, id="creates need turns too"),
        pytest.param({"creates": True, "families": ("veo",), "progress": False}, 0.85, id="one family, no progress"),
        pytest.param({"gap": 1.0, "times": False}, 0.85, id="the gateway tells no times"),
    ],
)
def test_under_a_tight_budget_ready_videos_are_seen_much_sooner_than_first_come_first_served(
    scene: dict[str, Any], at_most: float
) -> None:
    ranked = [batch(RequestScheduler(120, clock=now), seed, **scene) for seed in range(2)]
    plain = [batch(FirstCome(120, clock=now), seed, **scene) for seed in range(2)]
    ratio = sum(each.lag for each in ranked) / sum(each.lag for each in plain)
    assert ratio < at_most
    assert sum(each.looks for each in ranked) < 1.1 * sum(each.looks for each in plain)
    assert max(each.longest_lag for each in ranked) < 1.5 * max(each.longest_lag for each in plain)


def steady(begin: float, end: float) -> Callable[[random.Random, str, int], float]:
    return lambda chance, _family, _number: chance.uniform(begin, end)


def test_where_the_budget_is_wide_what_was_learnt_saves_looks_and_no_time_is_lost() -> None:
    """Videos that take 4 to 6 minutes, of a family of which nothing is published."""
    scene: dict[str, Any] = {"families": ("own",), "gap": 5.0, "seconds": steady(240, 360), "progress": False}
    learnt = batch(RequestScheduler(6000, clock=now), 1, **scene)
    plain = batch(Unlearning(6000, clock=now), 1, **scene)
    assert learnt.looks < 0.65 * plain.looks
    assert learnt.lag < 1.05 * plain.lag


@pytest.mark.parametrize("rate", [6000, 120, 60])
@pytest.mark.parametrize("times", [True, False])
def test_what_is_known_of_the_shortest_duration_does_not_drift_upwards(rate: float, times: bool) -> None:
    """Looks are held back because of it, so it must not rise because looks come late."""
    made = batch(
        RequestScheduler(rate, clock=now),
        1,
        videos=600,
        families=("vidu",),
        gap=1.0,
        seconds=steady(100, 130),
        progress=False,
        times=times,
    )
    assert max(made.soonest) < 145


@pytest.mark.parametrize("times", [True, False])
def test_a_vendor_that_gets_faster_or_slower_is_noticed(times: bool) -> None:
    def takes(chance: random.Random, _family: str, number: int) -> float:
        usual = 200 if number // 200 == 1 else 80
        return usual * chance.uniform(1, 1.3)

    made = batch(
        RequestScheduler(600, clock=now),
        1,
        videos=600,
        families=("own",),
        gap=2.0,
        seconds=takes,
        progress=False,
        times=times,
    )
    slow, fast = made.soonest[290], made.soonest[-1]
    assert 160 < slow < 240
    assert fast < 110
