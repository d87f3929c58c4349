"""Lists of videos: manifests, what of them is due when, and what became of them. No Prefect in here."""

from prefect_octopusx.batches.calendar import CalendarRow, Due, Tick, Weekday, check_rotation, due_at, zone_named
from prefect_octopusx.batches.due import DueVideos, due_videos
from prefect_octopusx.batches.errors import Fault, ManifestError
from prefect_octopusx.batches.manifest import Manifest, read_manifest
from prefect_octopusx.batches.named import named_items
from prefect_octopusx.batches.plan import PlannedVideo, hold_back
from prefect_octopusx.batches.results import (
    BatchFailed,
    BatchResult,
    ResultsInvalid,
    VideoResult,
    items_of,
    read_results,
    results_file,
    write_results,
)
from prefect_octopusx.batches.rows import Row, VideoItem

__all__ = [
    # A list of videos: in a file, or in Python
    "read_manifest",
    "Manifest",
    "Row",
    "named_items",
    "VideoItem",
    "ManifestError",
    "Fault",
    # What of it is due when
    "due_videos",
    "DueVideos",
    "due_at",
    "Tick",
    "Due",
    "CalendarRow",
    "check_rotation",
    "zone_named",
    "Weekday",
    # What is going to be done
    "PlannedVideo",
    "hold_back",
    # What became of it
    "BatchResult",
    "VideoResult",
    "results_file",
    "read_results",
    "items_of",
    "write_results",
    "BatchFailed",
    "ResultsInvalid",
]
