"""The doctor's one function."""

import time
from collections.abc import Callable, Collection, Sequence

from prefect_octopusx.blocks import Destination
from prefect_octopusx.doctor import deployments, gateway, limits, machine, runs, server
from prefect_octopusx.doctor.checks import Case, Check, examine
from prefect_octopusx.doctor.destination import KINDS, checks_of_destination
from prefect_octopusx.doctor.results import Diagnosis

__all__ = ["diagnose"]


async def diagnose(
    destination: Destination | str | None = None,
    *,
    only: Collection[str] = (),
    timeout: float = 20.0,  # noqa: ASYNC109 - of each check, not of the whole
    clock: Callable[[], float] = time.time,
) -> Diagnosis:
    """Check what this project needs. Sends nothing that is billed; what it writes to the destination it removes.

    Args:
        destination: Where videos go: a destination, or a saved block such as `s3-destination/default`. Left out, what
            the flows would use.
        only: The names of the checks to run, with those that they need; left out, all.
        timeout: Seconds that each check may take; what takes longer has failed.
        clock: Seconds since 1970, by this machine.

    Returns:
        All results. Trouble is one of them, never raised.

    Raises:
        ValueError: `destination` names no block of ours, `only` no check, or `timeout` is not above 0.
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
    if unknown := sorted(set(only) - {check.name for check in checks}):
        known = ", ".join(check.name for check in checks)
        raise ValueError(f"only: there is no check {', '.join(unknown)}; there are {known}")
    results = await examine(_with_needs(checks, only) if only else checks, Case(destination, clock), timeout=timeout)
    order = ("octopusx", "destination", "prefect", "machine")
    return Diagnosis(checks=tuple(sorted(results, key=lambda result: order.index(result.group))))


def _with_needs(checks: Sequence[Check], only: Collection[str]) -> list[Check]:
    """Return these checks and those that they need, in order."""
    wanted = set(only)
    for check in reversed(checks):  # those that are needed come before
        if check.name in wanted:
            wanted.update(check.needs)
    return [check for check in checks if check.name in wanted]
