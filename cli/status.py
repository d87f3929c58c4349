"""`prefect-octopusx status`: how a video stands, by its record. Asks nobody else."""

import asyncio
from typing import NamedTuple

from prefect_octopusx.cli.exits import Exit
from prefect_octopusx.cli.options import Output, Where
from prefect_octopusx.cli.perform import checked_name, command_line, perform
from prefect_octopusx.cli.places import Place, place_of
from prefect_octopusx.cli.prefect_session import prefect_ready
from prefect_octopusx.cli.screen import Screen
from prefect_octopusx.storage import Entry, RecordState, VideoRecord

__all__ = ["status"]


def status(name: str, /, *, where: Where | None = None, output: Output | None = None) -> int:
    """Tell how a video stands.

    Args:
        name: The video's name.
        where: Where the videos are.
        output: What is to be seen.
    """
    given = where or Where()

    def work(screen: Screen) -> Exit:
        video, place = checked_name(name, "NAME"), place_of(given)
        if place.address:
            entry = asyncio.run(place.address.store().read(video))
        else:
            with prefect_ready(screen):
                entry = asyncio.run(_read_saved(place, video))
        return _tell(screen, video, entry, place)

    return perform(output or Output(), work)


async def _read_saved(place: Place, name: str) -> Entry | None:
    return await (await (await place.destination()).store()).read(name)


class _Meaning(NamedTuple):
    code: Exit
    next: str
    command: str = ""


def _tell(screen: Screen, name: str, entry: Entry | None, place: Place) -> Exit:
    if entry is None:
        screen.done({"name": name, "state": None}, lines=[f"{name}: there is no record of it here."])
        return Exit.FAILED
    record, meaning = entry.record, _meaning(entry, place)
    rows = {
        "state": record.state,
        "model": record.model,
        "task": record.task_id,
        "claimed": f"{record.claimed_at:%Y-%m-%d %H:%M:%S} UTC",
        "submitted": record.submitted_at and f"{record.submitted_at:%Y-%m-%d %H:%M:%S} UTC",
        "stored": record.completed_at and f"{record.completed_at:%Y-%m-%d %H:%M:%S} UTC",
        "video": record.uri,
        "bytes": record.size and f"{record.size:,}",
        "attempts": str(len(record.earlier) + 1) if record.earlier else None,
        "error": record.error,
        "next": meaning.next,
        "": meaning.command,
    }
    lines = [record.name, *(f"  {label:<9}  {value}" for label, value in rows.items() if value)]
    document = record.model_dump(mode="json", exclude_none=True)
    told = {"next": meaning.next, "command": meaning.command or None}
    screen.done({**document, **told}, addresses=[record.uri], lines=lines)
    return meaning.code


def _meaning(entry: Entry, place: Place) -> _Meaning:
    record = entry.record
    again = "run the same `generate` again"
    match record.state:
        case RecordState.COMPLETED:
            return _Meaning(Exit.DONE, "nothing; it is stored")
        case RecordState.SUBMITTED:
            return _Meaning(
                Exit.IN_THE_MAKING,
                "it is paid for; wait for it and store it, or let `collect` do so once it is ready:",
                _adopt(record.task_id or "TASK-ID", record, place),
            )
        case RecordState.SUBMITTING if entry.age < record.lease:
            return _Meaning(Exit.IN_THE_MAKING, "wait: a run is sending its create")
        case RecordState.SUBMITTING | RecordState.UNCERTAIN:
            return _Meaning(
                Exit.UNCERTAIN,
                "nobody knows whether it was created, and is billed. Look in the OctopusX dashboard for a task of this "
                f"model at this time. If it is not there, {again} with --name {record.name} --on-uncertain resubmit. "
                "If it is there:",
                _adopt("TASK-ID", record, place),
            )
        case RecordState.RELEASED:
            return _Meaning(Exit.FAILED, f"it did not get through, and nothing is billed; {again}")
        case RecordState.REFUSED | RecordState.FAILED:
            return _Meaning(
                Exit.FAILED, f"to try anew, and pay for it, {again} with --name {record.name} --retry-failed"
            )


def _adopt(task_id: str, record: VideoRecord, place: Place) -> str:
    return command_line("adopt", task_id, "--name", record.name, options=place.arguments)
