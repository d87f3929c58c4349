"""Who is next under a budget, in any life that chance can think of. Time is only a number here."""

import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from prefect_octopusx.api import Look
from prefect_octopusx.api.turns import Turns

RATE = 120.0
EVERY = 60 / RATE
SLACK = 1e-6

acts = st.one_of(
    st.tuples(st.just("create"), st.just(0.0)),
    st.tuples(st.just("look"), st.sampled_from([0.0, 0.0, 1.0, 7.0, 31.0])),
    st.tuples(st.sampled_from(["pass", "pass", "pass"]), st.sampled_from([0.1, EVERY, 1.0, 25.0])),
    st.tuples(st.sampled_from(["answered", "lost", "cancelled", "hold", "cancelled seat"]), st.just(0.0)),
    st.tuples(st.just("429"), st.sampled_from([None, 0.5, 3.0, 60.0])),
)


class Life:
    """Lives through acts, starts what is called unless it is held back, and notes what came."""

    def __init__(self, looks: int, creates: int) -> None:
        self.turns = Turns(RATE, looks=looks, creates=creates)
        self.seats = {"look": looks, "create": creates}
        self.now = 0.0
        self.waiting: dict[int, tuple[str, float]] = {}
        """Of each, its kind and from when on it may be called."""
        self.seated: dict[int, str] = {}
        self.held = False
        self.calls: list[tuple[str, bool]] = []
        """Of each, its kind and whether one of the other kind could have been called in its place."""
        self.starts: dict[int, float] = {}
        self.closed: list[tuple[int, float]] = []
        """Of each 429, how many had started, and until when no other may."""

    def act(self, what: str, number: float | None) -> None:
        if what == "429":
            self.turns.slow_down(self.now, number)
            self.closed.append((len(self.starts), self.now + (number or 20)))
        elif what == "create":
            self.waiting[self.turns.join(None)] = ("create", self.now)
        elif what == "look":
            at = self.now + (number or 0)
            self.waiting[self.turns.join(Look(at))] = ("look", at)
        elif what == "hold":
            self.held = not self.held
        elif what == "pass":
            self.now += number or 0
        else:
            gone = next(iter(self.waiting if what == "cancelled" else self.seated), None)
            if gone is not None:
                self.turns.leave(gone, answered=what == "answered")
                self.waiting.pop(gone, None)
                self.seated.pop(gone, None)
        self.go_on()

    def go_on(self) -> float:
        """Call and start whatever may be by now. Returns after how long there may be more."""
        could = self.possible()
        while (number := self.turns.call(self.now)) is not None:
            kind, wanted_at = self.waiting.pop(number)
            assert wanted_at <= self.now
            assert kind in could
            self.calls.append((kind, len(could) == 2))
            self.seated[number] = kind
            could = self.possible()
        at = self.turns.next_call(self.now)
        pauses = [at - self.now] if at is not None else []
        for number in self.seated.keys() - self.starts.keys() if not self.held else ():
            if pause := self.turns.start(number, self.now):
                pauses.append(pause)
            else:
                self.starts[number] = self.now
        return min(pauses, default=0.0)

    def possible(self) -> set[str]:
        """Return the kinds that wait and have a seat left."""
        taken = list(self.seated.values())
        return {kind for kind, at in self.waiting.values() if at <= self.now and taken.count(kind) < self.seats[kind]}

    def finish(self) -> None:
        """Let each request be answered once it has started, until nobody is left."""
        self.held = False
        for _ in range(10 * (len(self.waiting) + len(self.seated)) + 10):
            self.now += self.go_on()
            for number in [number for number in self.seated if number in self.starts]:
                self.turns.leave(number, answered=True)
                del self.seated[number]


@given(st.lists(acts, max_size=60), st.integers(1, 3), st.integers(1, 3))
def test_whatever_happens_budget_and_seats_hold_and_nobody_is_forgotten(
    life: list[tuple[str, float | None]], looks: int, creates: int
) -> None:
    lived = Life(looks, creates)
    for what, number in life:
        lived.act(what, number)
        for kind, seats in lived.seats.items():
            assert list(lived.seated.values()).count(kind) <= seats
    lived.finish()
    assert not lived.waiting
    assert not lived.seated
    starts = list(lived.starts.values())
    assert all(later - earlier >= EVERY - SLACK for earlier, later in pairwise(starts))
    for already, until in lived.closed:
        assert all(at >= until - SLACK for at in starts[already:])
    assert all(first != second for (first, _), (second, either) in pairwise(lived.calls) if either)


def test_creates_and_looks_alternate_under_pressure() -> None:
    lived = Life(looks=50, creates=50)
    for _ in range(20):
        lived.act("create", 0)
        lived.act("look", 0)
    lived.finish()
    assert [kind for kind, _ in lived.calls] == ["create", "look"] * 20


def test_creates_that_take_minutes_do_not_block_looks() -> None:
    lived = Life(looks=1, creates=2)
    for _ in range(5):
        lived.act("create", 0)
    for _ in range(4):
        lived.act("pass", EVERY)
    assert list(lived.seated.values()) == ["create", "create"]
    lived.act("look", 0)
    assert list(lived.seated.values()) == ["create", "create", "look"]


@given(st.integers(2, 12), st.randoms(use_true_random=False), st.booleans())
def test_no_look_waits_longer_than_8_times_its_place_in_a_plain_queue(
    videos: int, chance: random.Random, mean: bool
) -> None:
    """The bound that `turns.py` proves, 8 n T, for looks that come back at once and are likely or not as chance says.

    With `mean`, the first video is the least likely all the time, and all others are the most likely.
    """
    turns = Turns(RATE, looks=1, creates=1)
    for _ in range(3):
        turns.took("sure", 0.001)
        turns.took("never", 1e9)
    owners: dict[int, tuple[int, float]] = {}
    looked_at = [0.0] * videos
    worst = now = 0.0

    def join(video: int) -> None:
        unlikely = video == 0 if mean else chance.random() < 0.5
        wanted_at = now if mean else now + chance.choice([0, 0, EVERY, 20])
        look = Look(wanted_at, looked_at[video], looked_at[video], "never" if unlikely else "sure")
        owners[turns.join(look)] = (video, wanted_at)

    for video in range(videos):
        join(video)
    for _ in range(60 * videos):
        now = turns.next_call(now) or now
        number = turns.call(now)
        assert number is not None
        turns.start(number, now)
        turns.leave(number, answered=True)
        video, wanted_at = owners.pop(number)
        worst = max(worst, now - wanted_at)
        assert now - wanted_at < 8 * videos * EVERY
        looked_at[video] = now
        join(video)
    assert not mean or worst >= 7 * EVERY * (videos - 1)  # the bound is a close one


def test_after_a_429_nothing_is_sent_for_the_given_time_and_the_rate_is_halved() -> None:
    lived = Life(looks=8, creates=8)
    for _ in range(10):
        lived.act("look", 0)
    lived.act("429", 60)
    lived.act("429", 5)  # of a request that was on the wire then
    assert lived.turns.rate == RATE / 2
    lived.finish()
    first, *later = lived.starts.values()
    assert (first, later[0]) == (0, 60)
    gaps = [after - before for before, after in pairwise(later)]
    assert all(EVERY * 1.9 < gap <= EVERY * 2 for gap in gaps)


def order(turns: Turns, looks: dict[str, Look], now: float) -> list[str]:
    """Return the order in which looks are called."""
    names = {turns.join(look): name for name, look in looks.items()}
    called = []
    for turn in range(len(looks)):
        number = turns.call(now + turn * EVERY)
        assert number is not None
        called.append(names[number])
    return called


def test_of_looks_that_are_wanted_the_likeliest_comes_first() -> None:
    turns = Turns(RATE, looks=9, creates=1)
    looks = {
        "looked at a moment ago": Look(500, submitted_at=300, looked_at=495, family="vidu"),
        "too young": Look(500, submitted_at=480, family="vidu"),
        "probably ready": Look(500, submitted_at=440, family="vidu"),
        "ready by its progress": Look(500, submitted_at=400, family="veo", ends_at=502),
        "surely ready": Look(500, submitted_at=380, family="vidu"),
        "far from ready": Look(500, submitted_at=400, family="veo"),
    }
    assert order(turns, looks, 500) == [
        "surely ready",
        "probably ready",
        "ready by its progress",
        "far from ready",
        "looked at a moment ago",
        "too young",
    ]


def test_where_nothing_is_known_of_a_family_the_longest_unseen_share_of_the_age_comes_first() -> None:
    turns = Turns(RATE, looks=9, creates=1)
    looks = {
        "looked at lately": Look(500, submitted_at=0, looked_at=400, family="own"),
        "half of its age ago": Look(500, submitted_at=0, looked_at=250, family="own"),
        "never looked at": Look(500, submitted_at=490, family="own"),
    }
    assert order(turns, looks, 500) == ["never looked at", "half of its age ago", "looked at lately"]


def test_a_look_that_is_wanted_later_is_not_called_before() -> None:
    turns = Turns(RATE, looks=1, creates=1)
    turns.join(Look(30, submitted_at=0, family="vidu"))
    assert turns.call(29.9) is None
    assert turns.next_call(29.9) == 30


def test_a_look_that_is_given_up_leaves_no_time_to_wake_for() -> None:
    turns = Turns(RATE, looks=1, creates=1)
    turns.leave(turns.join(Look(30)), answered=False)
    assert turns.next_call(0) is None


def test_a_request_that_starts_late_in_its_turn_moves_the_next_call() -> None:
    """So that who is next is decided as late as it can be."""
    turns = Turns(RATE, looks=2, creates=1)
    number = turns.join(Look(0))
    turns.join(Look(0))
    assert turns.call(0) == number
    turns.start(number, 0.3)
    assert turns.next_call(0.3) == 0.3 + EVERY


def test_what_a_family_took_lately_counts_also_for_looks_that_wait_already() -> None:
    def first(*durations: float) -> str:
        turns = Turns(RATE, looks=9, creates=1)
        numbers = {turns.join(Look(100, 0, family=name)): name for name in ("sora", "vidu")}
        for seconds in durations:
            turns.took("vidu", seconds)
        called = turns.call(100)
        assert called is not None
        return numbers[called]

    assert first() == "vidu"
    assert first(200, 210) == "vidu"  # two tell nothing
    assert first(200, 210, 220) == "sora"  # as unlikely, and it came first


def test_a_turn_costs_as_much_where_thousands_wait() -> None:
    scored = 0

    class Counting(Turns):
        def _rank(self, look: Look, now: float) -> tuple[bool, float, float]:
            nonlocal scored
            scored += 1
            return super()._rank(look, now)

    videos = 3000
    turns = Counting(RATE, looks=videos, creates=1)
    called = [turns.join(Look(-1.0 * number)) for number in range(videos)]
    assert [turns.call(number * EVERY) for number in range(videos)] == called[::-1]  # who waits longest goes first
    assert scored < 70 * videos


def test_where_many_wait_for_rankings_nobody_waits_much_longer() -> None:
    chance, videos, now = random.Random(8), 256, 0.0
    turns = Turns(RATE, looks=videos, creates=1)
    turns.took("veo", 100)

    def ask() -> int:
        return turns.join(Look(now, submitted_at=now - chance.choice([5, 100, 1000]), looked_at=now, family="veo"))

    wanted = {ask(): now for _ in range(videos)}
    for _ in range(20 * videos):
        now += EVERY
        number = turns.call(now)
        assert number is not None
        assert now - wanted.pop(number) < 8.2 * videos * EVERY
        turns.leave(number, answered=True)
        wanted[ask()] = now
