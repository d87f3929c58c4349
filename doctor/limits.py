"""The limits that a team shares, if it has any."""

from collections.abc import Awaitable, Callable

from prefect import get_client
from prefect.exceptions import ObjectNotFound

from prefect_octopusx.doctor.checks import Case, Check
from prefect_octopusx.doctor.findings import Finding, failed, ok, warning
from prefect_octopusx.tasks.limits import CREATES, REQUESTS, why_stopped

__all__ = ["CHECKS"]

_MENDS = {
    CREATES: f"prefect gcl update {CREATES} --limit 1 --slot-decay-per-second 0.5",
    REQUESTS: f"prefect gcl update {REQUESTS} --limit 10",
}
_HINTS = {
    CREATES: f"To share a rate of creates:\nprefect gcl create {CREATES} --limit 1 --slot-decay-per-second 0.5",
    REQUESTS: f"To share a number of requests:\nprefect gcl create {REQUESTS} --limit 10",
}


def _limit(name: str) -> Callable[[Case], Awaitable[Finding]]:
    async def look(case: Case) -> Finding:
        del case
        try:
            async with get_client() as client:
                limit = await client.read_global_concurrency_limit_by_name(name)
        except ObjectNotFound:
            return ok("there is none, and none is needed", _HINTS[name])
        if not limit.active:
            return ok("it is switched off", f"To use it:\nprefect gcl enable {name}")
        if stopped := why_stopped(limit):
            return failed(stopped.partition(". ")[0], _MENDS[name])
        if limit.slot_decay_per_second > 0:
            return ok(f"{limit.limit} at once, and {limit.slot_decay_per_second:g} a second")
        if limit.active_slots >= limit.limit:
            return warning(
                f"all {limit.limit} slots are taken",
                f"If nothing runs, a restart of the server lost them:\nprefect gcl update {name} --active-slots 0",
            )
        return ok(f"{limit.active_slots} of {limit.limit} slots are taken")

    return look


CHECKS = (
    Check("prefect", f"limit-{CREATES}", _limit(CREATES), needs=("prefect-api",)),
    Check("prefect", f"limit-{REQUESTS}", _limit(REQUESTS), needs=("prefect-api",)),
)
