"""Requests against lag: fixed intervals, back-offs and ours, for thousands of videos in virtual time.

Run it with `make bench`, or `python -m benchmarks.polling`. It prints tables in Markdown, the same on any machine.
"""

import argparse
import sys
from collections.abc import Mapping

from tests.api.polling import BACK_OFFS, INTERVALS, Figures, Video, ours, plain, videos

_WIDE = 60_000.0  # requests a minute: no look waits


def main() -> int:
    """Simulate, and print the tables."""
    parser = argparse.ArgumentParser(description="Requests against lag, in virtual time.")
    parser.add_argument("--videos", type=int, default=1000)
    count = parser.parse_args().videos
    made = videos(count, within=2 * count)
    show(f"{count} videos, no budget", alone(made))
    for submitted, within, rate in ((300, 60, 120), (300, 600, 120), (count, 600, 600)):
        made = videos(submitted, within=within)
        show(f"{submitted} videos submitted within {within} s, {rate} requests a minute", budgeted(made, rate))
    return 0


def alone(made: list[Video]) -> dict[str, Figures]:
    """Poll without a budget."""
    unknown = [video._replace(family="own") for video in made]
    return {
        **{name: plain(way, made) for name, way in (INTERVALS | BACK_OFFS).items()},
        "ours, each video by itself": ours(made),
        "the same, no progress told": ours(made, progress=False),
        "the same, and nothing known of the family": ours(unknown, progress=False),
        "ours, together": ours(made, per_minute=_WIDE),
        "together, no progress told": ours(made, per_minute=_WIDE, progress=False),
    }


def budgeted(made: list[Video], rate: float) -> dict[str, Figures]:
    """Poll under a budget."""
    return {
        **{name: plain(way, made, per_minute=rate) for name, way in (INTERVALS | BACK_OFFS).items()},
        "ours": ours(made, per_minute=rate),
        "ours, no progress told": ours(made, per_minute=rate, progress=False),
    }


def show(title: str, found: Mapping[str, Figures]) -> None:
    """Print a table."""
    print(f"| {title} | requests a video | lag, mean | lag, 95 of 100 |\n|---|---|---|---|")
    for name, (looks, mean, late) in found.items():
        print(f"| {name} | {looks:.1f} | {mean:.1f} s | {late:.1f} s |")
    print(flush=True)


if __name__ == "__main__":
    sys.exit(main())
