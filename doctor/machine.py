"""This machine: its Python and the packages that pyproject.toml bounds."""

import platform
import sys
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from prefect_octopusx.doctor.checks import Case, Check
from prefect_octopusx.doctor.findings import Finding, failed, ok, together

__all__ = ["CHECKS"]

_OURSELVES = "prefect-octopusx"
_SHOWN = ("prefect", "sqlalchemy", "fastapi")


async def _python(case: Case) -> Finding:
    del case
    found = f"Python {platform.python_version()} on {platform.system()}"
    if sys.platform == "win32":
        return failed(f"{found}: folders don't work there", "Use a bucket, or WSL")
    return ok(found)


async def _packages(case: Case) -> Finding:
    del case
    wanted = [Requirement(line) for line in requires(_OURSELVES) or ()]
    ours = [requirement for requirement in wanted if not requirement.marker or requirement.marker.evaluate()]
    versions = ", ".join(f"{name} {version(name)}" for name in _SHOWN if _is_there(name))
    return together(map(_fits, ours), well=f"{_OURSELVES} {version(_OURSELVES)}; {versions}")


def _fits(requirement: Requirement) -> Finding:
    name, bounds = requirement.name, requirement.specifier
    if not _is_there(name):
        return failed(f"{name} is not installed", f"pip install '{requirement}'")
    found = version(name)
    if not SpecifierSet(str(bounds), prereleases=True).contains(found):
        return failed(f"{name} is {found}, but {name}{bounds} is needed", f"pip install '{name}{bounds}'")
    return ok(f"{name} {found}")


def _is_there(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


CHECKS = (
    Check("machine", "python", _python),
    Check("machine", "packages", _packages),
)
