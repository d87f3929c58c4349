"""One budget of requests for one key: many coroutines wait here, and each is told when its turn has come.

`turns.py` decides; this module waits. Nobody's turn depends on another waiter, which may be cancelled at any time: an
alarm of its own wakes the scheduler, and whoever comes or leaves does.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

from prefect_octopusx.api.pacing import Likely
from prefect_octopusx.api.turns import Kind, Look, Turns

__all__ = ["RequestScheduler"]


class RequestScheduler:
    """One budget of requests for one key. For one event loop.

    ```python
    scheduler = RequestScheduler(requests_per_minute=120)
    async with scheduler.create_turn():
        task = await client.create_video(request)
    task = await wait_until_final(client, task.id, submitted_at=time.time(), scheduler=scheduler)
    ```

    Args:
        requests_per_minute: The rate. Two requests start at least 60 / rate seconds apart.
        requests_at_once: Looks on the wire at most.
        creates_at_once: Creates on the wire at most; they may take minutes, and have seats of their own.
        around: Entered around each request, once its turn has come and before it starts. It may wait.
        clock: Returns seconds.
        sleep: Waits some seconds.

    Raises:
        ValueError: A number is out of range.
    """

    def __init__(
        self,
        requests_per_minute: float = 120.0,
        *,
        requests_at_once: int = 8,
        creates_at_once: int = 8,
        around: Callable[[Kind], AbstractAsyncContextManager[None]] = lambda _kind: nullcontext(),
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if not 0 < requests_per_minute < math.inf:
            raise ValueError(f"requests_per_minute: {requests_per_minute} is not above 0.")
        for name, seats in (("requests_at_once", requests_at_once), ("creates_at_once", creates_at_once)):
            if seats < 1:
                raise ValueError(f"{name}: {seats} is less than 1.")
        self._turns = Turns(requests_per_minute, looks=requests_at_once, creates=creates_at_once)
        self._around = around
        self._clock = clock
        self._sleep = sleep
        self._waiters: dict[int, asyncio.Future[None]] = {}
        self._alarm: asyncio.Future[None] | None = None
        self._alarm_at = math.inf

    def now(self) -> float:
        """Return the time by the clock that looks are wanted at."""
        return self._clock()

    @property
    def requests_per_minute(self) -> float:
        """The rate of now: lower than the given one after a 429."""
        return self._turns.rate

    def create_turn(self) -> AbstractAsyncContextManager[None]:
        """Wait for a turn for a create, or another single request; keep a seat while it is sent. First come first."""
        return self._turn("create", None)

    def look_turn(self, look: Look | None = None) -> AbstractAsyncContextManager[None]:
        """Wait for a turn for a look, and keep a seat while it is sent.

        Args:
            look: When it is wanted, and how likely it is worth it; at once by default.
        """
        return self._turn("look", look or Look(self._clock()))

    def slow_down(self, retry_after: float | None = None) -> None:
        """Note a 429: nothing starts for `retry_after` seconds (20 by default), and the rate is halved.

        Requests that are answered afterwards give the rate back, half of the full one in 5 minutes. Several 429 in a
        row, of requests that were on the wire together, halve it once; it stays above a sixteenth of the full one.
        """
        self._turns.slow_down(self._clock(), retry_after)

    def took(self, family: str, seconds: float) -> None:
        """Note that a video of this family was ready `seconds` after its submission."""
        self._turns.took(family, seconds)

    def usual(self, family: str) -> Likely | None:
        """Return how long the last 32 videos of this family took; None before there are three."""
        return self._turns.usual(family)

    @asynccontextmanager
    async def _turn(self, kind: Kind, look: Look | None) -> AsyncIterator[None]:
        number = self._turns.join(look)
        turn = self._waiters[number] = asyncio.get_running_loop().create_future()
        answered = False
        try:
            self._dispatch()
            await turn
            async with self._around(kind):
                while wait := self._turns.start(number, self._clock()):
                    await self._sleep(wait)
                yield
                answered = True
        finally:
            self._waiters.pop(number, None)
            self._turns.leave(number, answered=answered)
            self._dispatch()

    def _dispatch(self) -> None:
        """Tell those whose turn has come, and see to it that this happens again in time."""
        now = self._clock()
        while (number := self._turns.call(now)) is not None:
            turn = self._waiters.pop(number)
            if not turn.done():  # else it was cancelled just now, and is about to leave
                turn.set_result(None)
        at = self._turns.next_call(now)
        if at is None or at < self._alarm_at:
            self._stop_alarm()
        if at is not None and self._alarm is None:
            self._alarm_at = at
            self._alarm = asyncio.ensure_future(self._sleep(at - now))
            self._alarm.add_done_callback(self._wake)

    def _stop_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.remove_done_callback(self._wake)
            self._alarm.cancel()
        self._alarm, self._alarm_at = None, math.inf

    def _wake(self, alarm: "asyncio.Future[None]") -> None:
        """Go on after the alarm, also where somebody cancelled it; a clock that fails fails all who wait."""
        self._alarm, self._alarm_at = None, math.inf
        error = None if alarm.cancelled() else alarm.exception()
        if error is None:
            self._dispatch()
            return
        for turn in self._waiters.values():
            if not turn.done():
                turn.set_exception(error)
