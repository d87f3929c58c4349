"""What a user runs."""

from prefect_octopusx.flows.adopt_video import adopt_video
from prefect_octopusx.flows.collect_videos import CollectedVideo, collect_videos
from prefect_octopusx.flows.generate_video import generate_video

__all__ = ["generate_video", "adopt_video", "collect_videos", "CollectedVideo"]
