"""Waiting without a process, and in one: what it holds, what a look costs, how late a video is stored.

Run it with `make bench`, or `python -m benchmarks.waiting --videos 100`; Linux only. The runs are those of a
deployment, started by a real worker, with a real Prefect server, a real S3 server and the sandbox. It prints a table.
"""

import argparse
import contextlib
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from benchmarks.scale import make_bucket, show
from benchmarks.worker import Worker
from deployments.demo import start_servers

_LOOKS = 5
_BATCH_LOOKS = 2
_IN_PROCESSES = 5
_BOTH_WAYS = 4
_APART = 8.0  # seconds; so that no look waits for another's
_PACE = 2.5  # about as fast as two cores start runs
_BETWEEN_LOOKS = 12.0
_LONG = 3600.0
_SETTLE = 10.0
_NEVER = "never ready."
_FINAL = {"Completed", "Failed", "Crashed", "Cancelled"}


def main() -> int:
    """Start servers and worker, measure, print what it took; 0 if all went well."""
    parser = argparse.ArgumentParser(description="Waiting without a process, on this machine, for nothing.")
    parser.add_argument("--videos", type=int, default=100, help="how many wait at once without a process")
    # Halfway between two looks, which are 70 s apart, give or take 10 %: START_COST times 20.
    parser.add_argument("--seconds", type=float, default=105.0, help="how long a video takes")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # either ends it in good order, also where a shell ignores SIGINT
        signal.signal(number, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory(prefix="prefect-octopusx-bench-") as home, contextlib.ExitStack() as stack:
            addresses = start_servers(Path(home), stack, seconds_a_video=options.seconds)
            make_bucket(addresses)
            bench = Bench(Worker(addresses, Path(home), stack), addresses["DEMO_GATEWAY"])
            figures = bench.lateness() | bench.looks() | bench.batch(options.videos) | bench.away(options.videos)
    except KeyboardInterrupt:
        print("\nStopped.")
        return 130
    show(figures)
    return 0


class Bench:
    """What is measured, one after the other: nothing else runs meanwhile."""

    def __init__(self, worker: Worker, gateway: str) -> None:
        self._worker = worker
        self._gateway = gateway
        fault = {"kind": "video_stuck", "match": _NEVER, "times": None}
        httpx.post(f"{gateway}/sandbox/faults", json=fault).raise_for_status()

    def lateness(self) -> dict[str, str]:
        """Make some videos either way, side by side, with the pacing's own looks."""
        _say(f"{_BOTH_WAYS} videos either way, until they are stored")
        ways = ("process", "reschedule")
        runs = {
            (way, n): self._submit(f"{way}-{n}", f"{way} {n}", after=_APART * n, wait=way)
            for n in range(_BOTH_WAYS)
            for way in ways
        }
        self._worker.until(lambda: all(self._worker.states(run)[-1][0] in _FINAL for run in runs.values()), "the ends")
        self._worker.idle()
        ready = {job["prompt"]: job["ready_at"] for job in self._ask("jobs")}
        figures = {}
        for way in ways:
            ends = [self._worker.states(runs[way, n])[-1] for n in range(_BOTH_WAYS)]
            if any(state != "Completed" for state, _ in ends):
                raise RuntimeError(f"not all were stored: {ends}")
            lags = [at.timestamp() - ready[f"{way} {n}"] for n, (_, at) in enumerate(ends)]
            figures[f"ready to stored, wait={way}"] = _spread(lags)
        return figures

    def looks(self) -> dict[str, str]:
        """Let one run come back some times.

        A worker makes a run Pending up to 10 s before its time: its process starts, and waits for the rest.
        """
        _say(f"{_LOOKS} looks at one video")
        run = self._submit("look", _NEVER, wait="reschedule", poll_interval=_BETWEEN_LOOKS)
        first = self._worker.next_start()
        before = self._worker.requests()
        looks = [self._worker.next_start() for _ in range(_LOOKS)]
        requests = self._worker.requests() - before
        spans = _spans(self._worker.states(run))[1:]  # the first submitted it
        self._worker.delete(run)

        def each(who: str) -> str:
            kinds = {kind: count / _LOOKS for (asked, kind), count in requests.most_common() if asked == who}
            return f"{sum(kinds.values()):.0f}: " + ", ".join(f"{count:.0f} {kind}" for kind, count in kinds.items())

        return {
            "the start that submits, CPU": f"{first.cpu:.1f} s",
            "a look, CPU": _spread([look.cpu for look in looks]),
            "a look, memory while it lasts": f"{statistics.median(look.memory for look in looks):.0f} MB",
            "a look, Pending to AwaitingVideo": _spread([whole for whole, _ in spans]),
            "a look, Running to AwaitingVideo": _spread([work for _, work in spans]),
            "a look, calls of Prefect's API by the run": each("run"),
            "a look, calls of Prefect's API by the worker": each("worker"),
            "a look, requests to OctopusX": each("OctopusX"),
            "a look, requests to the bucket": f"{requests['S3', 'any'] / _LOOKS:.0f}",
        }

    def batch(self, videos: int) -> dict[str, str]:
        """Let one batch wait, and come back."""
        _say(f"A batch of {videos} videos, and {_BATCH_LOOKS} looks at all of them")
        run = self._worker.submit(
            "generate_videos",
            name="batch",
            requests={f"batch/{n:05}": {"model": "viduq3-pro", "prompt": _NEVER} for n in range(videos)},
            max_in_flight=videos,
            requests_per_minute=6000,
            wait="reschedule",
            poll_interval=_BETWEEN_LOOKS,
        )
        first = self._worker.next_start()
        looks = [self._worker.next_start() for _ in range(_BATCH_LOOKS)]
        self._worker.delete(run)
        return {
            f"a batch of {videos}, CPU": f"{first.cpu:.1f} s to submit, {_spread([look.cpu for look in looks])} a look",
        }

    def away(self, videos: int) -> dict[str, str]:
        """Let many videos wait, each in a run of its own, without a process; then some in one each."""
        _say(f"{videos} videos that wait without a process, then {_IN_PROCESSES} in one each")
        used = self._worker.cpu()
        self._wait(videos, "reschedule")
        self._worker.idle()
        used = self._worker.cpu() - used
        without = f"{self._worker.away()} away, {self._held()}"
        self._wait(_IN_PROCESSES, "process")
        return {
            f"{videos} videos, wait=reschedule": without,
            f"{videos} videos, CPU": f"{used / videos:.1f} s each to submit",
            f"{_IN_PROCESSES} videos, wait=process": self._held(),
        }

    def _wait(self, videos: int, way: str) -> None:
        """Submit so many, which are not looked at for long."""
        creates = len(self._ask("ledger"))
        for n in range(videos):
            self._submit(f"{way}/{n:05}", _NEVER, after=_PACE * n, wait=way, poll_interval=_LONG)
        self._worker.until(lambda: len(self._ask("ledger")) == creates + videos, f"{videos} creates")

    def _submit(self, name: str, prompt: str, **parameters: Any) -> str:  # noqa: ANN401 - the flow's
        request = {"model": "viduq3-pro", "prompt": prompt}
        return self._worker.submit("generate_video", request=request, name=name, **parameters)

    def _held(self) -> str:
        time.sleep(_SETTLE)
        return f"{len(self._worker.processes())} processes, {self._worker.memory():.0f} MB"

    def _ask(self, what: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = httpx.get(f"{self._gateway}/sandbox/{what}", timeout=60).json()
        return found


def _spans(states: Sequence[tuple[str, datetime]]) -> list[tuple[float, float]]:
    """Return, for each time the run left, the seconds since it was Pending, and since it was Running."""
    since: dict[str, datetime] = {}
    spans = []
    for name, at in states:
        since[name] = at
        if name == "AwaitingVideo":
            spans.append(((at - since["Pending"]).total_seconds(), (at - since["Running"]).total_seconds()))
    return spans


def _spread(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds):.1f} s ({min(seconds):.1f} to {max(seconds):.1f})"


def _say(what: str) -> None:
    print(f"{what} ...", flush=True)


if __name__ == "__main__":
    sys.exit(main())
