"""When to ask next. A pure function: time and chance are arguments.

What is known: the gateway refreshes a job about every 15 s, so asking faster finds nothing new; before a family's
videos are ever ready, looks are wasted; a look that comes late by a fixed share of a job's age is equally annoying for
short and long jobs, and costs few looks for long ones; progress comes in coarse steps, so it may move a look but is not
trusted to move it far. `make bench` compares what comes of it with fixed intervals.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple, Self

__all__ = [
    "OFF_PEAK_DEADLINE",
    "STANDARD_DEADLINE",
    "Likely",
    "default_deadline",
    "end_by_progress",
    "likely_ready",
    "next_delay",
]

STANDARD_DEADLINE = 3600.0
"""Seconds until a standard video is given up on (it may still be picked up later)."""
OFF_PEAK_DEADLINE = 49 * 3600.0
"""Vidu renders off-peak jobs within 48 hours, or cancels them; one hour more for the gateway to notice."""

_REFRESH = 15.0
_SHARE_OF_AGE = 1 / 16
_SHARE_WHERE_SLOW = 1 / 8  # where a look costs little if it is late: overdue, off-peak, or with a start for each
_CEILING = 60.0
_OFF_PEAK_FLOOR, _OFF_PEAK_CEILING = 300.0, 900.0
_WORTH = 20.0  # times what a start costs: so a look that needs one takes a twentieth of the time at most
_OFF_PEAK_CEILING_WITH_STARTS = 1800.0
_FIRST_LOOK = 10.0  # a refusal by moderation comes early
_JITTER = 0.1
_TROUBLE_CEILING = 120.0
# Seconds before which a family's videos are hardly ever ready; published timings, rounded down.
_HARDLY_BEFORE = {"vidu": 30.0, "jimeng": 40.0, "veo": 90.0, "sora": 150.0, "grok": 90.0}
_FEWEST = 3  # durations that tell something
_MARGIN = 0.8  # A vendor that gets faster is noticed: looks begin before any video was ready lately.
_LONGEST_HOLD = 120.0
_SLOW = 1.6  # times the middle: by then nearly all are ready


class Likely(NamedTuple):
    """The ages, in seconds, at which a video is likely ready.

    None are before `soonest`, half are by `middle`, nine of ten by `latest`.
    """

    soonest: float
    middle: float
    latest: float

    @classmethod
    def of(cls, durations: Collection[float]) -> Self | None:
        """Return what some durations tell; None for fewer than three.

        While many videos are in the making, those that are known are the quicker ones. So what three of four of them
        took at most stands for the middle.
        """
        if len(durations) < _FEWEST:
            return None
        ordered = sorted(durations)
        middle = ordered[len(ordered) * 3 // 4]
        return cls(ordered[0], middle, _SLOW * middle)

    def narrowed(self, end: float) -> Self:
        """Return what is left of it where the progress speaks for the age `end`; progress is coarse."""
        end = min(max(end, self.soonest), self.latest)
        return type(self)(0.75 * end, end, max(1.25 * end, self.latest))

    def between(self, since: float, now: float) -> float:
        """Return how likely it became ready until `now`, from 0 to 1, if it was not ready at `since`."""
        left = self._share_left(since)
        return 1 - self._share_left(now) / left if left else 1.0

    def _share_left(self, at: float) -> float:
        soonest, middle, latest = self
        if at <= soonest:
            return 1.0
        if at <= middle:
            return 1 - 0.5 * (at - soonest) / (middle - soonest)
        if at <= latest:
            return 0.5 - 0.4 * (at - middle) / (latest - middle)
        return 0.1 * (latest - soonest) / (at - soonest)  # some take many times as long


def next_delay(
    *,
    age: float,
    chance: float,
    family: str | None = None,
    off_peak: bool = False,
    steps: Sequence[tuple[float, float]] = (),
    troubles: int = 0,
    retry_after: float | None = None,
    poll_interval: float | None = None,
    usual: Likely | None = None,
    start_cost: float = 0.0,
) -> float:
    """Return the seconds to wait before the next look at a job.

    Args:
        age: Seconds since the job was submitted.
        chance: A random number in [0, 1), which spreads the looks at many jobs.
        family: The request's family, where it is known.
        off_peak: Off-peak jobs take hours and are asked about every 5 to 15 minutes.
        steps: Each rise of progress so far, as (age in seconds, progress from 0 to 100).
        troubles: How many looks in a row, up to now, got no answer.
        retry_after: Seconds that the server asked for; never undercut.
        poll_interval: Seconds between looks as the user wants them; wins over everything but `retry_after`.
        usual: How long the family's videos took lately (`RequestScheduler.usual`); not for off-peak jobs.
        start_cost: Seconds of work that come with each look, where nobody stays in between and a process is started for
            it. Such looks are fewer, and paced by age alone.

    Raises:
        ValueError: `poll_interval` is not above 0.
    """
    floor = retry_after or 0.0
    if poll_interval is not None:
        if not poll_interval > 0:
            raise ValueError(f"poll_interval: {poll_interval} is not a number of seconds above 0")
        return max(poll_interval, floor)
    if start_cost:
        delay = _with_starts(age, start_cost, off_peak=off_peak)
    else:
        delay = _off_peak(age) if off_peak else _standard(age, family, steps, usual)
    if troubles:
        delay = max(delay, min(_TROUBLE_CEILING, _REFRESH * 2**troubles))
    return max(delay * (1 - _JITTER + 2 * _JITTER * chance), floor)


def default_deadline(*, off_peak: bool) -> float:
    """Return the seconds after the submission at which waiting ends, where the user did not say."""
    return OFF_PEAK_DEADLINE if off_peak else STANDARD_DEADLINE


def likely_ready(family: str, usual: Likely | None = None) -> Likely | None:
    """Return the ages at which videos of a family are likely ready: as lately, else by published timings, if any."""
    hardly_before = _HARDLY_BEFORE.get(family)
    if usual is not None or hardly_before is None:
        return usual
    return Likely(hardly_before, 2 * hardly_before, 4 * hardly_before)


def end_by_progress(steps: Sequence[tuple[float, float]]) -> float | None:
    """Return the age at which a job ends if its progress goes on as it did; None until it has risen between looks."""
    if len(steps) < 2:  # two points make a line
        return None
    (first_age, first), (last_age, last) = steps[0], steps[-1]
    return last_age + (100 - last) * (last_age - first_age) / (last - first)


def _standard(age: float, family: str | None, steps: Sequence[tuple[float, float]], usual: Likely | None) -> float:
    if age < _FIRST_LOOK:
        return _FIRST_LOOK
    likely = likely_ready(family, usual) if family else usual
    held = min(_MARGIN * likely.soonest - age, _LONGEST_HOLD) if likely else 0.0
    overdue = likely is not None and age > likely.latest
    share = min(_CEILING, max(_REFRESH, age * (_SHARE_WHERE_SLOW if overdue else _SHARE_OF_AGE)))
    end = end_by_progress(steps)
    if end is not None and end > age:  # an overdue job's progress tells nothing any more
        return max(_REFRESH, min((end - age) / 2, 2 * share, _CEILING), held)
    return max(share, held)


def _off_peak(age: float) -> float:
    return min(_OFF_PEAK_CEILING, max(_OFF_PEAK_FLOOR, age * _SHARE_WHERE_SLOW))


def _with_starts(age: float, start_cost: float, *, off_peak: bool) -> float:
    floor, ceiling = (_OFF_PEAK_FLOOR, _OFF_PEAK_CEILING_WITH_STARTS) if off_peak else (_REFRESH, STANDARD_DEADLINE)
    return max(min(ceiling, max(floor, age * _SHARE_WHERE_SLOW)), _WORTH * start_cost)
