"""Blocking calls that hold nothing up: a bucket may never answer."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from prefect_octopusx.storage.threads import PlainThreads

__all__ = ["SpareThreads", "in_spare_loop"]

T = TypeVar("T")


class SpareThreads(PlainThreads):
    """A thread a call, for which the interpreter does not wait at its end."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._calls: list[Future[Any]] = []

    def submit(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:  # noqa: ANN401
        """Start a call at once."""
        call = super().submit(function, *args, **kwargs)
        self._calls.append(call)
        return call

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
