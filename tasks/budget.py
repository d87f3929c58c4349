"""One budget of requests a key: whatever asks with it in this event loop, asks in turns."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from prefect_octopusx.api import RequestScheduler
from prefect_octopusx.blocks import OctopusXCredentials
from prefect_octopusx.tasks.limits import shared_limits
from prefect_octopusx.tasks.steps import Logger

__all__ = ["budget_of"]


@dataclass
class _Shared:
    scheduler: RequestScheduler
    users: int = 0


_shared: dict[tuple[int, str], _Shared] = {}


@asynccontextmanager
async def budget_of(
    credentials: OctopusXCredentials, requests_per_minute: float, logger: Logger
) -> AsyncIterator[RequestScheduler]:
    """Give the scheduler of this key in this event loop: a new one, unless somebody has one open.

    Raises:
        ValueError: `requests_per_minute` is not above 0, or a shared limit can't be used.
    """
    secret = f"{credentials.base_url} {credentials.api_key.value.get_secret_value()}"
    key = id(asyncio.get_running_loop()), hashlib.sha256(secret.encode()).hexdigest()
    if key in _shared:
        logger.info(
            "Another task of this process asks with the same key: its budget of requests is shared, at its rate"
        )
    else:
        around = await shared_limits(logger)
        _shared.setdefault(key, _Shared(RequestScheduler(requests_per_minute, around=around)))
    shared = _shared[key]
    shared.users += 1
    try:
        yield shared.scheduler
    finally:
        shared.users -= 1
        if not shared.users:
            del _shared[key]
