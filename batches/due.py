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
    """What of a calendar is to be made at a tick.

    Attributes:
        items: In order of time, then of rows. Most were made at earlier ticks.
        over: The names of rows whose date is too long ago, the latest last. Most were made in their time.
        later: How many rows with a date are still to come.
    """

    items: list[VideoItem]
    over: list[str]
    later: int


def due_videos(
    manifest: Manifest,
    *,
    tick: datetime,
    zone: ZoneInfo,
    look_ahead_days: int = 0,
    catch_up_days: int | None = None,
    weekdays: Collection[Weekday] | None = None,
) -> DueVideos:
    """Return what is due.

    Args:
        manifest: The calendar. Either all of its rows have a date, or none has: then it is a rotation.
        tick: The time for which the run was scheduled, with an offset.
        zone: Where days start and dates are read.
        look_ahead_days: Days by which videos are made before their time.
        catch_up_days: Days before the tick's own that are made up for: 1 by default with dates, 0 for a rotation.
        weekdays: The days that take a turn in a rotation; all seven by default.

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
