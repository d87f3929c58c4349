"""Work in an event loop of its own, which goes on when the main one is broken off."""

import asyncio
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path

import pytest

from prefect_octopusx.storage.threads import in_own_loop, to_the_end

WHERE: ContextVar[str] = ContextVar("where")


async def test_results_pass() -> None:
    async def work() -> tuple[str, int]:
        await asyncio.sleep(0)
        return await asyncio.to_thread(str.upper, "done"), threading.get_ident()

    result, thread = await in_own_loop(work())
    assert result == "DONE"
    assert thread != threading.get_ident()


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, asyncio.CancelledError])
async def test_errors_pass(kind: type[BaseException]) -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        raise kind("no")

    with pytest.raises(kind):
        await in_own_loop(work())


async def test_the_context_passes() -> None:
    async def work() -> list[str]:
        return [WHERE.get(), await asyncio.to_thread(WHERE.get)]

    WHERE.set("here")
    assert await in_own_loop(work()) == ["here", "here"]


async def test_much_work_at_once() -> None:
    async def work(number: int) -> int:
        return sum(await asyncio.gather(*(asyncio.to_thread(int, str(number)) for _ in range(4))))

    assert await asyncio.gather(*(in_own_loop(work(number)) for number in range(20))) == [4 * n for n in range(20)]


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.005)


async def test_a_cancelled_waiter_leaves_the_work_alone() -> None:
    begun, go, done = threading.Event(), threading.Event(), threading.Event()

    async def work() -> None:
        begun.set()
        await asyncio.to_thread(go.wait, 20)
        done.set()

    for sees_through in (False, True):
        for event in (begun, go, done):
            event.clear()
        waiter = asyncio.ensure_future(to_the_end(in_own_loop(work())) if sees_through else in_own_loop(work()))
        await asyncio.sleep(0)  # so that the waiter waits
        await until(begun.is_set)
        waiter.cancel()
        await asyncio.sleep(0.02)
        assert waiter.done() is not sees_through
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        await until(done.is_set)


@pytest.mark.parametrize("fails", [False, True])
async def test_a_call_that_nobody_waits_for_any_more_ends_quietly(*, fails: bool) -> None:
    """As a renewal that is on its way when the answer to the create comes."""
    threads = threading.active_count()
    go = threading.Event()

    def call() -> None:
        go.wait(20)
        if fails:
            raise OSError("nobody asks")

    async def work() -> str:
        abandoned = asyncio.create_task(asyncio.to_thread(call))
        await asyncio.sleep(0.02)
        abandoned.cancel()
        await asyncio.wait([abandoned])
        return "done"

    assert await in_own_loop(work()) == "done"
    go.set()
    await until(lambda: threading.active_count() <= threads)


def test_work_survives_the_closing_of_the_main_loop() -> None:
    begun, go, done = threading.Event(), threading.Event(), threading.Event()

    async def work() -> None:
        begun.set()
        await asyncio.to_thread(go.wait, 20)
        await asyncio.to_thread(done.set)

    async def start() -> None:
        in_own_loop(work())

    asyncio.run(start())
    assert begun.wait(20)
    go.set()
    assert done.wait(20)


CHILD = """
import asyncio, contextlib, os, signal, sys
from pathlib import Path
from prefect_octopusx.storage.threads import in_own_loop, to_the_end

folder = Path(sys.argv[1])

class Terminated(BaseException):
    pass

def terminate(*_):
    os.write(1, b"signal\\n")  # print() can't be interrupted by the next signal's
    raise Terminated

async def work():
    print("begun", flush=True)
    while not await asyncio.to_thread((folder / "go").exists):
        await asyncio.sleep(0.5)
        with contextlib.suppress(RuntimeError):  # it is closed
            waiting.call_soon_threadsafe(int)  # a signal that comes just before a loop falls asleep does not wake it
    for number in range(3):  # calls in threads, also when the main thread has ended
        await asyncio.to_thread((folder / f"done-{number}").write_text, "done")
        await asyncio.sleep(0.05)
    return "whole"

async def main():
    global waiting
    waiting = asyncio.get_running_loop()
    if sys.argv[2] == "to the end":
        await to_the_end(in_own_loop(work()))
    else:
        await in_own_loop(work())

signal.signal(signal.SIGTERM, terminate)
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("waiter", "numbers"),
    [
        ("to the end", [signal.SIGTERM]),
        ("to the end", [signal.SIGTERM, signal.SIGTERM]),
        ("to the end", [signal.SIGINT, signal.SIGINT]),
        ("to the end", [signal.SIGINT, signal.SIGTERM]),
        ("alone", [signal.SIGTERM]),  # here the main thread ends first
    ],
    ids=lambda given: "+".join(number.name for number in given) if isinstance(given, list) else given,
)
def test_a_process_that_is_told_to_end_ends_after_its_work(
    tmp_path: Path, waiter: str, numbers: list[signal.Signals]
) -> None:
    child = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", CHILD, str(tmp_path), waiter],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout
    assert child.stdout.readline() == "begun\n"
    for number in numbers:
        child.send_signal(number)
        if number is signal.SIGTERM:
            assert child.stdout.readline() == "signal\n"
        else:
            time.sleep(0.2)  # asyncio's own answer to a SIGINT says nothing
    assert child.poll() is None
    (tmp_path / "go").touch()
    _, errors = child.communicate(timeout=20)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["done-0", "done-1", "done-2", "go"], errors
    assert child.returncode != 0
    assert "InvalidStateError" not in errors
