"""What the videos of a batch share: one connection, one budget of requests, a few seats for transfers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from prefect import get_run_logger

from prefect_octopusx.api import OctopusXClient, RequestScheduler
from prefect_octopusx.blocks import Destination, OctopusXCredentials, resolve_credentials
from prefect_octopusx.storage import VideoStore
from prefect_octopusx.tasks.budget import budget_of
from prefect_octopusx.tasks.events import open_store

__all__ = ["Batch"]

_STARTS = 16  # task runs that wait for their create at once; the others don't exist yet, to spare Prefect's server


class Batch:
    """What the videos of a batch share. Made by `Batch.opened`, for one event loop.

    Attributes:
        store: Where the videos go.
        client: The gateway.
        scheduler: The budget of requests of this key, shared by all batches of this event loop.
        transfers: The seats for downloads to the destination.
    """

    def __init__(self, store: VideoStore, client: OctopusXClient, scheduler: RequestScheduler, transfers: int) -> None:
        self.store = store
        self.client = client
        self.scheduler = scheduler
        self.transfers = asyncio.Semaphore(transfers)
        self._loop = asyncio.get_running_loop()
        self._starts = asyncio.Semaphore(_STARTS)
        self._starting: set[str] = set()

    @classmethod
    @asynccontextmanager
    async def opened(
        cls,
        *,
        destination: Destination | None = None,
        credentials: OctopusXCredentials | None = None,
        requests_per_minute: float = 120.0,
        transfers: int = 4,
    ) -> AsyncIterator[Self]:
        """Open a batch, and close its connections at the end.

        Args:
            destination: Where to; `s3-destination/default` by default, else the folder `videos`.
            credentials: The API key; found as `resolve_credentials` says by default.
            requests_per_minute: How often the API is asked, all videos together. If another batch with the same key
                runs in this event loop, its budget is shared, and its rate holds.
            transfers: How many videos are stored at the same time.

        Raises:
            CredentialsMissing: There is no key.
            DestinationError: The destination can't be used.
            ValueError: A number is out of range.
        """
        if transfers < 1:
            raise ValueError(f"transfers: {transfers} is below 1.")
        logger = get_run_logger()
        store = await open_store(destination)
        found = await resolve_credentials(credentials)
        async with (
            found.client(logger=logger) as client,
            budget_of(found, requests_per_minute, logger) as scheduler,
        ):
            yield cls(store, client, scheduler, transfers)

    async def may_start(self, name: str) -> None:
        """Wait until the task run of this video may begin: the server need not hold what only waits for its create."""
        await self._starts.acquire()
        self._starting.add(name)

    def has_started(self, name: str) -> None:
        """Let the next one begin. Once is enough, more does no harm."""
        if name in self._starting:
            self._starting.remove(name)
            self._starts.release()

    def check_loop(self) -> None:
        """Refuse to be used from another event loop, as a task is that was submitted.

        Raises:
            RuntimeError: It is another one.
        """
        if asyncio.get_running_loop() is not self._loop:
            raise RuntimeError(
                "batch: it belongs to another event loop. Await the task (asyncio.gather for many) instead of "
                "submitting or mapping it"
            )
