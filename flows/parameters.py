"""What Prefect keeps of a run's parameters: a signed URL is of no use, once it is sent, but to a thief."""

from typing import Any

import httpx
from prefect import get_client
from prefect.context import FlowRunContext
from prefect.exceptions import PrefectException

from prefect_octopusx.api.redact import mark_queries
from prefect_octopusx.tasks.steps import Logger

__all__ = ["forget_queries"]

_OF_REQUESTS = ("request", "requests", "defaults")


async def forget_queries(*, logger: Logger, all_is_sent: bool = False) -> None:
    """Take the queries out of the URLs among this run's parameters, as Prefect keeps them, if it can do without.

    A run that Python called has its parameters in memory. That of a deployment reads them from Prefect, each time that
    it is started, until all its videos are sent.

    Args:
        logger: Where trouble is told; it is no reason to fail.
        all_is_sent: Whether this run has nothing left to send.
    """
    context = FlowRunContext.get()
    run = context.flow_run if context is not None else None
    if run is None or (run.deployment_id is not None and not all_is_sent):
        return
    kept = {name: _marked(value) if name in _OF_REQUESTS else value for name, value in run.parameters.items()}
    if kept == run.parameters:
        return
    try:
        async with get_client() as client:
            await client.update_flow_run(run.id, parameters=kept)
    except (httpx.HTTPError, PrefectException) as error:
        logger.warning("Prefect still keeps URLs with their queries in this run's parameters: %s", error)


def _marked(value: Any) -> Any:  # noqa: ANN401 - JSON in, JSON out
    if isinstance(value, dict):
        return {name: item if name == "prompt" else _marked(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_marked(item) for item in value]
    return mark_queries(value) if isinstance(value, str) else value
