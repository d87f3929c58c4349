"""A batch by this project, by the script that a Prefect user writes, and by bare asyncio: what each takes.

Run it with `make bench`, or `python -m benchmarks.compare --videos 30 --rounds 1` for a quick look; Linux only. Each
contestant is a process of its own, one after the other, against the same servers: the sandbox, a real Prefect server,
a real S3 server. It prints a table in Markdown, of medians.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from benchmarks.machine import machine
from benchmarks.servers import Servers, gateway, servers
from deployments.demo import environment
from prefect_octopusx.sandbox import Sandbox

__all__ = ["OURS", "Contestant", "Figures", "Options", "measure", "table"]

_LONGEST = 1800.0  # seconds that a contestant may take


class Contestant(NamedTuple):
    """A program that makes videos."""

    name: str
    module: str
    settings: dict[str, str] = {}  # noqa: RUF012 - read only


OURS = Contestant("`generate_videos`", "with_octopusx")
CONTESTANTS = (
    OURS,
    Contestant("the same, `poll_interval=5`", "with_octopusx", {"BENCH_POLL": "5"}),
    Contestant("Prefect script", "with_prefect"),
    Contestant("bare asyncio", "with_asyncio"),
)


class Figures(NamedTuple):
    """What one batch took."""

    wall: float
    """Seconds, of the whole process."""
    made: float
    """Seconds, from the first create until the last file was fetched."""
    cpu: float
    """Seconds, of the whole process."""
    peak: float
    """MB."""
    gateway: float
    """Requests to OctopusX and to its files."""
    s3: float
    """Requests to the bucket."""
    prefect: float
    """Requests to Prefect's API."""
    events: float
    """That Prefect's server keeps of it."""


class Options(NamedTuple):
    """How a batch is made."""

    videos: int
    shortest: float
    longest: float
    refresh: float


def main() -> int:
    """Start the servers, let each contestant make its batches, print what it took; 0 if all went well."""
    parser = argparse.ArgumentParser(description="A batch by three programs, on this machine, for nothing.")
    parser.add_argument("--videos", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shortest", type=float, default=20.0, help="seconds that a video takes at least")
    parser.add_argument("--longest", type=float, default=30.0, help="seconds that a video takes at most")
    parser.add_argument("--refresh", type=float, default=15.0, help="seconds between the gateway's looks at a job")
    given = parser.parse_args()
    options = Options(given.videos, given.shortest, given.longest, given.refresh)
    for number in (signal.SIGINT, signal.SIGTERM):  # either ends it in good order, with all that it started
        signal.signal(number, signal.default_int_handler)
    found: dict[str, list[Figures]] = {}
    with tempfile.TemporaryDirectory(prefix="prefect-octopusx-bench-") as home, servers(Path(home)) as running:
        for turn in range(given.rounds):
            for each in CONTESTANTS:
                print(f"round {turn + 1}: {each.name} ...", file=sys.stderr, flush=True)
                found.setdefault(each.name, []).append(measure(each, running, options))
                print(f"  {found[each.name][-1]}", file=sys.stderr, flush=True)
        print(f"{machine(running.database)}.")
    print(
        f"{given.videos} videos of {given.shortest:g} to {given.longest:g} s; the gateway looks at each every "
        f"{given.refresh:g} s. Medians of {given.rounds} rounds.\n\n{table(found)}"
    )
    return 0


def measure(contestant: Contestant, running: Servers, options: Options) -> Figures:
    """Let it make a batch, in a process of its own.

    Raises:
        RuntimeError: It failed, or not each video was paid for once and stored.
    """
    bucket = f"videos-{time.time_ns()}"
    running.make_bucket(bucket)
    events, s3 = running.events(), running.s3_requests()
    report = running.home / "report.json"
    with gateway(options.shortest, options.longest, options.refresh) as octopusx:
        settings = running.settings() | contestant.settings
        settings |= {
            "DEMO_GATEWAY": octopusx.url,
            "BENCH_VIDEOS": str(options.videos),
            "BENCH_BUCKET": bucket,
            "BENCH_REPORT": str(report),
        }
        wall, cpu = _run(contestant.module, environment(settings), running.home / "contestant.log")
        counted = json.loads(report.read_text())
        s3 = running.s3_requests() - s3
        stored, billed = running.videos(bucket), len(octopusx.ledger)
        if (stored, billed) != (options.videos, options.videos):
            raise RuntimeError(f"{contestant.name}: {billed} videos were billed and {stored} stored")
        return Figures(
            wall=wall,
            made=_made(octopusx),
            cpu=cpu,
            peak=counted["peak"] / 1e6,
            gateway=len(octopusx.requests),
            s3=s3,
            prefect=counted["requests"].get(str(urlsplit(running.prefect).port), 0),
            events=running.events() - events,
        )


def _run(module: str, settings: dict[str, str], log: Path) -> tuple[float, float]:
    """Run it to its end; return its seconds, and those of processor time."""
    command = [sys.executable, "-m", "benchmarks.counted", f"benchmarks.{module}"]
    with log.open("wb") as output:
        began = time.monotonic()
        process = subprocess.Popen(command, env=settings, stdout=output, stderr=output)  # noqa: S603 - ours
        alarm = threading.Timer(_LONGEST, process.kill)
        alarm.start()
        try:
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            alarm.cancel()
            if process.returncode is None:
                process.kill()
                process.wait()
    if process.returncode:
        raise RuntimeError(f"{module} ended with {process.returncode}:\n{log.read_text(errors='replace')[-3000:]}")
    return time.monotonic() - began, used.ru_utime + used.ru_stime


def _made(octopusx: Sandbox) -> float:
    traces = octopusx.requests
    return max(trace.ended for trace in traces) - min(trace.time for trace in traces if trace.method == "POST")


def table(found: Mapping[str, Sequence[Figures]]) -> str:
    """Return the medians as Markdown."""
    kinds: list[tuple[str, Callable[[Figures], float], str]] = [
        ("wall, whole process", lambda one: one.wall, "{:.1f} s"),
        ("first create to last file", lambda one: one.made, "{:.1f} s"),
        ("processor time of the client", lambda one: one.cpu, "{:.1f} s"),
        ("peak memory", lambda one: one.peak, "{:.0f} MB"),
        ("requests to the gateway, files included", lambda one: one.gateway, "{:.0f}"),
        ("requests to the bucket", lambda one: one.s3, "{:.0f}"),
        ("calls of Prefect's API", lambda one: one.prefect, "{:.0f}"),
        ("events that Prefect keeps", lambda one: one.events, "{:.0f}"),
    ]
    lines = [f"| | {' | '.join(found)} |", "|---" * (len(found) + 1) + "|"]
    for name, value, shape in kinds:
        cells = [shape.format(statistics.median(map(value, rounds))) for rounds in found.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
