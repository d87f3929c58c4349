"""What this project needs, looked at before it fails at night: `prefect-octopusx doctor`."""

from prefect_octopusx.doctor.diagnosing import diagnose
from prefect_octopusx.doctor.results import CheckResult, Diagnosis, Verdict

__all__ = [
    "diagnose",
    # What it found
    "Diagnosis",
    "CheckResult",
    "Verdict",
]
