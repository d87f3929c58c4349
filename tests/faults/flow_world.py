"""A world in which the flow itself is asked, in real time."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from prefect.blocks.system import Secret
from pydantic import SecretStr

from prefect_octopusx.blocks import LocalDestination, OctopusXCredentials
from prefect_octopusx.flows import generate_video
from prefect_octopusx.sandbox import Sandbox
from prefect_octopusx.storage import VideoStore
from tests.clocks import Clock
from tests.faults.world import CAT, World

__all__ = ["FlowWorld", "flow_world"]


class FlowWorld(World):
    """See above."""

    destination: LocalDestination

    async def state(self, **options: Any) -> Any:  # noqa: ANN401 - a state of Prefect
        """Run the flow, and return its last state."""
        given = {"name": "hero", "destination": self.destination, "poll_interval": 0.05, "return_state": True}
        key = Secret(value=SecretStr(self.sandbox.key))
        credentials = OctopusXCredentials(api_key=key, base_url=self.gateway.address)
        return await generate_video(request=CAT, credentials=credentials, **(given | options))


@asynccontextmanager
async def flow_world(sandbox: Sandbox, folder: Path) -> AsyncIterator[FlowWorld]:
    """Open one, with a folder."""
    opened = FlowWorld(sandbox, Clock())
    opened.destination = LocalDestination(folder=folder, poster=False)

    async def store(_: AsyncExitStack) -> VideoStore:
        return await opened.destination.store()

    async with opened.open(store):
        yield opened
