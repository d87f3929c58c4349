"""Who may send a request next, under one budget. Nothing in here waits or looks at a clock: time is an argument.

- Two requests start at least 60 / rate seconds apart, so no window of any length has more than the rate allows.
- Where creates and looks both wait, they take turns.
- Of the looks that are wanted by now, the one at the video that most likely became ready since its last goes first.
- But a look that has waited for seven rounds goes before all others. A round gives all that wait a turn.

So no look waits for ever: **where at most n videos want looks and one gets a turn every T seconds, each waits less than
8 n T seconds.** After 7 n T at the latest it goes before all but those that have waited longer, and of them there are
n - 1 at most, each of which has to wait anew once it had its turn. (T is 60 / rate, and twice that while creates wait.)

From 128 looks on, a ranking of all serves for a 64th of them, so that a turn costs as much with many as with few. A
ranking is as of its time, and one from before the 7 n T may have so many turns left: 8.02 n T, then.
"""

import heapq
import itertools
from collections import deque
from dataclasses import dataclass
from typing import Literal

from prefect_octopusx.api.pacing import Likely, likely_ready

__all__ = ["Kind", "Look", "Turns"]

Kind = Literal["create", "look"]

_ROUNDS = 7  # that a look may wait, however unlikely it is worth it
_UNKNOWN = 0.5  # the likelihood where nothing is known
_RANKED_AGAIN = 64  # times, while all that wait get a turn: so a turn costs as much with many as with few
_REMEMBERED = 32  # durations of a family
_CLOSED = 20.0  # seconds to leave a gateway alone that says 429 without `Retry-After`
_SLOWEST = 1 / 16  # of the full rate
_RECOVERY = 300.0  # seconds with requests that are answered give back half of the full rate


@dataclass(frozen=True, slots=True)
class Look:
    """A look at a video, as somebody wants it. Times are seconds of the scheduler's clock.

    Attributes:
        wanted_at: It never comes earlier.
        submitted_at: When the video was submitted; `wanted_at` by default.
        looked_at: The last look at it; its submission by default.
        family: Whose usual durations tell when it is likely ready.
        ends_at: When it is ready by its progress.
    """

    wanted_at: float
    submitted_at: float | None = None
    looked_at: float | None = None
    family: str | None = None
    ends_at: float | None = None


@dataclass(slots=True)
class _Seat:
    kind: Kind
    started: float | None = None


class Turns:
    """The budget of one key: who waits, who has a seat, when the next request may start.

    Each request has a number. `join` gives it, `call` says whose turn it is, `start` lets it go, `leave` ends it.

    Args:
        per_minute: The full rate.
        looks: Looks on the wire at most.
        creates: Creates on the wire at most.
    """

    def __init__(self, per_minute: float, *, looks: int, creates: int) -> None:
        self.rate = self._full = per_minute
        self._numbers = itertools.count()
        self._creates: dict[int, None] = {}  # in order of arrival
        self._looks: dict[int, Look] = {}  # wanted by now
        self._later: dict[int, Look] = {}
        self._wanted: list[tuple[float, int]] = []  # a heap for `_later`, with some that left it
        self._ranked: list[int] = []  # of `_looks`, the best last, as of a moment ago
        self._seats: dict[int, _Seat] = {}
        self._free: dict[Kind, int] = {"look": looks, "create": creates}
        self._last: Kind = "look"
        self._calls_at = self._starts_at = self._closed_until = self._halved_at = float("-inf")
        self._durations: dict[str, deque[float]] = {}
        self._likely: dict[str, Likely | None] = {}

    def join(self, look: Look | None) -> int:
        """Let a look wait, or a create (None). Returns its number."""
        number = next(self._numbers)
        if look is None:
            self._creates[number] = None
        else:
            if look.family is not None and look.family not in self._likely:
                self._likely[look.family] = likely_ready(look.family)
            self._later[number] = look
            heapq.heappush(self._wanted, (look.wanted_at, number))
        return number

    def call(self, now: float) -> int | None:
        """Give a seat to whose turn it is; None if it is nobody's turn yet."""
        if now < max(self._calls_at, self._closed_until):
            return None
        self._ripen(now)
        look, create = self._may_be("look"), self._may_be("create")
        if not look and not create:
            return None
        if create and not (look and self._last == "create"):
            self._last, number = "create", next(iter(self._creates))
            del self._creates[number]
        else:
            self._last, number = "look", self._best(now)
            del self._looks[number]
        self._free[self._last] -= 1
        self._seats[number] = _Seat(self._last)
        self._calls_at = now + 60 / self.rate
        return number

    def next_call(self, now: float) -> float | None:
        """Return when it may be somebody's turn; None if that needs a request to come or to end."""
        self._ripen(now)
        if self._may_be("create") or self._may_be("look"):
            at = now
        elif self._wanted and self._free["look"]:
            at = self._wanted[0][0]
        else:
            return None
        return max(at, self._calls_at, self._closed_until)

    def start(self, number: int, now: float) -> float:
        """Let a request with a seat go now, and return 0; or return the seconds after which to try again.

        It may come late to its turn, when others have started meanwhile or a 429 has come.
        """
        wait = max(self._starts_at, self._closed_until) - now
        if wait > 0:
            return wait
        self._seats[number].started = now
        self._starts_at = now + 60 / self.rate
        self._calls_at = max(self._calls_at, self._starts_at)
        return 0.0

    def leave(self, number: int, *, answered: bool) -> None:
        """Free the place or the seat of a request. One that was answered gives some of a lost rate back."""
        seat = self._seats.pop(number, None)
        if seat is None:
            for waiting in (self._creates, self._looks, self._later):
                waiting.pop(number, None)
            return
        self._free[seat.kind] += 1
        if answered and seat.started is not None and seat.started >= self._closed_until:
            self.rate = min(self._full, self.rate + self._full / 2 * (60 / self.rate) / _RECOVERY)

    def slow_down(self, now: float, retry_after: float | None) -> None:
        """Close for some seconds and halve the rate. Several 429 in a row are one: the rate is halved once."""
        if now >= max(self._closed_until, self._halved_at + _CLOSED):
            self._halved_at = now
            self.rate = max(self.rate / 2, self._full * _SLOWEST)
        self._closed_until = max(self._closed_until, now + (retry_after or _CLOSED))

    def took(self, family: str, seconds: float) -> None:
        """Note how long a video of a family took."""
        self._durations.setdefault(family, deque(maxlen=_REMEMBERED)).append(seconds)
        self._likely[family] = likely_ready(family, self.usual(family))

    def usual(self, family: str) -> Likely | None:
        """Return how long the last videos of a family took; None before there are three."""
        return Likely.of(self._durations.get(family, ()))

    def _best(self, now: float) -> int:
        """Return the look that ranks first. Where very many wait, a ranking of all serves for several turns."""
        while self._ranked:
            if (number := self._ranked.pop()) in self._looks:  # else it has left
                return number
        serves = max(1, len(self._looks) // _RANKED_AGAIN)
        best = heapq.nlargest(serves, self._looks, key=lambda each: self._rank(self._looks[each], now))
        self._ranked = best[:0:-1]
        return best[0]

    def _rank(self, look: Look, now: float) -> tuple[bool, float, float]:
        """Return what a look is ranked by: whether it has waited too long, how likely it is worth it, its wait."""
        waited = now - look.wanted_at
        if waited > _ROUNDS * len(self._looks) * 60 / self.rate:
            return True, waited, 0.0
        return False, self._chance(look, now), waited

    def _chance(self, look: Look, now: float) -> float:
        """Return how likely the video became ready since the last look."""
        if look.submitted_at is None or look.family is None:
            return _UNKNOWN
        looked_at = look.submitted_at if look.looked_at is None else look.looked_at
        before, age = looked_at - look.submitted_at, now - look.submitted_at
        likely = self._likely.get(look.family)
        if likely is None:
            return (age - before) / age if age > 0 else 0.0
        if look.ends_at is not None and look.ends_at > now:
            likely = likely.narrowed(look.ends_at - look.submitted_at)
        return likely.between(before, age)

    def _may_be(self, kind: Kind) -> bool:
        return bool(self._looks if kind == "look" else self._creates) and self._free[kind] > 0

    def _ripen(self, now: float) -> None:
        """Move the looks that are wanted by now to those that may be called, and drop what has left."""
        while self._wanted and (self._wanted[0][0] <= now or self._wanted[0][1] not in self._later):
            _, number = heapq.heappop(self._wanted)
            if (look := self._later.pop(number, None)) is not None:
                self._looks[number] = look
