"""Prefect as a command has it: quiet, with a server."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from prefect_octopusx.cli.screen import Screen
from prefect_octopusx.cli.temporary_server import TemporaryServer

__all__ = ["prefect_ready"]


@contextmanager
def prefect_ready(screen: Screen) -> Iterator[bool]:
    """Import Prefect, and start a server for as long as this lasts, where none is set up.

    Gives whether the server is one that stays, so that a person can look at the run later.

    Raises:
        RuntimeError: The server did not start.
    """
    if not screen.verbose:  # before Prefect reads it
        os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"
    with ExitStack() as stack:
        with screen.busy("Starting Prefect"):
            from prefect import context, settings  # noqa: PLC0415 - takes seconds, and help is wanted at once

            server = None
            if not settings.get_current_settings().api.url:
                server = stack.enter_context(TemporaryServer())
                os.environ["PREFECT_API_URL"] = server.url
                context.refresh_global_settings_context()
            import prefect_octopusx.tasks  # noqa: F401, PLC0415 - while the server starts

            if server is not None:
                server.wait()
                stack.callback(_hand_over_what_is_on_its_way)
        yield server is None


def _hand_over_what_is_on_its_way() -> None:
    """Let Prefect's threads send their last logs and events, which they would complain of once the server is gone."""
    from prefect.events.worker import EventsWorker  # noqa: PLC0415
    from prefect.logging.handlers import APILogHandler  # noqa: PLC0415

    APILogHandler().flush()
    EventsWorker.drain_all(timeout=5)
