"""Limits that a team shares across machines: Prefect's global concurrency limits, used where they exist.

`octopusx-creates` (with a slot decay) bounds how often creates are sent; `octopusx-requests` how many requests are on
their way at once. Neither is needed. A limit is a courtesy between runs: where Prefect can't be asked, a request is
sent. A limit of 0 lets nothing through.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Literal

import httpx
from prefect import get_client
from prefect.client.schemas.responses import GlobalConcurrencyLimitResponse
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError, concurrency, rate_limit
from prefect.exceptions import ObjectNotFound

from prefect_octopusx.api import RateLimited
from prefect_octopusx.tasks.steps import Logger

__all__ = ["CREATES", "REQUESTS", "shared_limits"]

CREATES = "octopusx-creates"
REQUESTS = "octopusx-requests"
_LEASE = 60.0  # seconds; the shortest that Prefect has: after so long a dead worker's slot is free again

Around = Callable[[Literal["create", "look"]], AbstractAsyncContextManager[None]]


async def shared_limits(logger: Logger) -> Around:
    """Return what to enter around each request, by the limits that exist now.

    Raises:
        ValueError: A limit is 0, which lets nothing through; or `octopusx-creates` has no slot decay, so that it would
            let a few creates through, and then none.
    """
    by_rate, by_number = await _active(CREATES, logger), await _active(REQUESTS, logger)
    for limit in (by_rate, by_number):
        if limit is not None and limit.limit <= 0:
            raise ValueError(
                f"The global concurrency limit {limit.name!r} is 0, so nothing may be sent. To go on: "
                f"prefect gcl update {limit.name} --limit 1, or more"
            )
    if by_rate is not None and by_rate.slot_decay_per_second <= 0:
        raise ValueError(
            f"The global concurrency limit {CREATES!r} has no slot decay, which makes it a rate. Give it one: "
            f"prefect gcl update {CREATES} --slot-decay-per-second 0.5"
        )
    names = {limit.name for limit in (by_rate, by_number) if limit is not None}
    if names:
        logger.info("Requests keep to the global concurrency limits %s", ", ".join(sorted(names)))
    told: set[str] = set()

    @asynccontextmanager
    async def around(kind: Literal["create", "look"]) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            try:
                if kind == "create" and CREATES in names:
                    await rate_limit(CREATES)
                if REQUESTS in names:
                    # A slot whose lease could not be renewed must not end a request that is on its way.
                    slot = concurrency(REQUESTS, lease_duration=_LEASE, raise_on_lease_renewal_failure=False)
                    await stack.enter_async_context(slot)
            except ConcurrencySlotAcquisitionError as error:
                if _is_zero(error):
                    raise RateLimited(f"The {kind} was not sent: {error}. A limit of 0 lets nothing through") from None
                if str(error) not in told:
                    logger.warning("Requests go on without a slot of a global concurrency limit: %s", error)
                told.add(str(error))
            yield

    return around


def _is_zero(error: Exception) -> bool:
    """Tell whether the server refused because the limit was set to 0: it says that more slots were asked for."""
    cause = error.__cause__
    return isinstance(cause, httpx.HTTPStatusError) and cause.response.status_code == 422


async def _active(name: str, logger: Logger) -> GlobalConcurrencyLimitResponse | None:
    """Return a limit; None where there is no such one, or it is switched off."""
    try:
        async with get_client() as client:
            limit = await client.read_global_concurrency_limit_by_name(name)
    except ObjectNotFound:
        return None
    except httpx.HTTPError as error:
        logger.warning("The global concurrency limit %s can't be looked up: %s", name, type(error).__name__)
        return None
    return limit if limit.active else None
