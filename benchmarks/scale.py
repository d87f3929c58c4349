"""A batch at full size: many videos in one process, on the sandbox, with a real Prefect server and a real S3 server.

Run it with `make bench`, or `python -m benchmarks.scale --videos 1000`. It prints a table. Times depend on the machine;
what to look at are the ratios: the wall time against the slowest video, the requests and the memory for each video.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import boto3
import httpx

from deployments.demo import environment, start_servers

BUCKET = "videos"


def main() -> int:
    """Start the servers, run the batch in a process of its own, print what it took; 0 if all went well."""
    parser = argparse.ArgumentParser(description="A batch at full size, on this machine, for nothing.")
    parser.add_argument("--videos", type=int, default=1000)
    parser.add_argument("--waiting", action="store_true", help="only submit them, wait a minute, and stop")
    parser.add_argument("--seconds", type=float, default=240.0, help="how long a video takes")
    parser.add_argument("--requests-per-minute", type=float, default=1200.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="prefect-octopusx-bench-") as home, contextlib.ExitStack() as stack:
        seconds = 1e6 if options.waiting else options.seconds
        addresses = start_servers(Path(home), stack, seconds_a_video=seconds)
        figures = run(options, addresses, Path(home))
        if not options.waiting:
            figures |= looks(addresses["DEMO_GATEWAY"])
    show(figures)
    return 0


def run(options: argparse.Namespace, addresses: dict[str, str], home: Path) -> dict[str, Any]:
    """Run the batch; return its figures."""
    settings = addresses | {
        **client_settings(addresses, home),
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
        "BENCH_VIDEOS": str(options.videos),
        "BENCH_WAITING": "1" if options.waiting else "",
        "BENCH_REQUESTS_PER_MINUTE": str(options.requests_per_minute),
    }
    make_bucket(addresses)
    command = [sys.executable, "-m", "benchmarks.batch"]
    done = subprocess.run(command, env=environment(settings), check=True, stdout=subprocess.PIPE)  # noqa: S603 - ours
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def looks(gateway: str) -> dict[str, Any]:
    """Return, by the gateway's own log, how long after it was ready each video was seen to be."""
    jobs = {job["id"]: job["ready_at"] for job in httpx.get(f"{gateway}/sandbox/jobs", timeout=60).json()}
    seen: dict[str, float] = {}
    for trace in httpx.get(f"{gateway}/sandbox/requests", timeout=60).json():
        task_id = trace["task_id"]
        if trace["path"] == "/v1/video/query" and trace["time"] >= jobs.get(task_id, float("inf")):
            seen.setdefault(task_id, trace["time"])
    lags = sorted(at - jobs[task_id] for task_id, at in seen.items())
    return {
        "ready to seen, mean": f"{statistics.mean(lags):.1f} s",
        "ready to seen, worst of 100": f"{lags[len(lags) * 99 // 100]:.1f} s",
    }


def client_settings(addresses: dict[str, str], home: Path) -> dict[str, str]:
    """Return the environment of what runs flows against these servers."""
    return {
        "PREFECT_HOME": str(home / "prefect-client"),
        "PREFECT_API_URL": f"{addresses['DEMO_PREFECT']}/api",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
    }


def make_bucket(addresses: dict[str, str]) -> None:
    """Make the bucket for the videos."""
    s3 = boto3.client(
        "s3",
        endpoint_url=addresses["DEMO_S3"],
        region_name="us-east-1",
        aws_access_key_id="bench",
        aws_secret_access_key="bench",  # noqa: S106 - of a server on this machine
    )
    s3.create_bucket(Bucket=BUCKET)


def show(figures: dict[str, Any]) -> None:
    """Print the table."""
    width = max(map(len, figures))
    print("\n".join(f"{name:<{width}}  {value}" for name, value in figures.items()))


if __name__ == "__main__":
    sys.exit(main())
