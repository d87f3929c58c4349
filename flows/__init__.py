"""What a user runs."""

from prefect_octopusx.flows.generate_video import generate_video

__all__ = ["generate_video"]
