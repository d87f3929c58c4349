"""A video that a process is to make, what the process is killed by, and what is left when it is gone."""

import asyncio
import hashlib
import os
import signal
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import pytest
from prefect import get_client
from prefect.blocks.system import Secret
from prefect.states import State
from pydantic import SecretStr

from prefect_octopusx.blocks import OctopusXCredentials
from prefect_octopusx.flows import generate_video
from prefect_octopusx.sandbox import Fault, Sandbox, SandboxSettings
from prefect_octopusx.storage import VideoRecord
from tests.crashes.places import Place, record_in
from tests.crashes.relay import Blow, Relay
from tests.crashes.victims import CAT, LEASE, Job, Victim

__all__ = ["PENDING", "UNHURRIED", "Scene", "at_once", "scene"]

T = TypeVar("T")
R = TypeVar("R")

PENDING = {"submitting", "submitted", "uncertain"}
_FIELDS = {"bucket", "prefix", "endpoint_url", "region", "folder", "poster"}
_SPEED = {"poll_interval": 0.05, "lease": LEASE}
UNHURRIED = _SPEED | {"lease": 60.0}
"""For a run whose steps are recorded: without renewals of its claim, which come by the clock."""


class Scene:
    """One video's gateway, bucket or folder, and the relay before them.

    What is done here in the test's own process is what another machine does: it shares nothing with the process that
    was killed, and does not go through the relay.
    """

    def __init__(self, place: Place, sandbox: Sandbox, relay: Relay, scratch: Path) -> None:
        self.place = place
        self.sandbox = sandbox
        self.relay = relay
        self._scratch = scratch
        key = Secret(value=SecretStr(sandbox.key))
        self.options: dict[str, Any] = {
            "destination": place.destination,
            "credentials": OctopusXCredentials(api_key=key, base_url=sandbox.url),
        }

    @property
    def billed(self) -> int:
        return len(self.sandbox.ledger)

    @property
    def record(self) -> dict[str, Any] | None:
        """The record as it lies at the destination."""
        return record_in(self.place)

    @property
    def state(self) -> str:
        """The record's state; empty where there is no record."""
        return str((self.record or {"state": ""})["state"])

    def job(self, **given: Any) -> Job:  # noqa: ANN401 - fields of the job
        """Return the making of the video through the relay."""
        destination = self.place.destination
        if "s3" in self.relay.servers:
            destination = destination.model_copy(update={"endpoint_url": self.relay.url("s3")})
        environment = {"OCTOPUSX_API_KEY": self.sandbox.key, "OCTOPUSX_BASE_URL": self.relay.url("gateway")}
        environment |= {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
        return Job(**{"destination": destination, "environment": environment, "options": _SPEED, **given})

    def victim(self, **given: Any) -> Victim:  # noqa: ANN401 - fields of the job
        """Return a process that makes the video; enter it to start it."""
        victim = Victim(self.job(**given), self._scratch / "victim.log")
        self.relay.kill = victim.kill
        return victim

    async def crash(self, blow: Blow | None = None, **given: Any) -> None:  # noqa: ANN401 - fields of the job
        """Start the process, and see it killed and everything at rest."""
        self.relay.blow = blow
        with self.victim(**given) as victim:
            code = await victim.end()
            assert code == -signal.SIGKILL, f"it was not killed, but ended with {code}\n{victim.log}"
            await asyncio.to_thread(self.relay.settle)

    async def work(self, **given: Any) -> None:  # noqa: ANN401 - fields of the job
        """Start the process and see it through."""
        self.relay.blow = None
        with self.victim(**given) as victim:
            code = await victim.end()
            assert code == 0, f"it ended with {code}\n{victim.log}"

    async def schedule(self) -> UUID:
        """Ask for a run of a deployment, as the UI or a schedule does, and return its id."""
        job = self.job()
        code = self._scratch / "code"  # what is copied to where the run is executed: nothing
        code.mkdir()
        async with get_client() as client:
            deployment = await client.create_deployment(
                await client.create_flow(generate_video),
                name="crashes",
                entrypoint="prefect_octopusx.flows.single:generate_video",
                path=str(code),
            )
            run = await client.create_flow_run_from_deployment(
                deployment,
                parameters={
                    "request": CAT.model_dump(mode="json", exclude_unset=True),
                    "name": "hero",
                    "destination": job.destination.model_dump(mode="json", include=_FIELDS, exclude_unset=True),
                    **job.options,
                },
            )
        return run.id

    async def execute(self, flow_run_id: UUID) -> int:
        """Execute a scheduled run in a process, as a worker does, and return its exit code."""
        self.relay.blow = None
        with self.victim(flow_run_id=flow_run_id) as victim:
            return await victim.end()

    async def again(self, **given: Any) -> State[VideoRecord]:  # noqa: ANN401 - parameters of the flow
        """Ask for the same video as another machine does, and return how that flow run ended."""
        return await generate_video(request=CAT, name="hero", return_state=True, **(_SPEED | self.options | given))

    def check_index(self) -> None:
        """Every pending record is to be found without listing all videos."""
        if (record := self.record) and record["state"] in PENDING:
            assert record["claim"] in self.place.marks(), f"{record['state']}, but not in the index of pending videos"

    def check_stored(self) -> None:
        """The video is there, whole, and beside it nothing but its record, and its poster if it is to have one."""
        record, video = self.record, self.place.read("hero.mp4")
        assert record
        assert record["state"] == "completed"
        assert hashlib.sha256(video).hexdigest() == record["sha256"]
        assert record["task_id"].encode() in video, "the video is another task's"
        beside = ["hero.jpg"] if self.place.destination.poster else []
        names = sorted(name for name in self.place.names() if not name.startswith(".pending"))
        assert names == [*beside, "hero.json", "hero.mp4"]
        assert record["claim"] not in self.place.marks(), "it is still in the index of pending videos"


@asynccontextmanager
async def scene(
    place: Place, scratch: Path, *, s3: str | None = None, padding: int = 0, delay: float = 0.0
) -> AsyncIterator[Scene]:
    """Set the scene for one video, which is `padding` bytes longer than usual.

    The gateway answers a create `delay` seconds late. Its task ids are the same in every scene.
    """
    scratch.mkdir(exist_ok=True)
    async with Sandbox(SandboxSettings(generation=0.0, refresh=0, seed=1)) as sandbox:
        if delay:
            sandbox.add_fault(Fault("create_slow", delay=delay))
        with Relay(gateway=sandbox.url, s3=s3, padding=padding) as relay:
            yield Scene(place, sandbox, relay, scratch)


async def at_once(points: Iterable[T], act: Callable[[T], Awaitable[R]], *, seats: int = 3) -> list[R]:
    """Act on every point, a few at a time, and return what came out; fail with all that failed, each by its point."""
    free = asyncio.Semaphore(seats)

    async def one(point: T) -> R:
        async with free:
            return await act(point)

    points = list(points)
    results = await asyncio.gather(*(one(point) for point in points), return_exceptions=True)
    told = [
        f"--- {point}\n{''.join(traceback.format_exception(result))}"
        for point, result in zip(points, results, strict=True)
        if isinstance(result, BaseException)
    ]
    if told:
        pytest.fail(f"{len(told)} of {len(points)} points:\n" + "\n".join(told), pytrace=False)
    return [result for result in results if not isinstance(result, BaseException)]
