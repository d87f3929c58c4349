"""A worker process: makes all videos in random order, by the real flow, until it is killed or nothing is left to do."""

import asyncio
import os
import random
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from prefect import Task

from prefect_octopusx import tasks
from prefect_octopusx.api import OctopusXError, SubmissionUncertain, ViduRequest
from prefect_octopusx.blocks import OctopusXCredentials, S3Destination
from prefect_octopusx.flows import generate_video
from tests.forks import FORKS

__all__ = ["Job", "request", "start"]

_SEATS = 3  # videos at once


@dataclass(frozen=True)
class Job:
    """What workers are to do, and where.

    Attributes:
        names: The videos.
        credentials: The gateway and its key.
        destination: The bucket.
        notes: A folder. A file by the name of a video says that it is stored, or for a person to decide on; `log` says
            how each run ended.
    """

    names: tuple[str, ...]
    credentials: OctopusXCredentials
    destination: S3Destination
    notes: Path

    def left(self) -> list[str]:
        """Return what nothing is noted of yet."""
        return [name for name in self.names if not (self.notes / name).exists()]

    def log(self, line: str) -> None:
        """Write a line down, whole, whoever else writes."""
        with (self.notes / "log").open("a") as file:
            file.write(f"{os.getpid()} {line}\n")


def request(name: str) -> ViduRequest:
    """Return what to make."""
    return ViduRequest(model="viduq3-pro", prompt=f"{name}: a cat")


def start(job: Job, seed: int) -> ForkServerProcess:
    """Start a worker. It ends with 0 when nothing is left to do."""
    worker = FORKS.Process(target=_work, args=(job, seed), daemon=True)
    worker.start()
    return worker


def _work(job: Job, seed: int) -> None:
    output = os.open(job.notes / "output", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    for name in tasks.__all__:
        if isinstance(task := getattr(tasks, name), Task):
            task.retry_delay_seconds = None
    asyncio.run(_make_all(job, random.Random(seed)))


async def _make_all(job: Job, chance: random.Random) -> None:
    while left := job.left():
        await asyncio.gather(*(_try(job, name) for name in chance.sample(left, min(_SEATS, len(left)))))


async def _try(job: Job, name: str) -> None:
    try:
        await generate_video(
            request(name),
            name=name,
            destination=job.destination,
            credentials=job.credentials,
            lease=2.0,
            poll_interval=0.2,
        )
    except SubmissionUncertain:
        (job.notes / name).touch()
        job.log(f"{name} Uncertain")
    except OctopusXError as error:
        job.log(f"{name} {type(error).__name__} {error}")
    else:
        (job.notes / name).touch()
        job.log(f"{name} Completed")
