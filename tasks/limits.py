"""Limits that a team shares across machines: Prefect's global concurrency limits, used where they exist.

`octopusx-creates` (with a slot decay) bounds how often creates are sent; `octopusx-requests` how many requests are on
their way at once. Neither is needed. A limit is a courtesy between runs: where Prefect can't say, a request is sent.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Literal

import httpx
from prefect import get_client
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError, concurrency, rate_limit
from prefect.exceptions import ObjectNotFound

from prefect_octopusx.tasks.steps import Logger

__all__ = ["CREATES", "REQUESTS", "shared_limits"]

CREATES = "octopusx-creates"
REQUESTS = "octopusx-requests"
_LEASE = 60.0  # seconds; the shortest that Prefect has: after so long a dead worker's slot is free again

Around = Callable[[Literal["create", "look"]], AbstractAsyncContextManager[None]]


async def shared_limits(logger: Logger) -> Around:
    """Return what to enter around each request, by the limits that exist now.

    Raises:
        ValueError: `octopusx-creates` exists without a slot decay: it would let a few creates through, and then none.
    """
    by_rate, by_number = await _decay(CREATES, logger), await _decay(REQUESTS, logger)
    if by_rate is not None and by_rate <= 0:
        raise ValueError(
            f"The global concurrency limit {CREATES!r} has no slot decay, which makes it a rate. Give it one: "
            f"prefect gcl update {CREATES} --slot-decay-per-second 0.5"
        )
    if by_rate is not None or by_number is not None:
        names = [name for name, found in ((CREATES, by_rate), (REQUESTS, by_number)) if found is not None]
        logger.info("Requests keep to the global concurrency limits %s", ", ".join(names))

    @asynccontextmanager
    async def around(kind: Literal["create", "look"]) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            try:
                if kind == "create" and by_rate is not None:
                    await rate_limit(CREATES)
                if by_number is not None:
                    # A slot whose lease could not be renewed must not end a request that is on its way.
                    slot = concurrency(REQUESTS, lease_duration=_LEASE, raise_on_lease_renewal_failure=False)
                    await stack.enter_async_context(slot)
            except ConcurrencySlotAcquisitionError as error:
                logger.warning("Prefect could not be asked for a slot of a global concurrency limit: %s", error)
            yield

    return around


async def _decay(name: str, logger: Logger) -> float | None:
    """Return the slots that come free each second; None where there is no such limit, or it is switched off."""
    try:
        async with get_client() as client:
            limit = await client.read_global_concurrency_limit_by_name(name)
    except ObjectNotFound:
        return None
    except httpx.HTTPError as error:
        logger.warning("The global concurrency limit %s can't be looked up: %s", name, type(error).__name__)
        return None
    return limit.slot_decay_per_second if limit.active else None
