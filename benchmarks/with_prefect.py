"""A batch as a Prefect user writes it without this project: one of the contestants of `compare.py`.

Sync tasks mapped over the prompts, one client each for HTTP and S3, retries where they cost nothing, and a loop that
sleeps: what Prefect's own documentation leads to. Settings are in the environment.
"""

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import boto3
import httpx
from prefect import flow, get_run_logger, task

GATEWAY = os.environ["DEMO_GATEWAY"]
BUCKET = os.environ["BENCH_BUCKET"]
POLL_EVERY = 5.0  # seconds

# Shared by all threads. Idle connections are dropped before common servers do that (5 s), just as we ask again.
LIMITS = httpx.Limits(keepalive_expiry=3)
http = httpx.Client(headers={"Authorization": "Bearer sk-sandbox"}, timeout=60, limits=LIMITS)
files = httpx.Client(timeout=60, limits=LIMITS)
s3 = boto3.client("s3", endpoint_url=os.environ["DEMO_S3"])


@task(task_run_name="create-{name}")
def create(name: str, prompt: str) -> str:
    """Submit a video; not retried, because each is paid for."""
    reply = http.post(f"{GATEWAY}/v1/video/create", json={"model": "viduq3-pro", "prompt": prompt, "images": []})
    task_id: str = reply.raise_for_status().json()["task_id"]
    get_run_logger().info("%s: task %s", name, task_id)
    return task_id


@task(task_run_name="wait-{name}", retries=3, retry_delay_seconds=10)
def wait_for_url(name: str, task_id: str) -> str:
    """Ask until the video is ready."""
    while True:
        reply = http.get(f"{GATEWAY}/v1/video/query", params={"id": task_id})
        found: dict[str, Any] = reply.raise_for_status().json()
        if found["status"] == "completed":
            url: str = found["video_url"]
            return url
        if found["status"] in ("failed", "cancelled"):
            raise RuntimeError(f"{name}: {found}")
        time.sleep(POLL_EVERY)


@task(task_run_name="store-{name}", retries=3, retry_delay_seconds=10)
def store(name: str, url: str) -> str:
    """Download a video to a file, and upload that."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{name}.mp4")
        with files.stream("GET", url) as reply, path.open("wb") as file:
            reply.raise_for_status()
            for chunk in reply.iter_bytes():
                file.write(chunk)
        s3.upload_file(str(path), BUCKET, f"{name}.mp4")
    get_run_logger().info("%s: stored", name)
    return f"s3://{BUCKET}/{name}.mp4"


@flow
def make_videos(prompts: dict[str, str]) -> list[str]:
    """Make the videos."""
    names = list(prompts)
    task_ids = create.map(names, list(prompts.values()))
    urls = wait_for_url.map(names, task_ids)
    stored: list[str] = store.map(names, urls).result()
    return stored


if __name__ == "__main__":
    make_videos({f"video-{n:06}": f"video {n}" for n in range(int(os.environ["BENCH_VIDEOS"]))})
