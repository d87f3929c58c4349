"""What the tests of the ways on after trouble share: one set of options for the three flows."""

from datetime import UTC, datetime
from typing import Any

from prefect_octopusx.api import OctopusXClient, VideoRequest, ViduRequest
from prefect_octopusx.blocks import LocalDestination, OctopusXCredentials, S3Destination
from prefect_octopusx.flows import CollectedVideo, adopt_video, collect_videos, generate_video
from prefect_octopusx.sandbox import Sandbox
from prefect_octopusx.storage import RecordState, VideoRecord

CAT = ViduRequest(model="viduq3-pro", prompt="a cat chasing butterflies", duration=5)
DOG = ViduRequest(model="viduq3-pro", prompt="a dog chasing butterflies", duration=5)
Destination = S3Destination | LocalDestination


class Flows:
    """Calls the flows as a user does, on one destination and one gateway."""

    def __init__(self, destination: Destination, credentials: OctopusXCredentials, sandbox: Sandbox) -> None:
        self.destination = destination
        self.options: dict[str, Any] = {"destination": destination, "credentials": credentials}
        self.sandbox = sandbox

    async def generate(self, request: VideoRequest = CAT, *, name: str = "hero", **options: Any) -> VideoRecord:  # noqa: ANN401
        given = self.options | {"poll_interval": 0.05} | options
        return await generate_video(request=request, name=name, **given)

    async def adopt(self, task_id: str, *, name: str = "hero", **options: Any) -> VideoRecord:  # noqa: ANN401
        return await adopt_video(task_id, name, **(self.options | {"poll_interval": 0.05} | options))

    async def collect(self, **options: Any) -> dict[str, CollectedVideo]:  # noqa: ANN401
        rows = await collect_videos(**(self.options | {"requests_per_minute": 6000} | options))
        return {row.name: row for row in rows}

    async def elsewhere(self, request: VideoRequest = CAT) -> str:
        """Create a video as another tool does, and return its task id."""
        async with OctopusXClient(api_key=self.sandbox.key, base_url=self.sandbox.url) as client:
            return (await client.create_video(request)).id

    async def record(self, name: str = "hero") -> VideoRecord | None:
        entry = await (await self.destination.store()).read(name)
        return entry.record if entry else None

    async def claim(self, name: str = "hero", **fields: Any) -> VideoRecord:  # noqa: ANN401
        """Leave what a run leaves that is killed while it sends the create; its lease is over at once."""
        store = await self.destination.store()
        record = VideoRecord(
            name=name,
            state=RecordState.SUBMITTING,
            model=CAT.model,
            family=CAT.family,
            request=CAT.recorded(),
            digest=CAT.digest,
            claimed_at=datetime.now(UTC),
            **({"lease": 0.0} | fields),
        )
        await store.mark(name, record.claim)
        return (await store.create(record)).record

    async def pending(self) -> list[str]:
        """Return the names in the index."""
        return sorted([mark.name async for mark in (await self.destination.store()).pending()])

    @property
    def posts(self) -> int:
        return sum(trace.method == "POST" for trace in self.sandbox.requests)

    @property
    def billed(self) -> int:
        return sum(not charge.refunded for charge in self.sandbox.ledger)
