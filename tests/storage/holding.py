"""A run whose create is on its way until it is let go."""

import asyncio
import threading
from typing import Any

from prefect_octopusx.api import OctopusXClient, ViduRequest
from prefect_octopusx.sandbox import Sandbox
from prefect_octopusx.storage import VideoRecord, VideoStore, submit

__all__ = ["CAT", "Holder", "renewed", "stored"]

CAT = ViduRequest(model="viduq3-pro", prompt="a cat chasing butterflies", duration=5)


class Holder:
    """A run whose create is on its way until it is let go."""

    def __init__(self, client: OctopusXClient, sandbox: Sandbox) -> None:
        self.client = client
        self.sandbox = sandbox
        self._go = threading.Event()
        create = client.create_video

        async def slow(*given: Any, **options: Any) -> Any:  # noqa: ANN401
            task = await create(*given, **options)
            while not self._go.is_set():
                await asyncio.sleep(0.005)
            return task

        self._slow = slow

    async def start(self, store: VideoStore, *, lease: float = 0.2) -> "asyncio.Task[VideoRecord]":
        """Return the run once its create was accepted, and before it knows."""
        slow = OctopusXClient(api_key=self.sandbox.key, base_url=self.sandbox.url)
        slow.create_video = self._slow  # type: ignore[method-assign]
        run = asyncio.create_task(submit(store, slow, CAT, name="hero", lease=lease))
        async with asyncio.timeout(20):
            while not self.sandbox.ledger:
                await asyncio.sleep(0.005)
        return run

    def let_go(self) -> None:
        self._go.set()


async def stored(store: VideoStore) -> VideoRecord:
    entry = await store.read("hero")
    assert entry
    return entry.record


async def renewed(store: VideoStore, times: int = 1) -> None:
    """Wait until the claim was renewed so many times from now on."""
    seen = {(await stored(store)).renewed_at}
    async with asyncio.timeout(10):
        while len(seen) <= times:
            await asyncio.sleep(0.005)
            seen.add((await stored(store)).renewed_at)
