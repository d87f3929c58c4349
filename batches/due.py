"""What of a calendar is to be made at a tick of its schedule."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from prefect_octopusx.batches.calendar import Tick, Weekday, check_rotation, due_at
from prefect_octopusx.batches.errors import Fault, ManifestError, refused
from prefect_octopusx.batches.manifest import Manifest
from prefect_octopusx.batches.rows import VideoItem

__all__ = ["DueVideos", "due_videos"]


class DueVideos(NamedTuple):
    """What of a calendar is to be made at a tick."""

    items: list[VideoItem]
    """In order of time, then of rows. Most were made at earlier ticks."""
    over: list[str]
    """The names of rows whose date is too long ago, the latest last. Most were made in their time."""
    later: int
    """How many rows with a date are still to come."""


def due_videos(
    manifest: Manifest,
    *,
    tick: datetime,
    zone: ZoneInfo,
    look_ahead_days: int = 0,
    catch_up_days: int | None = None,
    weekdays: Collection[Weekday] | None = None,
) -> DueVideos:
    """Return what is due; `due_at` explains the arguments.

    Raises:
        ManifestError: The manifest or an argument has faults; all are told, also those of rows that are not due.
    """
    rows, faults = manifest.rows, list[Fault]()
    takes_turns = all(row.date is None for row in rows)
    try:
        manifest.videos(tick.astimezone(zone), together=not takes_turns)
    except ManifestError as error:
        faults += error.faults
    found = Tick([], [], 0)
    try:
        found = due_at(
            rows,
            tick=tick,
            zone=zone,
            look_ahead_days=look_ahead_days,
            catch_up_days=catch_up_days,
            weekdays=weekdays,
        )
        if not faults:
            check_rotation(rows, tick=tick, zone=zone, weekdays=weekdays)
    except ValueError as error:
        faults += [Fault(place="", column="", message=line) for line in str(error).splitlines()]
    if faults:
        raise refused(manifest.where, faults)
    return DueVideos(
        items=[rows[due.row_index].video(due.scheduled) for due in found.due],
        over=[rows[due.row_index].name_at(due.scheduled) for due in found.over],
        later=found.later,
    )
