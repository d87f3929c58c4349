"""What was found, as values for people and machines."""

from collections import Counter
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, computed_field

from prefect_octopusx.api.documented import fields_in_help

__all__ = ["CheckResult", "Diagnosis", "Verdict"]


class Verdict(StrEnum):
    """How one check ended."""

    OK = "ok"
    WARNING = "warning"
    """It works, but something is likely to hurt later."""
    FAILED = "failed"
    """Videos are not made, not stored, or may be paid twice, until it is mended."""
    SKIPPED = "skipped"
    """It was not looked at; `found` says why."""


@fields_in_help
class CheckResult(BaseModel):
    """One check. Free of keys and signed URLs."""

    model_config = ConfigDict(frozen=True)

    group: str = Field(description="octopusx, destination, prefect or machine.")
    name: str = Field(description="Which check; it never changes its meaning.")
    verdict: Verdict = Field(description="How it ended.")
    found: str = Field(description="What was seen, for people.")
    mend: str = Field(default="", description="What to do, with a command where there is one; empty if nothing.")
    seconds: float = Field(default=0.0, description="How long it took.")


@fields_in_help
class Diagnosis(BaseModel):
    """All checks, in the order of the pages."""

    model_config = ConfigDict(frozen=True)

    checks: tuple[CheckResult, ...] = Field(description="One for each thing that was looked at.")

    @computed_field  # type: ignore[prop-decorator] # as pydantic's pages have it
    @property
    def counts(self) -> dict[Verdict, int]:
        """How many checks ended so; all verdicts are in it."""
        found = Counter(check.verdict for check in self.checks)
        return {verdict: found[verdict] for verdict in Verdict}

    def passed(self, *, strict: bool = False) -> bool:
        """Tell whether nothing failed, and with `strict` nothing warned either."""
        bad = {Verdict.FAILED, Verdict.WARNING} if strict else {Verdict.FAILED}
        return not any(check.verdict in bad for check in self.checks)

    def of(self, name: str) -> CheckResult:
        """Return one check's result.

        Raises:
            KeyError: There is no such check.
        """
        for check in self.checks:
            if check.name == name:
                return check
        raise KeyError(name)
