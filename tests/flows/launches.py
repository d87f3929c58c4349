"""Batches that are made by other runs, which the test starts as workers do."""

from typing import Any

from prefect import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId
from prefect.client.schemas.objects import FlowRun

from prefect_octopusx.batches import BatchResult
from prefect_octopusx.flows import generate_videos, redrive_videos
from tests.flows.deployed import Deployed, Studio

__all__ = ["Launch", "again"]


class Launch:
    """A batch whose chunks are runs of a deployment, and the workers that make them."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    async def parent(self, count: int = 5, **parameters: Any) -> Deployed:  # noqa: ANN401 - of the flow
        unused = {"manifest": "is left out", "max_in_flight": 7}
        await (await generate_videos.ato_deployment("chunk", parameters=unused)).aapply()
        given = {"deployment": "generate-videos/chunk", "chunk_size": 2, "poll_interval": 0.05, "wait": "auto"}
        return await self.studio.deploy_batch(count, **given | parameters)

    async def redrive(self, batch: str) -> Deployed:
        given = {"batch": batch, "destination": {"folder": str(self.studio.destination.folder)}, "poll_interval": 0.05}
        return await Deployed.create(redrive_videos, given | {"deployment": "generate-videos/chunk"})

    async def chunks(self, parent: Deployed) -> list[FlowRun]:
        ours = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[parent.id]))
        async with get_client() as client:
            return sorted(await client.read_flow_runs(flow_run_filter=ours), key=lambda run: run.name)

    async def make(self, run: FlowRun) -> BatchResult:
        """Make a chunk, as a worker does."""
        found: BatchResult = await Deployed(generate_videos, run.id).start()
        return found


async def again(parent: Deployed) -> BatchResult:
    """Let the parent look at once."""
    await parent.bring_forward()
    found: BatchResult = await parent.start()
    return found
