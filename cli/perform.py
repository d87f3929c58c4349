"""How every command runs: its errors become a line and an exit code."""

import shlex
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from prefect_octopusx.cli.exits import Exit, Refused, Terminated
from prefect_octopusx.cli.options import Output
from prefect_octopusx.cli.screen import Screen
from prefect_octopusx.storage import check_name

__all__ = ["checked_name", "command_line", "perform"]


def perform(output: Output, work: Callable[[Screen], Exit]) -> Exit:
    """Do the work of a command, and return its exit code.

    Args:
        output: What is to be seen.
        work: Does it. After Ctrl-C or SIGTERM it gives the screen what is left behind, and raises on.
    """
    screen = Screen(output)
    try:
        with _sigterm_as_ctrl_c():
            return work(screen)
    except KeyboardInterrupt as stop:
        screen.interrupted()
        return Exit.TERMINATED if isinstance(stop, Terminated) else Exit.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - shown, whatever it is
        return screen.failed(error)


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """Let SIGTERM raise `Terminated`; while a flow runs, `run_flow` sees to it."""
    if threading.current_thread() is not threading.main_thread():  # only there can it be set
        yield
        return

    def raise_it(*_: object) -> None:
        raise Terminated

    earlier = signal.signal(signal.SIGTERM, raise_it)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, earlier)


def checked_name(name: str, option: str = "--name") -> str:
    """Return a name, if it can be one.

    Raises:
        Refused: It can't; the message says what is allowed.
    """
    try:
        return check_name(name)
    except ValueError as error:
        raise Refused(f"{option}: {str(error).removeprefix('name: ')}") from None


def command_line(*words: str, options: Iterable[str] = ()) -> str:
    """Return a command of ours, to be copied into a shell."""
    return shlex.join(["prefect-octopusx", *words, *options])
