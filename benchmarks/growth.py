"""What a video costs in batches of 10, 100 and 1,000, and in the simulation of 100,000.

Run it with `make bench`, or `python -m benchmarks.growth --sizes 10 --simulated 1000` for a quick look; Linux only. The
batches are real ones, as in `compare.py`. What a batch of one takes is taken off: the start of Prefect and of the flow.
The simulation has virtual time, and no Prefect, network or bucket: only what orders a batch and its requests is left.
It prints tables in Markdown.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.compare import OURS, Figures, Options, measure
from benchmarks.machine import machine
from benchmarks.servers import servers
from deployments.demo import environment

_REAL: dict[str, Callable[[Figures], str]] = {
    "processor time of the client": lambda one: f"{1000 * one.cpu:.0f} ms",
    "memory": lambda one: f"{1000 * one.peak:.0f} kB",
    "requests to the gateway": lambda one: f"{one.gateway:.1f}",
    "requests to the bucket": lambda one: f"{one.s3:.1f}",
    "calls of Prefect's API": lambda one: f"{one.prefect:.2f}",
    "events": lambda one: f"{one.events:.1f}",
}


def main() -> int:
    """Make the batches, then simulate some, print what a video took; 0 if all went well."""
    parser = argparse.ArgumentParser(description="What a video costs in small and in large batches, for nothing.")
    parser.add_argument("--sizes", type=int, nargs="*", default=[10, 100, 1000], help="videos of each real batch")
    parser.add_argument("--simulated", type=int, nargs="*", default=[10, 100, 1000, 10_000, 100_000])
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # either ends it in good order
        signal.signal(number, signal.default_int_handler)
    if options.sizes:
        print(real(options.sizes))
    if options.simulated:
        print(simulated(options.simulated))
    return 0


def real(sizes: list[int]) -> str:
    """Make real batches; return what a video took."""
    with tempfile.TemporaryDirectory(prefix="prefect-octopusx-bench-") as home, servers(Path(home)) as running:
        taken = []
        for videos in (1, *sizes):
            _say(f"a batch of {videos}")
            taken.append(measure(OURS, running, Options(videos, 20, 30, 15)))
        head = machine(running.database)
    alone, *batches = taken
    each = [
        Figures(*((after - before) / (videos - 1) for before, after in zip(alone, batch, strict=True)))
        for videos, batch in zip(sizes, batches, strict=True)
    ]
    start = f"{alone.cpu:.1f} s of processor time, {alone.peak:.0f} MB, {alone.prefect} calls of Prefect's API"
    rows = {name: [shape(one) for one in each] for name, shape in _REAL.items()}
    return f"{head}\nA batch of one: {start}.\n\n{_table('a video more, in a batch of', sizes, rows)}\n"


def simulated(sizes: list[int]) -> str:
    """Simulate batches, each in a process of its own; return what a video took."""
    tables = []
    scenes = {"default": "100 in the making at once", "all": "all in the making at once, under a budget that grows"}
    for scene, words in scenes.items():
        _say(f"simulation: {words}")
        each = [_simulation(videos, scene) for videos in sizes]
        rows = {name: [one[name] for one in each] for name in each[0]}
        tables.append(_table(f"simulated, {words}", sizes, rows))
    return "\n\n".join(tables)


def _simulation(videos: int, scene: str) -> dict[str, str]:
    command = [sys.executable, "-m", "benchmarks.simulation", str(videos), scene]
    done = subprocess.run(command, env=environment({}), check=True, stdout=subprocess.PIPE)  # noqa: S603 - ours
    figures: dict[str, str] = json.loads(done.stdout)
    return figures


def _table(head: str, sizes: list[int], rows: dict[str, Any]) -> str:
    lines = [f"| {head} | {' | '.join(f'{videos:,}' for videos in sizes)} |", "|---" * (len(sizes) + 1) + "|"]
    return "\n".join([*lines, *(f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items())])


def _say(what: str) -> None:
    print(f"{what} ...", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
