"""Prefect tasks with native retries, one step of a video's way each."""

from prefect_octopusx.tasks.create_video import create_video
from prefect_octopusx.tasks.download_video import download_video
from prefect_octopusx.tasks.query_video import query_video
from prefect_octopusx.tasks.save_video import save_video
from prefect_octopusx.tasks.upload_video import upload_video
from prefect_octopusx.tasks.wait_for_video import wait_for_video

__all__ = ["create_video", "download_video", "query_video", "save_video", "upload_video", "wait_for_video"]
