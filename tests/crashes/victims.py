"""Processes that run the product as it is, as scripts and workers do, and that are killed."""

import asyncio
import os
import runpy
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing import connection
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import prefect.engine

from prefect_octopusx.api import VideoRequest, ViduRequest
from prefect_octopusx.blocks import LocalDestination, S3Destination
from prefect_octopusx.flows import generate_video, generate_videos
from tests.crashes.events import Watch
from tests.forks import FORKS

__all__ = ["CAT", "LEASE", "Job", "Victim"]

CAT = ViduRequest(model="viduq3-pro", prompt="a cat chasing butterflies", duration=5)
LEASE = 1.0
"""Seconds; the shortest that the product takes."""


@dataclass(frozen=True)
class Job:
    """What a process is to do: make the video `hero`, the way a script does, or run a scheduled run as a worker does.

    Attributes:
        destination: Where to.
        environment: The API key and the gateway's address.
        flow_run_id: The scheduled run; None for a script.
        supervised: Whether the run is executed as a Kubernetes job does it, which watches for its being cancelled, in
            place of as the process in which a worker or `flow.serve` has it executed.
        watch: Counts its steps in a folder, and may end it at one.
        options: Other arguments of the flow, for a script.
        batch: The videos to make instead of `hero`, for a script.
    """

    destination: S3Destination | LocalDestination
    environment: Mapping[str, str]
    flow_run_id: UUID | None = None
    supervised: bool = False
    watch: Watch | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    batch: Mapping[str, VideoRequest] = field(default_factory=dict)

    def do(self) -> None:
        """Do it, in this process."""
        os.environ |= self.environment
        if self.watch:
            self.watch.begin()
        if self.batch:
            asyncio.run(generate_videos(requests=self.batch, destination=self.destination, **self.options))
        elif self.flow_run_id is None:
            asyncio.run(generate_video(CAT, name="hero", destination=self.destination, **self.options))
        elif self.supervised:
            sys.argv = ["prefect", "flow-run", "execute", str(self.flow_run_id)]
            runpy.run_module("prefect", run_name="__main__")
        else:
            sys.argv = ["prefect.engine", str(self.flow_run_id)]
            runpy.run_path(prefect.engine.__file__, run_name="__main__")


class Victim:
    """A process at its job. Leaving the context kills it, if nothing has yet."""

    def __init__(self, job: Job, log: Path) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._process = FORKS.Process(target=_work, args=(job, log))

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._process.close()

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()
        self._join()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process.pid
        os.kill(self._process.pid, number)

    @property
    def has_ended(self) -> bool:
        """Whether it has ended by itself."""
        return not self._process.is_alive()

    async def end(self) -> int:
        """Wait until it has ended, and return how: its exit code, or the signal that killed it, negative."""
        await asyncio.to_thread(self._join)
        assert self._process.exitcode is not None
        return self._process.exitcode

    def _join(self) -> None:
        """Wait until it has ended; the exit code may be fetched but once, whoever else is waiting."""
        assert connection.wait([self._process.sentinel], 60), f"it does not end\n{self.log}"
        with self._lock:
            self._process.join()

    @property
    def log(self) -> str:
        """All that it printed."""
        return self._log.read_text() if self._log.exists() else ""


def _work(job: Job, log: Path) -> None:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    job.do()
