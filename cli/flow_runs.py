"""Running a flow in this process, with its progress on the screen. Importing this imports Prefect."""

import asyncio
import logging
import signal
import threading
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import httpx
import prefect
from prefect import Flow, get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterType
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import ParameterTypeError, PrefectException, TerminationSignal
from prefect.utilities.urls import url_for

from prefect_octopusx.api.redact import redact
from prefect_octopusx.cli.exits import Refused, Terminated
from prefect_octopusx.cli.screen import Bar, Screen

__all__ = ["run_flow"]

_EVERY = 1.0  # seconds between looks at the progress
_PREFECT = str(Path(prefect.__file__).parent)


def run_flow(
    flow: Flow[Any, Any],
    screen: Screen,
    label: str,
    *,
    server_stays: bool,
    **parameters: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401 - what the flow returns
    """Run a flow to its end.

    Args:
        flow: One of ours.
        screen: Where its progress is shown.
        label: What it is about.
        server_stays: Whether its run can be looked at afterwards.
        parameters: The flow's.

    Raises:
        KeyboardInterrupt: Ctrl-C, or SIGTERM as `Terminated`; the run came to an end in good order, and what was paid
            for is written down.
        Refused: A parameter can't be. Nothing was sent.
    """
    with screen.bar(label) as bar, nullcontext() if screen.verbose else _listening(bar):
        began: asyncio.Future[FlowRun]
        sigterm = _Sigterm()

        def tell(flow: Flow[Any, Any], flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001 - Prefect names them
            sigterm.take()
            if server_stays and (address := url_for(flow_run)):
                screen.note(redact(f"Prefect run: {address}"))
            if not began.done():
                began.set_result(flow_run)

        async def watched() -> Any:  # noqa: ANN401
            nonlocal began
            began = asyncio.get_running_loop().create_future()
            watcher = asyncio.create_task(_follow(began, bar))
            try:
                return await flow.with_options(on_running=[tell])(**parameters)
            finally:
                watcher.cancel()

        try:
            return asyncio.run(watched())
        except asyncio.CancelledError:
            if sigterm.came:
                raise Terminated from None
            raise
        except TerminationSignal:  # before the run had begun
            raise Terminated from None
        except ParameterTypeError as error:
            raise Refused(str(error)) from None


class _Sigterm:
    """Ends a run as asyncio does at Ctrl-C: by cancelling its task.

    Prefect raises an exception wherever the main thread just is, and asyncio swallows it in all but the main task.
    """

    def __init__(self) -> None:
        self.came = False

    def take(self) -> None:
        """Take the signal in Prefect's place, which gives it back to whoever had it before when the run ends."""
        if threading.current_thread() is not threading.main_thread():  # only there can it be set
            return
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def cancel(*_: object) -> None:
            if task is not None and not self.came:
                self.came = True
                loop.call_soon_threadsafe(task.cancel)  # which also wakes the loop

        signal.signal(signal.SIGTERM, cancel)


async def _follow(began: Awaitable[FlowRun], bar: Bar) -> None:
    """Move the bar as the run's progress artifact does."""
    run = await began
    ours = ArtifactFilter(
        type=ArtifactFilterType(any_=["progress"]), flow_run_id=ArtifactFilterFlowRunId(any_=[run.id])
    )
    async with get_client() as client:
        while True:
            await asyncio.sleep(_EVERY)
            with suppress(httpx.HTTPError, PrefectException):  # progress is nice to have
                for artifact in await client.read_artifacts(artifact_filter=ours, limit=1):
                    bar.move(float(str(artifact.data)))


class _Lines(logging.Handler):
    """Shows what the flows log; of Prefect's own lines only those about retries, for which one waits."""

    def __init__(self, bar: Bar) -> None:
        super().__init__(logging.INFO)
        self._bar = bar

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if not record.pathname.startswith(_PREFECT) or " - Retry " in text:
            self._bar.say(text, is_important=record.levelno >= logging.WARNING)


@contextmanager
def _listening(bar: Bar) -> Iterator[None]:
    handler = _Lines(bar)
    loggers = [logging.getLogger(name) for name in ("prefect.flow_runs", "prefect.task_runs")]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
