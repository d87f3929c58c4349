"""`prefect-octopusx batch`: a list of videos."""

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from prefect_octopusx.cli.exits import Exit
from prefect_octopusx.cli.fields import values_of
from prefect_octopusx.cli.options import HOW, Access, How, Output, Pairs, Switch, Where
from prefect_octopusx.cli.perform import checked_name, perform
from prefect_octopusx.cli.places import place_of, samples_only
from prefect_octopusx.cli.prefect_session import prefect_ready
from prefect_octopusx.cli.screen import Screen

__all__ = ["batch"]


def batch(
    manifest: str,
    /,
    *,
    name: str | None = None,
    default: Pairs = None,
    where: Where | None = None,
    access: Access | None = None,
    how: How | None = None,
    dry_run: Annotated[Switch, Parameter(group=HOW)] = False,
    max_new_videos: Annotated[int | None, Parameter(group=HOW, validator=Number(gte=0))] = None,
    max_in_flight: Annotated[int, Parameter(group=HOW, validator=Number(gte=1, lte=10_000))] = 100,
    output: Output | None = None,
) -> int:
    """Make the videos of a list.

    Args:
        manifest: The list: a path or s3://bucket/key, ending in .jsonl, .csv or .yaml.
        name: The batch's name, by which its results are stored; that of the list if left out.
        default: A field of all videos that say nothing of it. Can be repeated.
        where: Where the videos are.
        access: Whose key.
        how: How they are made.
        dry_run: Only say what would be done. It needs the key, too, and sends nothing by it.
        max_new_videos: How many creates may be sent at most.
        max_in_flight: How many videos are in the making at once.
        output: What is to be seen.
    """
    place, keys, so = where or Where(), access or Access(), how or How()

    def work(screen: Screen) -> Exit:
        at, values = place_of(place), values_of("--default", default or ())
        label = checked_name(name) if name is not None else None
        if so.sandbox:
            samples_only(at, keys)
        with prefect_ready(screen) as stays:
            from prefect_octopusx.cli.making_many import make_list  # noqa: PLC0415 - imports Prefect: takes seconds

            return make_list(
                screen,
                manifest,
                at,
                keys,
                server_stays=stays,
                name=label,
                defaults=values or None,
                dry_run=dry_run,
                max_new_videos=max_new_videos,
                max_in_flight=max_in_flight,
                wait="process",
                **vars(so),
            )

    return perform(output or Output(), work)
