"""What the tests of batches share: the flow as a team calls it, and looks at what it left."""

import json
from collections.abc import Mapping
from typing import Any

from prefect.states import State

from prefect_octopusx.api import VideoRequest, ViduRequest
from prefect_octopusx.batches import BatchResult
from prefect_octopusx.blocks import OctopusXCredentials
from prefect_octopusx.flows import generate_videos
from prefect_octopusx.sandbox import Sandbox
from prefect_octopusx.storage import VideoRecord
from tests.flows.ways_on import Destination

__all__ = ["Batches", "cats"]


def cats(count: int, *, model: str = "viduq3-pro") -> dict[str, VideoRequest]:
    """Return requests that are told apart by their names: `cat-0`, `cat-1` and so on."""
    return {f"cat-{n}": ViduRequest.model_validate({"model": model, "prompt": f"cat-{n}."}) for n in range(count)}


class Batches:
    """Calls the flow, on one destination and one gateway, in a hurry."""

    def __init__(self, destination: Destination, credentials: OctopusXCredentials, sandbox: Sandbox) -> None:
        self.destination = destination
        self.sandbox = sandbox
        self.options: dict[str, Any] = {
            "destination": destination,
            "credentials": credentials,
            "requests_per_minute": 6000,
            "poll_interval": 0.1,
        }

    async def __call__(
        self,
        requests: Mapping[str, VideoRequest] | None = None,
        *,
        name: str | None = "launch",
        **options: Any,  # noqa: ANN401
    ) -> BatchResult:
        return await generate_videos(requests=requests, name=name, **(self.options | options))

    async def state(
        self,
        requests: Mapping[str, VideoRequest] | None = None,
        *,
        name: str | None = "launch",
        **options: Any,  # noqa: ANN401
    ) -> State[BatchResult]:
        return await generate_videos(requests=requests, name=name, return_state=True, **(self.options | options))

    async def record(self, name: str) -> VideoRecord:
        entry = await (await self.destination.store()).read(name)
        assert entry is not None
        return entry.record

    async def lines(self, name: str = "launch") -> dict[str, dict[str, Any]]:
        """Return the results manifest as any reader of JSON Lines sees it, by the names of the videos."""
        data = await (await self.destination.store()).read_file(f"{name}-results.jsonl")
        assert data is not None
        rows = [json.loads(line) for line in data.splitlines()]
        return {row["name"]: row for row in rows}

    @property
    def posts(self) -> int:
        return sum(trace.method == "POST" for trace in self.sandbox.requests)

    @property
    def billed(self) -> int:
        return sum(not charge.refunded for charge in self.sandbox.ledger)
