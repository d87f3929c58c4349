"""Submitting under one name, as a run does."""

from datetime import UTC, datetime
from typing import Any

from prefect_octopusx.api import OctopusXClient, ViduRequest
from prefect_octopusx.sandbox import Sandbox
from prefect_octopusx.storage import RecordState, VideoRecord, VideoStore, submit
from tests.clocks import Clock

__all__ = ["CAT", "DOG", "Posts", "Send", "abandoned"]

CAT = ViduRequest(model="viduq3-pro", prompt="a cat chasing butterflies", duration=5)
DOG = ViduRequest(model="viduq3-pro", prompt="a dog chasing butterflies", duration=5)


class Posts:
    """Counts what was sent and what was billed."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    @property
    def sent(self) -> int:
        return sum(trace.method == "POST" for trace in self._sandbox.requests)

    @property
    def billed(self) -> int:
        return sum(not charge.refunded for charge in self._sandbox.ledger)


class Send:
    """Submits under one name, as a run does."""

    def __init__(self, store: VideoStore, client: OctopusXClient, clock: Clock) -> None:
        self.store = store
        self.client = client
        self.clock = clock

    async def __call__(self, request: ViduRequest = CAT, *, name: str = "hero", **options: Any) -> VideoRecord:  # noqa: ANN401
        return await submit(
            self.store, self.client, request, name=name, clock=self.clock, sleep=self.clock.sleep, **options
        )

    async def stored(self) -> VideoRecord:
        entry = await self.store.read("hero")
        assert entry is not None
        return entry.record


async def abandoned(send: Send) -> VideoRecord:
    """Leave what a run leaves that is killed between its claim and its create."""
    claimed_at = datetime.fromtimestamp(send.clock(), UTC)
    left = VideoRecord(
        name="hero",
        state=RecordState.SUBMITTING,
        model=CAT.model,
        family=CAT.family,
        request=CAT.recorded(),
        digest=CAT.digest,
        claimed_at=claimed_at,
    )
    await send.store.create(left)
    return left
