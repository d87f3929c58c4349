"""Blocking calls beside the event loop, and work that is seen through although its task is cancelled."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from functools import partial
from typing import TypeVar, TypeVarTuple

__all__ = ["in_thread", "to_the_end"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def in_thread(function: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
    """Start `function(*args)` in a thread at once.

    Unlike `asyncio.to_thread` this gives a plain future: whoever keeps it can still wait for the thread after the
    awaiting task was cancelled.
    """
    return asyncio.get_running_loop().run_in_executor(None, partial(copy_context().run, function, *args))


async def to_the_end(work: Awaitable[T]) -> T:
    """Await `work` to its end, even if this task is cancelled meanwhile; only then the cancellation goes on."""
    job = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not job.done():
        try:
            await asyncio.wait([job])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return job.result()
    if not job.cancelled():
        job.exception()  # looked at, so that asyncio does not report it as forgotten
    raise cancelled
