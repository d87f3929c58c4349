"""The process that is measured: one batch, as a user runs it. `scale.py` starts it, settings in the environment.

Its last line is a JSON object with the figures.
"""

import asyncio
import json
import logging
import os
import resource
import sys
import time
from collections import Counter
from pathlib import Path

import boto3  # noqa: F401 - so that it counts as the base of the memory
from prefect import flow
from prefect.blocks.system import Secret
from pydantic import SecretStr

from prefect_octopusx.batches import BatchResult
from prefect_octopusx.blocks import OctopusXCredentials, S3Destination
from prefect_octopusx.flows import generate_videos

GATEWAY, S3, PREFECT = (os.environ[name] for name in ("DEMO_GATEWAY", "DEMO_S3", "DEMO_PREFECT"))
VIDEOS = int(os.environ["BENCH_VIDEOS"])
RATE = float(os.environ["BENCH_REQUESTS_PER_MINUTE"])
_A_WHILE = 60.0


class Requests(logging.Handler):
    """Counts requests by their server, from httpx's own log."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.counts: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        """Count one."""
        line = record.getMessage()
        kind = "create" if "POST" in line else "look" if "/v1/video/query" in line else "other"
        if GATEWAY in line:
            self.counts[kind] += 1
        elif PREFECT in line:
            self.counts["prefect"] += 1


def memory() -> float:
    """Return what this process holds, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def cpu() -> float:
    """Return the CPU time of this process, in seconds."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def main() -> None:
    """Run the batch and print what it took."""
    requests = Requests()
    logger = logging.getLogger("httpx")
    logger.setLevel(logging.INFO)
    logger.addHandler(requests)
    logger.propagate = False
    base = memory()
    await nothing()
    figures = await (waiting(requests, base) if os.environ["BENCH_WAITING"] else whole(requests, base))
    print(json.dumps(figures))


async def whole(requests: Requests, base: float) -> dict[str, str | int]:
    """Make them all."""
    began, used = time.monotonic(), cpu()
    result = await batch()
    wall, used = time.monotonic() - began, cpu() - used
    slowest = max(one.seconds or 0 for one in result.results)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
    before = time.monotonic()
    await nothing()
    return {
        "videos stored": f"{result.stored} of {VIDEOS}",
        "wall time": f"{wall:.0f} s",
        "slowest video, from its submission until stored": f"{slowest:.0f} s",
        "CPU": f"{used:.0f} s, {1000 * used / VIDEOS:.0f} ms a video",
        "memory, before": f"{base:.0f} MB",
        "memory, peak": f"{peak:.0f} MB, {1000 * (peak - base) / VIDEOS:.0f} kB a video",
        "creates": requests.counts["create"],
        "looks": f"{requests.counts['look']}, {requests.counts['look'] / VIDEOS:.1f} a video",
        "calls of Prefect's API": f"{requests.counts['prefect']}, {requests.counts['prefect'] / VIDEOS:.2f} a video",
        "the next flow run, right after": f"{time.monotonic() - before:.1f} s",
    }


async def waiting(requests: Requests, base: float) -> dict[str, str | int]:
    """Submit them all, and see what waiting costs."""
    began, used = time.monotonic(), cpu()
    run = asyncio.create_task(batch())
    while requests.counts["create"] < VIDEOS and not run.done():
        await asyncio.sleep(1)
    if run.done():
        run.result()  # raises what went wrong
    submitted, used = time.monotonic() - began, cpu() - used
    looks, waiting_began = requests.counts["look"], cpu()
    await asyncio.sleep(_A_WHILE)
    waited, held = cpu() - waiting_began, memory()
    looks = requests.counts["look"] - looks
    run.cancel()
    await asyncio.wait([run])
    return {
        "videos waiting": requests.counts["create"],
        "submitted within": f"{submitted:.0f} s, {1000 * used / VIDEOS:.0f} ms of CPU each",
        "memory, before": f"{base:.0f} MB",
        "memory, all waiting": f"{held:.0f} MB, {1000 * (held - base) / VIDEOS:.0f} kB a video",
        "CPU while waiting": f"{100 * waited / _A_WHILE:.0f} % of a core, with {looks} looks a minute",
    }


async def batch() -> BatchResult:
    """Run the flow, on a list in a file: Prefect keeps no more than half a megabyte of parameters."""
    rows = [{"name": f"scale/{n:05}", "model": "viduq3-pro", "prompt": f"video {n}"} for n in range(VIDEOS)]
    manifest = Path(os.environ["PREFECT_HOME"]) / "scale.jsonl"
    manifest.write_text("\n".join(map(json.dumps, rows)))
    return await generate_videos(
        str(manifest),
        # Without posters, whose cost docs/results.md tells apart.
        destination=S3Destination(bucket="videos", endpoint_url=S3, region="us-east-1", poster=False),
        credentials=OctopusXCredentials(api_key=Secret(value=SecretStr("sk-sandbox")), base_url=GATEWAY),
        max_in_flight=VIDEOS,
        requests_per_minute=RATE,
    )


@flow
async def nothing() -> None:
    """Do nothing: how long this takes tells how busy Prefect's server is."""


if __name__ == "__main__":
    asyncio.run(main())
