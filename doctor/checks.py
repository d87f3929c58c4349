"""How checks are run: side by side, each within its own time, none stopping another."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from prefect.client.schemas.responses import DeploymentResponse

from prefect_octopusx.api import KeyUsage, OctopusXError
from prefect_octopusx.api.redact import redact
from prefect_octopusx.blocks import Destination, OctopusXCredentials
from prefect_octopusx.doctor.findings import Finding, failed, skipped, told_by
from prefect_octopusx.doctor.places import Place
from prefect_octopusx.doctor.results import CheckResult, Verdict
from prefect_octopusx.doctor.threads import SpareThreads
from prefect_octopusx.storage import VideoStore

__all__ = ["Case", "Check", "Deployed", "examine"]

_GRACE = 3.0  # seconds, in which what was written can be removed


class Deployed(NamedTuple):
    """A deployment of one of our flows."""

    name: str
    """`FLOW/DEPLOYMENT`, as Prefect's commands want it."""
    deployment: DeploymentResponse


@dataclass
class Case:
    """What is examined, and what checks learn for those that need them."""

    asked_for: Destination | str | None
    """A destination, the name of a saved block, or None for what the flows would use."""
    clock: Callable[[], float]
    credentials: OctopusXCredentials | None = None
    save: str = ""
    """How to save another key."""
    usage: KeyUsage | None = None
    refusal: OctopusXError | None = None
    """Why the gateway did not tell the key's usage."""
    place: Place | None = None
    threads: SpareThreads = field(default_factory=SpareThreads)
    """What is done at the place; at the end it has a few seconds more, to remove what it wrote."""
    store: VideoStore | None = None
    server_settings: dict[str, object] | None = None
    """Those of Prefect's server; None where it does not tell."""
    deployments: list[Deployed] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)
    """What must be in no result, whoever repeats it."""


@dataclass(frozen=True)
class Check:
    """A check; it is skipped where one of those that it `needs` failed or was skipped."""

    group: str
    name: str
    look: Callable[[Case], Awaitable[Finding]]
    needs: tuple[str, ...] = ()
    writes: bool = False
    """To the place."""


async def examine(checks: Sequence[Check], case: Case, *, timeout: float) -> list[CheckResult]:  # noqa: ASYNC109 - of each check
    """Run all checks side by side, and return their results in the same order.

    Args:
        checks: Those that need others come after them.
        case: What is examined.
        timeout: Seconds that each may take by itself.
    """
    under_way: dict[str, asyncio.Task[CheckResult]] = {}

    async def run(check: Check) -> CheckResult:
        for need in check.needs:
            earlier = await under_way[need]
            if earlier.verdict in {Verdict.FAILED, Verdict.SKIPPED}:
                return _result(check, skipped(_because(earlier)), case, 0.0)
        began = time.monotonic()
        finding = await _look(check, case, timeout)
        return _result(check, finding, case, time.monotonic() - began)

    for check in checks:
        under_way[check.name] = asyncio.create_task(run(check))
    try:
        return [await task for task in under_way.values()]
    finally:
        for task in under_way.values():
            task.cancel()
        await case.threads.finish(_GRACE)


async def _look(check: Check, case: Case, limit: float) -> Finding:
    try:
        async with asyncio.timeout(limit):
            return await check.look(case)
    except TimeoutError:
        left = f"; it may have left something in {case.place.own}" if check.writes and case.place else ""
        return failed(
            f"no end within {limit:g} s{left}", "Look at the network and at what is asked, or raise --timeout"
        )
    except OctopusXError as error:
        return told_by(error, case.place.address if case.place else "")
    except Exception as error:  # noqa: BLE001 - a check that breaks stops no other
        return failed(f"the check broke off ({type(error).__name__}: {error})", "Mend what it names, or report it")


def _because(earlier: CheckResult) -> str:
    """Return why a check is skipped: the first that failed, however many are skipped after it."""
    return f"{earlier.name} failed" if earlier.verdict is Verdict.FAILED else earlier.found


def _result(check: Check, finding: Finding, case: Case, seconds: float) -> CheckResult:
    return CheckResult(
        group=check.group,
        name=check.name,
        verdict=finding.verdict,
        found=_clean(finding.found, case),
        mend=_clean(finding.mend, case),
        seconds=round(seconds, 3),
    )


def _clean(text: str, case: Case) -> str:
    for secret in case.secrets:
        text = text.replace(secret, "…")
    return redact(text)
