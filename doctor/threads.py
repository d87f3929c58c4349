"""Blocking calls that hold nothing up: a bucket may never answer."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import Any, TypeVar

__all__ = ["SpareThreads", "in_spare_loop"]

T = TypeVar("T")


class SpareThreads(ThreadPoolExecutor):
    """A thread a call, for which the interpreter does not wait at its end, as it does for those of the usual pool."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: list[Future[Any]] = []

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

        self._calls.append(future)
        threading.Thread(target=copy_context().run, args=(run,), name="doctor", daemon=True).start()
        return future

    async def run(self, function: Callable[[], T]) -> T:
        """Return what `function` returns. When the waiting is cancelled, the call goes on."""
        return await asyncio.wrap_future(self.submit(function))

    async def finish(self, seconds: float) -> None:
        """Give the calls that are still under way so long to end."""
        if not all(call.done() for call in self._calls):
            await SpareThreads().run(lambda: wait(self._calls, timeout=seconds))


async def in_spare_loop(work: Coroutine[Any, Any, T]) -> T:
    """Return what `work` returns, which has an event loop of its own: its `to_thread` holds nothing up either."""

    async def seen() -> T:
        asyncio.get_running_loop().set_default_executor(SpareThreads())
        return await work

    return await SpareThreads().run(lambda: asyncio.run(seen()))
