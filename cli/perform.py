"""How every command runs: its errors become a line and an exit code."""

import shlex
from collections.abc import Callable, Iterable

from prefect_octopusx.cli.exits import Exit, Refused
from prefect_octopusx.cli.options import Output
from prefect_octopusx.cli.screen import Screen
from prefect_octopusx.storage import check_name

__all__ = ["checked_name", "command_line", "perform"]


def perform(output: Output, work: Callable[[Screen], Exit]) -> Exit:
    """Do the work of a command, and return its exit code.

    Args:
        output: What is to be seen.
        work: Does it. After Ctrl-C it says itself what is left behind, and raises on.
    """
    screen = Screen(output)
    try:
        return work(screen)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - shown, whatever it is
        return screen.failed(error)


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
