"""What a start takes: the imports, and the way from the start of a process to its first POST. Beside Prefect alone.

Run it with `make bench`, or `python -m benchmarks.start`. It prints two tables in Markdown: the medians of
rounds, each of which starts every program once, one after the other.
"""

import argparse
import contextlib
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import httpx

from benchmarks.scale import client_settings, make_bucket
from deployments.demo import KEY, environment, start_servers

# Each program, by what it is; the first is what the others are compared with.
IMPORTS = {
    "`import prefect`": "import prefect",
    "what any flow run imports": """
from prefect import flow, task
import prefect.flow_engine, prefect.task_engine
""",
    "the same, and a flow with as many parameters as `generate_video`, all of them texts": """
from prefect import flow, task
import prefect.flow_engine, prefect.task_engine
parameters = ", ".join(f"p{n}: str = ''" for n in range(11))
exec(f"async def made({parameters}): pass")
flow(made)
""",
    "`import prefect_octopusx.flows`": "import prefect_octopusx.flows",
    "`from prefect_octopusx.flows import generate_video`": "from prefect_octopusx.flows import generate_video",
    "`from prefect_octopusx.flows import *`: all six": "from prefect_octopusx.flows import *",
    "`import prefect_octopusx.blocks`": "import prefect_octopusx.blocks",
    "`import prefect_octopusx.api`": "import prefect_octopusx.api",
    "`import boto3`": "import boto3",
}

_LEAST = """
import asyncio, os, httpx
from prefect import flow
@flow
async def least(prompt: str):
    async with httpx.AsyncClient() as client:
        request = {"model": "viduq3-pro", "prompt": prompt, "images": [], "audio": False}
        key = {"Authorization": "Bearer " + os.environ["BENCH_KEY"]}
        reply = await client.post(os.environ["DEMO_GATEWAY"] + "/v1/video/create", json=request, headers=key)
        reply.raise_for_status()
asyncio.run(least("a cat"))
"""
_IN_A_TASK = _LEAST.replace("import flow\n", "import flow, task\n@task\nasync def post():\n    pass\n").replace(
    "    async with", "    await post()\n    async with"
)
_OURS = """
import asyncio, os, uuid
from prefect.blocks.system import Secret
from prefect_octopusx.api import ViduRequest
from prefect_octopusx.blocks import LocalDestination, OctopusXCredentials, S3Destination
from prefect_octopusx.flows import generate_video
asyncio.run(generate_video(
    request=ViduRequest(model="viduq3-pro", prompt="a cat"), name="start/" + uuid.uuid4().hex, wait="none",
    credentials=OctopusXCredentials(api_key=Secret(value=os.environ["BENCH_KEY"]), base_url=os.environ["DEMO_GATEWAY"]),
    destination=DESTINATION,
))
"""
FIRST_POSTS = {
    "a flow that posts by httpx": _LEAST,
    "a flow that runs an empty task, and posts by httpx": _IN_A_TASK,
    "`generate_video`, into a folder": _OURS.replace(
        "DESTINATION", "LocalDestination(folder=os.environ['BENCH_FOLDER'])"
    ),
    "`generate_video`, into a bucket": _OURS.replace(
        "DESTINATION", "S3Destination(bucket='videos', endpoint_url=os.environ['DEMO_S3'], region='us-east-1')"
    ),
}


class Taken(NamedTuple):
    """What one start took, in seconds."""

    wall: float
    cpu: float


def main() -> int:
    """Measure, and print the tables; 0 if all went well."""
    parser = argparse.ArgumentParser(description="What a start takes, beside Prefect alone.")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="prefect-octopusx-bench-") as folder, contextlib.ExitStack() as stack:
        home = Path(folder)
        show(
            "until all is imported",
            IMPORTS,
            measured(IMPORTS, options.rounds, environment(_alone(home)), _until_its_end),
        )
        addresses = start_servers(home, stack, seconds_a_video=1e6)
        make_bucket(addresses)
        settings = addresses | client_settings(addresses, home)
        settings |= {"BENCH_KEY": KEY, "BENCH_FOLDER": str(home / "videos")}
        settings["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"
        until = _until_its_post(addresses["DEMO_GATEWAY"])
        show("until its first POST", FIRST_POSTS, measured(FIRST_POSTS, options.rounds, environment(settings), until))
    return 0


def measured(
    programs: Mapping[str, str], rounds: int, settings: Mapping[str, str], until: Callable[[float], float]
) -> dict[str, Taken]:
    """Return the medians of what each program took; a round before the first is not counted."""
    taken: dict[str, list[Taken]] = {name: [] for name in programs}
    for number in range(rounds + 1):
        for name, code in programs.items():
            before = _cpu()
            began = time.time()
            subprocess.run([sys.executable, "-c", code], env=dict(settings), check=True)  # noqa: S603 - ours
            one = Taken(until(began) - began, _cpu() - before)
            if number:
                taken[name].append(one)
    return {name: Taken(*map(statistics.median, zip(*all_of_it, strict=True))) for name, all_of_it in taken.items()}


def show(what: str, programs: Sequence[str] | Mapping[str, str], taken: Mapping[str, Taken]) -> None:
    """Print a table."""
    least = taken[next(iter(programs))]
    print(f"| start | {what} | over the first | CPU of the process |\n|---|---|---|---|")
    for name in programs:
        wall, cpu = taken[name]
        print(f"| {name} | {wall:.2f} s | {100 * (wall / least.wall - 1):+.0f} % | {cpu:.2f} s |")
    print()


def _alone(home: Path) -> dict[str, str]:
    return {"PREFECT_HOME": str(home / "prefect-client")}


def _until_its_end(_began: float) -> float:
    return time.time()


def _until_its_post(gateway: str) -> Callable[[float], float]:
    def until(began: float) -> float:
        requests = httpx.get(f"{gateway}/sandbox/requests", timeout=60).json()
        return min(float(one["time"]) for one in requests if one["method"] == "POST" and one["time"] >= began)

    return until


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)  # of those that have ended
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # without bytecode, Prefect is compiled anew at each start
    sys.exit(main())
