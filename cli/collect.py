"""`prefect-octopusx collect`: what other runs left behind."""

from prefect_octopusx.cli.exits import Exit
from prefect_octopusx.cli.options import Access, Output, Where
from prefect_octopusx.cli.perform import perform
from prefect_octopusx.cli.places import place_of
from prefect_octopusx.cli.prefect_session import prefect_ready
from prefect_octopusx.cli.screen import Screen

__all__ = ["collect"]


def collect(*, where: Where | None = None, access: Access | None = None, output: Output | None = None) -> int:
    """Store what is ready."""
    place, keys = where or Where(), access or Access()

    def work(screen: Screen) -> Exit:
        at = place_of(place)
        with prefect_ready(screen) as stays:
            from prefect_octopusx.cli.making_many import collect_all  # noqa: PLC0415 - imports Prefect: takes seconds

            return collect_all(screen, at, keys, server_stays=stays)

    return perform(output or Output(), work)
