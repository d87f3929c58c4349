"""Runs of a deployment, as a worker makes them: each start of a run is a call, and what it leaves is looked at."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from time import time
from typing import Any
from uuid import UUID

from prefect import Flow, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun, State, TaskRun
from prefect.exceptions import Abort, ObjectNotFound, Pause
from prefect.flow_engine import run_flow
from prefect.states import Pending, Scheduled

from prefect_octopusx.blocks import LocalDestination
from prefect_octopusx.flows import generate_video, generate_videos
from prefect_octopusx.sandbox import Fault, Sandbox, SandboxSettings
from prefect_octopusx.storage import VideoRecord

__all__ = ["DAYS", "Deployed", "Left", "Studio"]

DAYS = 2 * 86_400.0


class Left(Exception):
    """A start of the run ended with the run left for later, or gone."""


class Deployed:
    """A run of a deployment of a flow."""

    def __init__(self, flow: Flow[..., Any], run_id: UUID) -> None:
        self.flow = flow
        self.id = run_id

    @classmethod
    async def create(cls, flow: Flow[..., Any], parameters: Mapping[str, Any], **options: Any) -> "Deployed":  # noqa: ANN401
        """Deploy a flow and ask for a run of it."""
        async with get_client() as client:
            flow_id = await client.create_flow(flow)
            deployment = await client.create_deployment(flow_id, name="tests", **options)
            run = await client.create_flow_run_from_deployment(deployment, parameters=dict(parameters))
        return cls(flow, run.id)

    @classmethod
    async def of(cls, flow: Flow[..., Any], name: str, parameters: Mapping[str, Any]) -> "Deployed":
        """Ask for a run of a deployment that is served, as soon as it is."""
        async with get_client() as client, asyncio.timeout(60):
            while True:
                try:
                    deployment = await client.read_deployment_by_name(f"{flow.name}/{name}")
                except ObjectNotFound:
                    await asyncio.sleep(0.2)
                else:
                    break
            run = await client.create_flow_run_from_deployment(deployment.id, parameters=dict(parameters))
        return cls(flow, run.id)

    async def until(self, name: str) -> None:
        """Wait until the run, which a worker runs, is in a state."""
        async with asyncio.timeout(90):
            while True:
                state = (await self.read()).state
                if state is not None and state.name == name:
                    return
                assert state is None or not state.is_final(), f"{state.name}: {state.message}"
                await asyncio.sleep(0.1)

    async def start(self) -> Any:  # noqa: ANN401 - what the flow returns
        """Start the run when its time has come, as a worker does in a new process, and return its result.

        Raises:
            Left: It is not over.
        """
        async with get_client() as client:
            await client.set_flow_run_state(self.id, Pending())
            await client.update_flow_run(self.id, infrastructure_pid="a process")  # a worker notes it
            run = await client.read_flow_run(self.id)
        try:
            return await run_flow(self.flow, flow_run=run)
        except (Abort, Pause) as left:
            raise Left(str(left)) from left

    async def leave(self) -> None:
        """Start it, and check that it is left for later."""
        try:
            found = await self.start()
        except Left:
            return
        raise AssertionError(f"it did not leave: {found}")

    async def read(self) -> FlowRun:
        async with get_client() as client:
            return await client.read_flow_run(self.id)

    async def set(self, state: State[Any]) -> None:
        """Ask for a state, as the buttons of the UI do."""
        async with get_client() as client:
            await client.set_flow_run_state(self.id, state)

    async def bring_forward(self) -> None:
        """Schedule it for now, as a person does who does not want to wait for its time."""
        await self.set(Scheduled(name="Rescheduled"))

    async def away(self) -> timedelta:
        """Check that the run is away, and return how far its next look is from when it left."""
        state = (await self.read()).state
        assert state is not None
        assert state.is_scheduled()
        assert state.name == "AwaitingVideo"
        scheduled = state.state_details.scheduled_time
        assert scheduled is not None
        return scheduled - state.timestamp

    async def states(self) -> list[str]:
        async with get_client() as client:
            return [str(state.name) for state in await client.read_flow_run_states(self.id)]

    async def task_runs(self, count: int) -> list[TaskRun]:
        """Return the task runs, as soon as there are so many: they reach the server as events, a moment later."""
        async with get_client() as client, asyncio.timeout(30):
            while True:
                ours = FlowRunFilter(id=FlowRunFilterId(any_=[self.id]))
                found: list[TaskRun] = await client.read_task_runs(flow_run_filter=ours)
                if len(found) >= count:
                    return found
                await asyncio.sleep(0.1)


class Studio:
    """A gateway whose videos are ready when the test says so, and a folder; the flow is deployed by `deploy`.

    Args:
        folder: Where the videos go.
        generation: Seconds that a video takes, unless the test says otherwise.
    """

    def __init__(self, folder: Path, generation: float = DAYS) -> None:
        self.passed = 0.0
        self.sandbox = Sandbox(SandboxSettings(generation=generation, refresh=0, clock=lambda: time() + self.passed))
        self.destination = LocalDestination(folder=folder, poster=False)

    def hold_looks(self, seconds: float = 5) -> None:
        """Let the next look take so long that there is time to act."""
        self.sandbox.add_fault(Fault("query_slow", delay=seconds))

    def finish(self) -> None:
        self.passed += 4 * DAYS

    async def deploy_batch(self, count: int = 3, **parameters: Any) -> Deployed:  # noqa: ANN401
        requests = {f"cat-{n}": {"model": "viduq3-pro", "prompt": f"cat-{n}."} for n in range(count)}
        return await self.deploy_flow(generate_videos, **{"requests": requests, "name": "cats"} | parameters)

    async def deploy_flow(self, flow: Flow[..., Any], **parameters: Any) -> Deployed:  # noqa: ANN401
        given = {"destination": {"folder": str(self.destination.folder)}}
        hurry = {"wait": "reschedule", "poll_interval": 0.2, "requests_per_minute": 6000}
        return await Deployed.create(flow, given | hurry | parameters)

    async def deploy(self, *, options: Mapping[str, Any] | None = None, **parameters: Any) -> Deployed:  # noqa: ANN401
        return await Deployed.create(generate_video, self.parameters(**parameters), **(options or {}))

    async def served(self, deployment: str, **parameters: Any) -> Deployed:  # noqa: ANN401
        return await Deployed.of(generate_video, deployment, self.parameters(**parameters))

    def parameters(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401
        request = {"model": "viduq3-pro", "prompt": "a cat"} | parameters.pop("request", {})
        given = {"request": request, "name": "cat", "destination": {"folder": str(self.destination.folder)}}
        return given | {"wait": "reschedule", "poll_interval": 0.2} | parameters

    async def submitted_earlier(self, name: str, *, hours: float) -> None:
        """Let the record tell an earlier submission."""
        store = await self.destination.store()
        entry = await store.read(name)
        assert entry is not None
        record = entry.record
        assert record.submitted_at is not None
        earlier = record.submitted_at - timedelta(hours=hours)
        await store.replace(entry, record.moved(record.state, submitted_at=earlier))

    async def record(self, name: str = "cat") -> VideoRecord:
        entry = await (await self.destination.store()).read(name)
        assert entry is not None
        return entry.record

    @property
    def posts(self) -> int:
        return sum(trace.method == "POST" for trace in self.sandbox.requests)

    @property
    def looks(self) -> int:
        return sum(trace.path == "/v1/video/query" for trace in self.sandbox.requests)
