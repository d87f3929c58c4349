"""docs/doctor.md tells of every check and every option."""

import re
import subprocess
import sys

from prefect_octopusx.doctor import diagnose
from tests.docs.pages import rows, section, text
from tests.doctor.conftest import Look


async def test_every_check_is_on_the_page(look: Look) -> None:
    del look
    page = [cells[0].strip("`") for cells in rows(section(text("docs/doctor.md"), "The checks"))[2:]]
    assert page == [check.name for check in (await diagnose()).checks]


def test_every_option_is_on_the_page() -> None:
    command = [sys.executable, "-m", "prefect_octopusx.cli", "doctor", "--help"]
    helped = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    described = {match[0] for cells in rows(text("docs/doctor.md")) if (match := re.match(r"`(--[a-z]+)", cells[0]))}
    assert {found.strip("`") for found in described} == set(re.findall(r"--[a-z]+", helped)) - {"--help"}
