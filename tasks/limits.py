"""Limits that a team shares across machines: Prefect's global concurrency limits, used where they exist.

`octopusx-creates` (with a slot decay) bounds how often creates are sent; `octopusx-requests` how many requests are on
their way at once. Neither is needed. A limit is a courtesy between runs: where Prefect can't be asked, a request is
sent. A limit of 0 stops creates.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx
from prefect import get_client
from prefect.client.schemas.responses import GlobalConcurrencyLimitResponse
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError, concurrency, rate_limit
from prefect.concurrency.context import ConcurrencyContext
from prefect.exceptions import ObjectNotFound, PrefectException

from prefect_octopusx.api import CreatesStopped
from prefect_octopusx.api.turns import Kind
from prefect_octopusx.tasks.steps import Logger

__all__ = ["CREATES", "REQUESTS", "shared_limits", "why_stopped"]

CREATES = "octopusx-creates"
REQUESTS = "octopusx-requests"
_LEASE = 60.0  # seconds; the shortest that Prefect has: after so long a dead worker's slot is free again
_REST = 300.0  # seconds without asking Prefect, after it did not answer: its client tries for a minute each time
_TROUBLE = (ConcurrencySlotAcquisitionError, httpx.HTTPError, PrefectException)

Around = Callable[[Kind], AbstractAsyncContextManager[None]]


async def shared_limits(logger: Logger) -> Around:
    """Return what to enter around each request, by the limits that exist now. Before a create it may raise.

    Then it raises `CreatesStopped`: a limit is 0, or `octopusx-creates` has no slot decay.
    """
    found = [limit for name in (CREATES, REQUESTS) if (limit := await _active(name, logger)) is not None]
    names = frozenset(limit.name for limit in found)
    if names:
        logger.info("Requests keep to the global concurrency limits %s", ", ".join(sorted(names)))
    return _Slots(names, next(filter(None, map(why_stopped, found)), None), logger).around


class _Slots:
    """Slots of the limits that exist, asked for before each request and given back after it."""

    def __init__(self, names: frozenset[str], stopped: str | None, logger: Logger) -> None:
        self._names = names
        self._stopped = stopped
        self._logger = logger
        self._rests_until = float("-inf")
        self._holders: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def around(self, kind: Kind) -> AsyncIterator[None]:
        if kind == "create" and self._stopped:
            raise CreatesStopped(self._stopped)
        over = await self._acquire(kind) if time.monotonic() >= self._rests_until else None
        try:
            yield
        finally:
            if over is not None:
                over.set()

    async def _acquire(self, kind: Kind) -> asyncio.Event | None:
        """Wait for slots; return what is to be set when the request is over."""
        try:
            if kind == "create" and CREATES in self._names:
                await rate_limit(CREATES)
            return await self._held() if REQUESTS in self._names else None
        except _TROUBLE as error:
            if _lets_nothing_through(error):
                if kind == "create":
                    raise CreatesStopped(f"The create was not sent: a limit lets nothing through ({error})") from None
                return None  # looks are free, and what is paid for goes on
            self._rests_until = time.monotonic() + _REST
            self._logger.warning(
                "No slot of a global concurrency limit (%s: %s); requests go on without for %d s",
                type(error).__name__, error, _REST,
            )  # fmt: skip
            return None

    async def _held(self) -> asyncio.Event:
        """Have a slot held by a task of its own.

        To give it back may take minutes where Prefect is in trouble, and a task id is waiting to be written down.
        """
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        over = asyncio.Event()
        holder = asyncio.create_task(self._hold(granted, over))
        self._holders.add(holder)
        holder.add_done_callback(self._holders.discard)
        try:
            await asyncio.shield(granted)
        except asyncio.CancelledError:
            over.set()
            if not granted.done():  # still waiting: what may yet come is given back
                holder.cancel()
            raise
        return over

    async def _hold(self, granted: asyncio.Future[None], over: asyncio.Event) -> None:
        try:
            with ConcurrencyContext() as leases:
                try:
                    # A slot whose lease could not be renewed must not end a request that is on its way.
                    async with concurrency(REQUESTS, lease_duration=_LEASE, raise_on_lease_renewal_failure=False):
                        granted.set_result(None)
                        await over.wait()
                finally:
                    # What is left ends by itself. Prefect would try again here, with the event loop at a standstill.
                    leases.cleanup_lease_ids.clear()
        except Exception as error:  # noqa: BLE001 - whoever waits is to hear of it, whatever it is
            if not granted.done():
                granted.set_exception(error)
                return
            self._logger.warning(
                "A slot of a global concurrency limit could not be given back (%s: %s); its lease ends within %d s",
                type(error).__name__, error, _LEASE,
            )  # fmt: skip
        finally:
            granted.cancel()  # which does nothing once it is granted, or told why not


def why_stopped(limit: GlobalConcurrencyLimitResponse) -> str | None:
    """Return why a limit lets no create through, if it does not."""
    name = limit.name
    if limit.limit <= 0:
        return (
            f"The global concurrency limit {name!r} is 0, so no create is sent. To go on: "
            f"prefect gcl update {name} --limit 1, or more"
        )
    if name == CREATES and limit.slot_decay_per_second <= 0:  # it would let a few through, and then none
        return (
            f"The global concurrency limit {name!r} has no slot decay, which makes it a rate. Give it one: "
            f"prefect gcl update {name} --slot-decay-per-second 0.5"
        )
    return None


def _lets_nothing_through(error: Exception) -> bool:
    """Tell whether Prefect refused for good: more slots are asked for than there are at all, or there is no rate."""
    cause = error.__cause__
    return isinstance(cause, httpx.HTTPStatusError) and cause.response.status_code == 422


async def _active(name: str, logger: Logger) -> GlobalConcurrencyLimitResponse | None:
    """Return a limit; None where there is no such one, or it is switched off."""
    try:
        async with get_client() as client:
            limit = await client.read_global_concurrency_limit_by_name(name)
    except ObjectNotFound:
        return None
    except (httpx.HTTPError, PrefectException) as error:
        logger.warning("The global concurrency limit %s can't be looked up: %s", name, type(error).__name__)
        return None
    return limit if limit.active else None
