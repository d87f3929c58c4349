"""When to ask next. A pure function: time and chance are arguments.

What is known: the gateway refreshes a job about every 15 s, so asking faster finds nothing new; a look that comes
late by a fixed share of a job's age is equally annoying for short and long jobs, and costs few looks for long ones;
progress comes in coarse steps, so it may move a look but is not trusted to move it far.
"""

from collections.abc import Sequence

__all__ = ["OFF_PEAK_DEADLINE", "STANDARD_DEADLINE", "default_deadline", "next_delay"]

STANDARD_DEADLINE = 3600.0
"""Seconds until a standard video is given up on (it may still be picked up later)."""
OFF_PEAK_DEADLINE = 49 * 3600.0
"""Vidu renders off-peak jobs within 48 hours, or cancels them; one hour more for the gateway to notice."""

_REFRESH = 15.0
_SHARE_OF_AGE = 1 / 8
_CEILING = 60.0
_OFF_PEAK_FLOOR, _OFF_PEAK_CEILING = 300.0, 900.0
_FIRST_LOOK = 10.0  # a refusal by moderation comes early
_JITTER = 0.1
_TROUBLE_CEILING = 120.0
# Seconds before which a family's videos are hardly ever ready; published timings, rounded down.
_HARDLY_BEFORE = {"vidu": 30.0, "jimeng": 40.0, "veo": 90.0, "sora": 150.0, "grok": 90.0}


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

    Raises:
        ValueError: `poll_interval` is not above 0.
    """
    floor = retry_after or 0.0
    if poll_interval is not None:
        if poll_interval <= 0:
            raise ValueError(f"poll_interval: {poll_interval} is not a number of seconds above 0")
        return max(poll_interval, floor)
    delay = _off_peak(age) if off_peak else _standard(age, family, steps)
    if troubles:
        delay = max(delay, min(_TROUBLE_CEILING, _REFRESH * 2**troubles))
    return max(delay * (1 - _JITTER + 2 * _JITTER * chance), floor)


def default_deadline(*, off_peak: bool) -> float:
    """Return the seconds after the submission at which waiting ends, where the user did not say."""
    return OFF_PEAK_DEADLINE if off_peak else STANDARD_DEADLINE


def _standard(age: float, family: str | None, steps: Sequence[tuple[float, float]]) -> float:
    if age < _FIRST_LOOK:
        return _FIRST_LOOK
    share = min(_CEILING, max(_REFRESH, age * _SHARE_OF_AGE))
    left = _seconds_left(age, steps)
    if left is not None and left > 0:  # an overdue job's progress tells nothing any more
        return max(_REFRESH, min(left / 2, 2 * share, _CEILING))
    hardly_before = _HARDLY_BEFORE.get(family or "", 0.0)
    return max(share, min(hardly_before - age, 2 * _REFRESH))


def _off_peak(age: float) -> float:
    return min(_OFF_PEAK_CEILING, max(_OFF_PEAK_FLOOR, age * _SHARE_OF_AGE))


def _seconds_left(age: float, steps: Sequence[tuple[float, float]]) -> float | None:
    """Extrapolate from the progress, below 0 once overdue; None until it has risen between looks."""
    if len(steps) < 2:  # two points make a line
        return None
    (first_age, first), (last_age, last) = steps[0], steps[-1]
    return last_age + (100 - last) * (last_age - first_age) / (last - first) - age
