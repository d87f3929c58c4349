"""Many videos at a terminal, and what is said of them. Importing this imports Prefect."""

import asyncio
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

from prefect_octopusx.api import OctopusXError
from prefect_octopusx.batches import BatchFailed, BatchResult, read_results, results_file
from prefect_octopusx.cli.exits import Exit, Refused
from prefect_octopusx.cli.flow_runs import run_flow
from prefect_octopusx.cli.options import Access
from prefect_octopusx.cli.places import Place
from prefect_octopusx.cli.screen import Screen
from prefect_octopusx.cli.way_in import WayIn, sandbox_way_in, way_in
from prefect_octopusx.flows import CollectedVideo, collect_videos, generate_videos
from prefect_octopusx.flows.manifests import batch_name

__all__ = ["collect_all", "make_list"]


def make_list(
    screen: Screen,
    manifest: str,
    place: Place,
    access: Access,
    *,
    name: str | None,
    sandbox: bool,
    server_stays: bool,
    **options: Any,  # noqa: ANN401 - of the flow
) -> Exit:
    """Make the videos of a list; see the flow `generate_videos`."""
    try:
        label = batch_name(name or PurePosixPath(manifest).stem)
    except ValueError as error:
        raise Refused(str(error)) from None
    screen.document["name"] = label
    with sandbox_way_in(screen, place, access, wanted=sandbox) as way:
        if options["poll_interval"] is None:
            options["poll_interval"] = way.poll_interval
        options |= {"name": name, "destination": way.destination, "credentials": way.credentials}
        try:
            result: BatchResult = run_flow(
                generate_videos, screen, label, server_stays=server_stays, manifest=manifest, **options
            )
        except KeyboardInterrupt:
            screen.left_behind = [
                "Interrupted. The sandbox ended with it; nothing was billed."
                if way.is_sandbox
                else f"Interrupted. What was submitted of {label} goes on without this command, and is paid for. The "
                "same command again waits for it, and makes what is missing."
            ]
            raise
        except BatchFailed:
            if screen.is_json:
                with suppress(OctopusXError):  # which must not hide what became of the batch
                    screen.document = asyncio.run(_results(label, way))
            raise
    screen.done(
        {**result.model_dump(mode="json"), "stored": result.stored, "failed": result.failed, "held": result.held},
        addresses=[one.uri for one in result.results],
        lines=[*_plan(result), result.summary()],
    )
    return Exit.DONE


def collect_all(screen: Screen, place: Place, access: Access, *, server_stays: bool) -> Exit:
    """Store what is ready; see the flow `collect_videos`."""
    way = way_in(place, access)
    screen.left_behind = ["Interrupted. What is not stored yet stays for the next `collect`."]
    rows: list[CollectedVideo] = run_flow(
        collect_videos,
        screen,
        "collect",
        server_stays=server_stays,
        destination=way.destination,
        credentials=way.credentials,
    )
    width = max((len(row.name) for row in rows), default=0)
    screen.done(
        {"videos": [row.model_dump(mode="json") for row in rows]},
        addresses=[row.uri for row in rows],
        lines=[f"{row.state:<10}  {row.name:<{width}}  {row.uri or row.note}" for row in rows]
        or ["Nothing is in the making."],
    )
    return Exit.DONE


def _plan(result: BatchResult) -> list[str]:
    """Return the lines of a dry run."""
    if result.plan is None:
        return []
    return [
        f"{one.state:<11}  {one.name} ({one.model}){f': {one.error}' if one.error else ''}" for one in result.results
    ]


async def _results(label: str, way: WayIn) -> dict[str, Any]:
    """Return the results that the flow has written, for a JSON document that tells of an error."""
    data = await (await way.destination.store()).read_file(results_file(label))
    results = read_results(data, where=label) if data else []
    return {"name": label, "results": [one.model_dump(mode="json") for one in results]}
