"""With which code the program ends."""

from enum import IntEnum

__all__ = ["Exit", "Refused", "Terminated"]


class Exit(IntEnum):
    """The exit codes, the same for all commands."""

    DONE = 0
    """What was asked for is done; without waiting: submitted."""
    FAILED = 1
    """It failed, or could not be done; the message says why."""
    REFUSED = 2
    """Wrong arguments, a request or a list that can't be sent, no key. Nothing was sent."""
    UNCERTAIN = 3
    """Nobody knows whether a create was accepted, and is billed."""
    IN_THE_MAKING = 4
    """The video is paid for, and not ready yet."""
    INTERRUPTED = 130
    """Ctrl-C; as shells have it."""
    TERMINATED = 143
    """SIGTERM; as shells have it."""


class Refused(Exception):
    """What was typed can't be done. Nothing was sent; the message says what is allowed."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, which is handled as Ctrl-C is."""
