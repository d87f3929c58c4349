"""The diagnosis for people."""

from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from prefect_octopusx.doctor.results import CheckResult, Diagnosis, Verdict

__all__ = ["show"]

_TITLES = {"octopusx": "OctopusX", "destination": "Destination", "prefect": "Prefect", "machine": "This machine"}
_STYLES = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILED: "bold red", Verdict.SKIPPED: "dim"}
_WIDTH = 120
_VERDICT_WIDTH = 9


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
    name_width = max(len(check.name) for check in diagnosis.checks)
    for group, results in groupby(diagnosis.checks, key=lambda check: check.group):
        console.print(Text(_TITLES[group], "bold"))
        for check in _without_skipped(list(results)):
            row = Table.grid(padding=(0, 2))
            row.add_column(width=_VERDICT_WIDTH)
            row.add_column(width=name_width)
            row.add_column(overflow="fold")
            found = Text(check.found, "dim" if check.verdict is Verdict.SKIPPED else "")
            row.add_row(Text(f"  {check.verdict}", _STYLES[check.verdict]), check.name, found)
            console.print(row)
            for line in check.mend.splitlines():  # each whole on its line, so that a command can be copied
                indent = " " * (_VERDICT_WIDTH + 2 + name_width + 2)
                console.print(Text(f"{indent}→ {line}", "dim"), soft_wrap=True)
        console.print()
    console.print(Text(_summary(diagnosis)))


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
