"""Running a flow in this process, with its progress on the screen. Importing this imports Prefect."""

import asyncio
import logging
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import prefect
from prefect import Flow, get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterType
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import PrefectException
from prefect.utilities.urls import url_for

from prefect_octopusx.api.redact import redact
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
        KeyboardInterrupt: Ctrl-C; the run came to an end in good order, and what was paid for is written down.
    """
    with screen.bar(label) as bar, _listening(bar):
        began: asyncio.Future[FlowRun]

        def tell(flow: Flow[Any, Any], flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001 - Prefect names them
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

        return asyncio.run(watched())


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
