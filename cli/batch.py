"""`prefect-octopusx batch`: a list of videos."""

from typing import Annotated, Literal

from cyclopts import Parameter

from prefect_octopusx.cli.exits import Exit
from prefect_octopusx.cli.fields import values_of
from prefect_octopusx.cli.options import HOW, Access, Output, Pairs, Seconds, Switch, Where
from prefect_octopusx.cli.perform import checked_name, perform
from prefect_octopusx.cli.places import place_of
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
    sandbox: Annotated[Switch, Parameter(group=HOW)] = False,
    dry_run: Annotated[Switch, Parameter(group=HOW)] = False,
    max_new_videos: Annotated[int | None, Parameter(group=HOW)] = None,
    max_in_flight: Annotated[int, Parameter(group=HOW)] = 100,
    deadline: Annotated[Seconds, Parameter(group=HOW)] = None,
    poll_interval: Annotated[Seconds, Parameter(group=HOW)] = None,
    on_uncertain: Annotated[Literal["stop", "resubmit"], Parameter(group=HOW)] = "stop",
    retry_failed: Annotated[Switch, Parameter(group=HOW)] = False,
    output: Output | None = None,
) -> int:
    """Make the videos of a list.

    Args:
        manifest: The list: a path or s3://bucket/key, ending in .jsonl, .csv or .yaml.
        name: The batch's name, by which its results are stored; that of the list if left out.
        default: A field of all videos that say nothing of it. Can be repeated.
        where: Where the videos are.
        access: Whose key.
        sandbox: Try it with a sandbox that lives as long as this command: nothing is billed, the clips are samples.
        dry_run: Only say what would be done.
        max_new_videos: How many creates may be sent at most.
        max_in_flight: How many videos are in the making at once.
        deadline: Give up waiting so long after each submission; 3600, or 49 hours for off-peak, if left out.
        poll_interval: Time between looks at each video; a pacing that fits the model if left out.
        on_uncertain: Where nobody knows whether an earlier create was accepted: stop, or resubmit at the risk of paying
            twice.
        retry_failed: Try anew, and pay for, what failed or was refused.
        output: What is to be seen.
    """
    place, keys = where or Where(), access or Access()

    def work(screen: Screen) -> Exit:
        at, values = place_of(place), values_of("--default", default or ())
        label = checked_name(name) if name else None
        with prefect_ready(screen) as stays:
            from prefect_octopusx.cli.making_many import make_list  # noqa: PLC0415 - imports Prefect: takes seconds

            return make_list(
                screen,
                manifest,
                at,
                keys,
                server_stays=stays,
                sandbox=sandbox,
                name=label,
                defaults=values or None,
                dry_run=dry_run,
                max_new_videos=max_new_videos,
                max_in_flight=max_in_flight,
                deadline=deadline,
                poll_interval=poll_interval,
                on_uncertain=on_uncertain,
                retry_failed=retry_failed,
                wait="process",
            )

    return perform(output or Output(), work)
