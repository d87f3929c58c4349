"""The doctor's one function."""

import time
from collections.abc import Callable

from prefect_octopusx.blocks import Destination
from prefect_octopusx.doctor import deployments, gateway, limits, machine, runs, server
from prefect_octopusx.doctor.checks import Case, examine
from prefect_octopusx.doctor.destination import KINDS, checks_of_destination
from prefect_octopusx.doctor.results import Diagnosis

__all__ = ["diagnose"]


async def diagnose(
    destination: Destination | str | None = None,
    *,
    timeout: float = 20.0,  # noqa: ASYNC109 - of each check, not of the whole
    clock: Callable[[], float] = time.time,
) -> Diagnosis:
    """Check what this project needs. Sends nothing that is billed; what it writes to the destination it removes.

    Args:
        destination: Where videos go: a destination, or a saved block such as `s3-destination/default`. Left out, what
            the flows would use.
        timeout: Seconds that each check may take; what takes longer has failed.
        clock: Seconds since 1970, by this machine.

    Returns:
        All results. Trouble is one of them, never raised.

    Raises:
        ValueError: `destination` names no block of ours, or `timeout` is not above 0.
    """
    if isinstance(destination, str) and (destination.partition("/")[0] not in KINDS or destination.count("/") != 1):
        raise ValueError(
            f"destination: {destination!r} is no block like {' or '.join(f'{slug}/NAME' for slug in KINDS)}"
        )
    if not timeout > 0:
        raise ValueError(f"timeout: {timeout} is not above 0")
    checks = (
        *machine.CHECKS,
        *server.CHECKS,
        *gateway.CHECKS,
        *checks_of_destination(destination),
        *limits.CHECKS,
        *deployments.CHECKS,
        *runs.CHECKS,
    )
    results = await examine(checks, Case(destination, clock), timeout=timeout)
    order = ("octopusx", "destination", "prefect", "machine")
    return Diagnosis(checks=tuple(sorted(results, key=lambda result: order.index(result.group))))
