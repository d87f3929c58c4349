"""docs/doctor.md tells of every check and every option."""

import re

from prefect_octopusx.cli.program import app
from prefect_octopusx.doctor import diagnose
from tests.docs.pages import rows, section, text
from tests.doctor.conftest import Look


async def test_every_check_is_on_the_page(look: Look) -> None:
    del look
    page = [cells[0].strip("`") for cells in rows(section(text("docs/doctor.md"), "The checks"))[2:]]
    assert page == [check.name for check in (await diagnose()).checks]


def test_every_option_is_on_the_page() -> None:
    known = {name for one in app["doctor"].assemble_argument_collection() if (name := one.names[0]).startswith("--")}
    described = {match[1] for cells in rows(text("docs/doctor.md")) if (match := re.match(r"`(--[a-z-]+)", cells[0]))}
    assert described == known
