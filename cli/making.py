"""Waiting for one video at a terminal, and what is said of it. Importing this imports Prefect."""

import asyncio
from typing import Any

from prefect import Flow

from prefect_octopusx.api import OctopusXError, VideoRequest
from prefect_octopusx.api.redact import redact
from prefect_octopusx.cli.exits import Exit
from prefect_octopusx.cli.flow_runs import run_flow
from prefect_octopusx.cli.options import Access
from prefect_octopusx.cli.perform import command_line
from prefect_octopusx.cli.places import Place
from prefect_octopusx.cli.screen import Screen
from prefect_octopusx.cli.way_in import WayIn, sandbox_way_in, way_in
from prefect_octopusx.flows import adopt_video, generate_video
from prefect_octopusx.storage import RecordState, VideoRecord

__all__ = ["make", "take_over"]


def make(
    screen: Screen,
    request: VideoRequest,
    name: str,
    place: Place,
    access: Access,
    *,
    sandbox: bool,
    server_stays: bool,
    **options: Any,  # noqa: ANN401 - of the flow
) -> Exit:
    """Make a video; see the flow `generate_video`."""
    with sandbox_way_in(screen, place, access, wanted=sandbox) as way:
        if options["poll_interval"] is None:
            options["poll_interval"] = way.poll_interval
        return _finish(screen, generate_video, name, way, server_stays=server_stays, request=request, **options)


def take_over(
    screen: Screen,
    task_id: str,
    name: str,
    place: Place,
    access: Access,
    *,
    server_stays: bool,
    **options: Any,  # noqa: ANN401
) -> Exit:
    """Take over a task; see the flow `adopt_video`."""
    way = way_in(place, access)
    return _finish(screen, adopt_video, name, way, server_stays=server_stays, task_id=task_id, **options)


def _finish(
    screen: Screen,
    flow: Flow[Any, Any],
    name: str,
    way: WayIn,
    *,
    server_stays: bool,
    **parameters: Any,  # noqa: ANN401
) -> Exit:
    screen.document["name"] = name
    given = {**parameters, "name": name, "destination": way.destination, "credentials": way.credentials}
    try:
        record: VideoRecord = run_flow(flow, screen, name, server_stays=server_stays, **given)
    except KeyboardInterrupt:
        screen.left_task, screen.left_behind = _left_behind(name, way, parameters.get("task_id"))
        raise
    document, addresses = record.model_dump(mode="json", exclude_none=True), [record.uri or record.name]
    screen.done(document, addresses=addresses, lines=_told(record, way))
    return Exit.DONE


def _told(record: VideoRecord, way: WayIn) -> list[str]:
    if record.state is not RecordState.COMPLETED:
        return [
            f"submitted  {record.name}, task {record.task_id}",
            f"           Store it later: {_command('collect', way=way)}",
        ]
    facts = [record.model, f"{record.size or 0:,} bytes"]
    if record.submitted_at and record.completed_at:
        facts.append(f"{(record.completed_at - record.submitted_at).total_seconds():.0f} s")
    facts += ["a sample of the sandbox; nothing was billed"] if way.is_sandbox else []
    return [f"stored  {record.uri}", f"        {', '.join(facts)}"]


def _left_behind(name: str, way: WayIn, adopted: str | None) -> tuple[str | None, list[str]]:
    """Return the task that Ctrl-C left behind, and what to say: how it stands, and the ways back."""
    if way.is_sandbox:
        return None, ["Interrupted. The sandbox ended with it; nothing was billed."]
    status = _command("status", name, way=way._replace(access=()))
    try:
        record = asyncio.run(_record(name, way))
    except OctopusXError as error:
        return adopted, [f"Interrupted. How {name} stands can't be read ({redact(str(error))}). Later: {status}"]
    if adopted is not None and (record is None or record.task_id != adopted):
        return adopted, [f"Interrupted. Task {adopted} is as it was. To take it over, run the same `adopt` again."]
    if record is None or record.state in {RecordState.RELEASED, RecordState.REFUSED}:
        return None, [f"Interrupted. Nothing was submitted as {name}, and nothing is billed."]
    lines = [f"Interrupted. {name} is {record.state}. How to go on: {status}"]
    if record.state is RecordState.COMPLETED:
        lines = [f"Interrupted. It is stored already: {record.uri}"]
    elif record.state is RecordState.SUBMITTED and record.task_id:
        lines = [
            f"Interrupted. {name} goes on without this command, and is paid for: task {record.task_id}",
            f"Wait for it again:  {_command('adopt', record.task_id, '--name', name, way=way)}",
            f"Or, once it is ready:  {_command('collect', way=way)}",
            *([f"The same `generate` with --name {name} goes on, too."] if adopted is None else []),
        ]
    return record.task_id, lines


async def _record(name: str, way: WayIn) -> VideoRecord | None:
    entry = await (await way.destination.store()).read(name)
    return entry.record if entry else None


def _command(*words: str, way: WayIn) -> str:
    return redact(command_line(*words, options=(*way.where, *way.access)))
