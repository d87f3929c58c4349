"""Blocking calls beside the event loop, and work that is seen through although its task is cancelled."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar, TypeVarTuple

__all__ = ["PlainThreads", "in_own_loop", "in_thread", "to_the_end"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def in_thread(function: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
    """Start `function(*args)` in a thread at once.

    Unlike `asyncio.to_thread` this gives a plain future: whoever keeps it can still wait for the thread after the
    awaiting task was cancelled.
    """
    return asyncio.get_running_loop().run_in_executor(None, partial(copy_context().run, function, *args))


def in_own_loop(work: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
    """Start `work` in a thread with an event loop of its own.

    When Prefect gets SIGTERM it breaks the main loop off and cancels every task in it. Work in here goes on: the
    interpreter does not end before its thread.
    """
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()

    def settle(settle_it: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(lambda: None if result.done() else settle_it())

    def run() -> None:
        try:
            value = asyncio.run(_in_plain_threads(work))
        except BaseException as error:  # noqa: BLE001 - whoever waits gets it
            settle(partial(result.set_exception, error))
        else:
            settle(partial(result.set_result, value))

    threading.Thread(target=copy_context().run, args=(run,), name="see-through", daemon=False).start()
    return result


async def _in_plain_threads(work: Coroutine[Any, Any, T]) -> T:
    asyncio.get_running_loop().set_default_executor(PlainThreads())
    return await work


class PlainThreads(ThreadPoolExecutor):
    """A thread a call. The usual pool takes no calls any more once the main thread has ended.

    Args:
        daemon: Whether the interpreter ends without waiting for them.
    """

    def __init__(self, *, daemon: bool = False) -> None:
        super().__init__()
        self._daemon = daemon

    def submit(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:  # noqa: ANN401
        """Start a call at once."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()  # as in the usual pool: what has begun can't be cancelled

        def run() -> None:
            try:
                value = function(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - whoever waits gets it
                future.set_exception(error)
            else:
                future.set_result(value)

        threading.Thread(target=copy_context().run, args=(run,), daemon=self._daemon).start()
        return future


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
