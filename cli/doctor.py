"""`prefect-octopusx doctor`: what is set up wrong."""

import asyncio
import logging
from typing import Annotated

from cyclopts import Parameter

from prefect_octopusx.cli.exits import Exit, Refused
from prefect_octopusx.cli.options import Output, Switch, Texts, Where
from prefect_octopusx.cli.perform import perform
from prefect_octopusx.cli.places import place_of
from prefect_octopusx.cli.screen import Screen, readers_may_leave

__all__ = ["doctor"]


def doctor(
    *,
    where: Where | None = None,
    only: Annotated[Texts, Parameter(metavar="CHECK")] = None,
    timeout: Annotated[float, Parameter(metavar="SECONDS")] = 20.0,
    strict: Switch = False,
    json: Switch = False,
) -> int:
    """Examine, and print what was found.

    Args:
        where: The destination to look at.
        only: Run this check and those that it needs. Can be repeated.
        timeout: For each check.
        strict: Let warnings fail, too.
        json: Print JSON, for machines.
    """

    def work(screen: Screen) -> Exit:
        # Imports Prefect, which takes seconds, and help is wanted at once.
        from prefect_octopusx.doctor import diagnose  # noqa: PLC0415
        from prefect_octopusx.doctor.table import show  # noqa: PLC0415

        screen.left_behind = ["Interrupted. What was just written to the destination, as .doctor…, may still be there."]
        logging.disable(logging.WARNING)  # what goes wrong is in the results
        try:
            place = place_of(where or Where())
            destination = asyncio.run(place.destination()) if place.address else place.block
            diagnosis = asyncio.run(diagnose(destination, only=only or (), timeout=timeout))
        except ValueError as error:
            raise Refused(str(error)) from None
        finally:
            logging.disable(logging.NOTSET)
        if json:
            screen.write(diagnosis.model_dump_json(indent=2))
        else:
            with readers_may_leave():
                show(diagnosis)
        return Exit.DONE if diagnosis.passed(strict=strict) else Exit.FAILED

    return perform(Output(json=json), work)
