"""What a user runs."""

from prefect_octopusx.flows.adopt_video import adopt_video
from prefect_octopusx.flows.collect_videos import CollectedVideo, collect_videos
from prefect_octopusx.flows.generate_due_videos import generate_due_videos
from prefect_octopusx.flows.generate_video import generate_video
from prefect_octopusx.flows.generate_videos import generate_videos
from prefect_octopusx.flows.redrive_videos import redrive_videos

__all__ = [
    # One video
    "generate_video",
    "adopt_video",
    # Many
    "generate_videos",
    "generate_due_videos",
    "redrive_videos",
    # What other runs left
    "collect_videos",
    "CollectedVideo",
]
