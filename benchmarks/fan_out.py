"""A batch made by one worker, and by two: how long it takes, and what it takes of Prefect's server.

Run it with `make bench`, or `python -m benchmarks.fan_out`; Linux only, with PostgreSQL and Redis. The server is a
team's own, as in the test of many workers: PostgreSQL, Redis, API and background services apart. It prints a table.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from prefect import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.deployments import arun_deployment
from prefect.flows import EntrypointType
from prefect.settings import PREFECT_API_URL, temporary_settings

from benchmarks.scale import show
from prefect_octopusx.flows import generate_videos
from prefect_octopusx.sandbox import Sandbox, SandboxSettings
from tests.servers import Group
from tests.topology.cluster import Cluster, cluster, missing

_TICKS = os.sysconf("SC_CLK_TCK")
_RUNS_AT_ONCE = 2  # of one worker
_IN_FLIGHT = 5  # of one run: what keeps a batch waiting is the gateway, as in life
_GENERATION = 10.0  # seconds
_SERVER = ("api", "services")


def main() -> int:
    """Start servers and workers, measure, print what it took; 0 if all went well."""
    parser = argparse.ArgumentParser(description="A batch on one worker, and on two, for nothing.")
    parser.add_argument("--videos", type=int, default=120, help="in each batch")
    parser.add_argument("--chunk", type=int, default=15, help="videos in one run")
    options = parser.parse_args()
    if lacking := missing():
        print(lacking, file=sys.stderr)
        return 1
    with (
        tempfile.TemporaryDirectory(prefix="prefect-octopusx-bench-") as home,
        Sandbox(SandboxSettings(generation=_GENERATION, refresh=1)) as sandbox,
        cluster(Path(home)) as team,
        temporary_settings({PREFECT_API_URL: team.api}),
    ):
        show(asyncio.run(measure(team, sandbox, Path(home) / "videos", options.videos, options.chunk)))
    return 0


async def measure(team: Cluster, sandbox: Sandbox, folder: Path, videos: int, chunk: int) -> dict[str, str]:
    """Make one batch with one worker, and then another one with two."""
    async with get_client() as client:
        await client.create_work_pool(WorkPoolCreate(name="videos", type="process"))
    for name in ("batch", "chunk"):
        how: dict[str, Any] = {"work_pool_name": "videos", "entrypoint_type": EntrypointType.MODULE_PATH}
        await (await generate_videos.ato_deployment(name, **how)).aapply()
    figures, rates, cpu = {}, [], []
    for number, name in enumerate(("one", "two"), 1):
        environment = {"OCTOPUSX_API_KEY": sandbox.key, "OCTOPUSX_BASE_URL": sandbox.url}
        team.start_worker(name, limit=_RUNS_AT_ONCE + (number == 1), PREFECT_WORKER_QUERY_SECONDS="1", **environment)
        before = {part: _cpu(group) for part, group in team.parts.items()}
        began = time.monotonic()
        await _batch(f"batch-{number}", folder, videos, chunk)
        seconds = time.monotonic() - began
        spent = {part: _cpu(group) - before.get(part, 0.0) for part, group in team.parts.items()}
        server = sum(spent[part] for part in _SERVER)
        rates.append(60 * videos / seconds)
        cpu.append(server / videos)
        workers = sum(value for part, value in spent.items() if part not in _SERVER)
        figures[f"{number} worker{'s' * (number > 1)}: time, videos a minute"] = f"{seconds:.0f} s, {rates[-1]:.0f}"
        figures[f"{number} worker{'s' * (number > 1)}: processor time a video"] = (
            f"{workers / videos:.2f} s of the workers, {cpu[-1]:.2f} s of Prefect's server"
        )
    figures["2 workers over 1"] = f"{rates[1] / rates[0]:.2f} times as many videos a minute"
    if len(sandbox.ledger) != 2 * videos:
        raise RuntimeError(f"{len(sandbox.ledger)} videos were billed, not {2 * videos}")
    return figures


async def _batch(name: str, folder: Path, videos: int, chunk: int) -> None:
    run = await arun_deployment(
        "generate-videos/batch",
        parameters={
            "requests": {f"{name}/{n:05}": {"model": "viduq3-pro", "prompt": "a cat"} for n in range(videos)},
            "name": name,
            "destination": {"folder": str(folder)},
            "deployment": "generate-videos/chunk",
            "chunk_size": chunk,
            "max_in_flight": _IN_FLIGHT,
            "requests_per_minute": 6000,
            "wait": "process",
        },
        poll_interval=1,
    )
    if run.state is None or not run.state.is_completed():
        raise RuntimeError(f"{name}: {run.state}")


def _cpu(group: Group) -> float:
    """Return the processor time, in seconds, of a process and of all that it has started."""
    found = 0
    for pid in (group.pid, *group.children()):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except FileNotFoundError:
            continue
        found += sum(map(int, fields[11:15]))  # its own, and that of its children that have ended
    return found / _TICKS


if __name__ == "__main__":
    sys.exit(main())
