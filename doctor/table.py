"""The diagnosis for people."""

from itertools import groupby

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from prefect_octopusx.doctor.results import CheckResult, Diagnosis, Verdict

__all__ = ["show"]

_TITLES = {"octopusx": "OctopusX", "destination": "Destination", "prefect": "Prefect", "machine": "This machine"}
_STYLES = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILED: "bold red", Verdict.SKIPPED: "dim"}
_WIDTH = 120


def show(diagnosis: Diagnosis, console: Console | None = None) -> None:
    """Print a table: a line each, what to do below what is wrong, and at the end the counts.

    Colours are for terminals only.
    """
    console = console or Console(highlight=False, emoji=False, markup=False)
    if console.is_terminal:
        _print(diagnosis, console)
        return
    console.width = _WIDTH
    with console.capture() as captured:
        _print(diagnosis, console)
    lines = "\n".join(line.rstrip() for line in captured.get().splitlines())  # a grid fills its lines with blanks
    console.file.write(f"{lines}\n")


def _print(diagnosis: Diagnosis, console: Console) -> None:
    for group, results in groupby(diagnosis.checks, key=lambda check: check.group):
        table = Table.grid(padding=(0, 2))
        table.add_column(width=9)
        table.add_column(width=max(len(check.name) for check in diagnosis.checks))
        table.add_column(overflow="fold")
        for check in _without_skipped(list(results)):
            table.add_row(Text(f"  {check.verdict}", _STYLES[check.verdict]), check.name, _told(check))
        console.print(Text(_TITLES[group], "bold"), table, Text())
    console.print(Text(_summary(diagnosis)))


def _told(check: CheckResult) -> Group:
    lines = [Text(check.found, "dim" if check.verdict is Verdict.SKIPPED else "")]
    if check.mend:
        lines.append(Text("\n".join(f"→ {line}" for line in check.mend.splitlines()), "dim"))
    return Group(*lines)


def _without_skipped(results: list[CheckResult]) -> list[CheckResult]:
    """Put what is skipped for the same reason into one line, after the others."""
    looked_at = [check for check in results if check.verdict is not Verdict.SKIPPED]
    reasons: dict[str, list[CheckResult]] = {}
    for check in results:
        if check.verdict is Verdict.SKIPPED:
            reasons.setdefault(check.found, []).append(check)
    for why, checks in reasons.items():
        others = f"; so are {', '.join(check.name for check in checks[1:])}" if len(checks) > 1 else ""
        looked_at.append(checks[0].model_copy(update={"found": f"{why}{others}"}))
    return looked_at


def _summary(diagnosis: Diagnosis) -> str:
    counts = diagnosis.counts
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
