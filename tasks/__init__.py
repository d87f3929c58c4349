"""Prefect tasks with native retries, one step of a video's way each."""

from prefect_octopusx.tasks.adopt_task import adopt_task
from prefect_octopusx.tasks.assets import video_asset
from prefect_octopusx.tasks.batch import Batch
from prefect_octopusx.tasks.create_video import create_video
from prefect_octopusx.tasks.download_video import download_video
from prefect_octopusx.tasks.find_pending import PendingVideo, find_pending
from prefect_octopusx.tasks.make_video import make_video
from prefect_octopusx.tasks.plan_videos import plan_videos
from prefect_octopusx.tasks.query_video import query_video
from prefect_octopusx.tasks.read_manifest_file import read_manifest_file
from prefect_octopusx.tasks.save_video import save_video
from prefect_octopusx.tasks.upload_video import upload_video
from prefect_octopusx.tasks.wait_for_video import wait_for_video

__all__ = [
    # The way of a video
    "create_video",
    "wait_for_video",
    "save_video",
    # Many at once
    "Batch",
    "read_manifest_file",
    "plan_videos",
    "make_video",
    # Beside it
    "adopt_task",
    "find_pending",
    "PendingVideo",
    "query_video",
    "download_video",
    "upload_video",
    "video_asset",
]
