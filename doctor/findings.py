"""A check's words, and how several are put together."""

from collections.abc import Iterable
from typing import NamedTuple

from prefect_octopusx.api import OctopusXError
from prefect_octopusx.doctor.results import Verdict

__all__ = ["Finding", "failed", "ok", "skipped", "together", "told_by", "warning"]

_WORST_FIRST = (Verdict.FAILED, Verdict.WARNING, Verdict.OK, Verdict.SKIPPED)


class Finding(NamedTuple):
    """What a check says."""

    verdict: Verdict
    found: str
    mend: str = ""


def ok(found: str, mend: str = "") -> Finding:
    """Say that all is well; `mend` may hold a hint."""
    return Finding(Verdict.OK, found, mend)


def warning(found: str, mend: str) -> Finding:
    """Say that it will hurt later."""
    return Finding(Verdict.WARNING, found, mend)


def failed(found: str, mend: str) -> Finding:
    """Say that it does not work."""
    return Finding(Verdict.FAILED, found, mend)


def skipped(why: str) -> Finding:
    """Say that nobody looked."""
    return Finding(Verdict.SKIPPED, why)


def told_by(error: OctopusXError, address: str = "") -> Finding:
    """Say what an error says. Its message names a place (at `address`, if it does), a reason, and then the way on."""
    message = str(error.args[0])
    before, at, after = message.rpartition(address) if address else ("", "", message)
    found, _, mend = after.partition(". ")
    return failed(f"{before}{at}{found}", mend)  # in the address itself ". " ends no sentence


def together(findings: Iterable[Finding], *, well: str) -> Finding:
    """Return the worst verdict with all that is wrong, a line each; `well` where nothing is."""
    wrong = [finding for finding in findings if finding.verdict in {Verdict.FAILED, Verdict.WARNING}]
    if not wrong:
        return ok(well)
    wrong.sort(key=lambda finding: _WORST_FIRST.index(finding.verdict))
    mends = dict.fromkeys(finding.mend for finding in wrong if finding.mend)
    return Finding(wrong[0].verdict, "\n".join(finding.found for finding in wrong), "\n".join(mends))
