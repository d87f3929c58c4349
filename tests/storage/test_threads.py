"""Work in a thread that a cancellation must not tear away from."""

import asyncio
import threading
from contextvars import ContextVar

import pytest

from prefect_octopusx.storage.threads import in_thread, to_the_end

WHERE: ContextVar[str] = ContextVar("where")


async def test_results_errors_and_context_pass() -> None:
    WHERE.set("here")
    assert await to_the_end(in_thread(WHERE.get)) == "here"
    with pytest.raises(ZeroDivisionError):
        await to_the_end(in_thread(divmod, 1, 0))


@pytest.mark.parametrize("fails", [False, True])
async def test_a_cancellation_waits_and_then_goes_on(*, fails: bool) -> None:
    go_on, done = threading.Event(), threading.Event()

    def work() -> None:
        go_on.wait(20)
        done.set()
        if fails:
            raise OSError

    task = asyncio.create_task(to_the_end(in_thread(work)))
    for _ in range(3):
        await asyncio.sleep(0.01)
        task.cancel()
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done.is_set()
