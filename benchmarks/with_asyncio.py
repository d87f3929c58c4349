"""A batch without Prefect, records, checks or limits: the floor among the contestants of `compare.py`.

Settings are in the environment.
"""

import asyncio
import os
import tempfile
from pathlib import Path

import boto3
import httpx

GATEWAY = os.environ["DEMO_GATEWAY"]
BUCKET = os.environ["BENCH_BUCKET"]
POLL_EVERY = 5.0  # seconds
# Idle connections are dropped before common servers do that (5 s), just as we ask again.
LIMITS = httpx.Limits(keepalive_expiry=3)


async def main() -> None:
    """Make the videos."""
    s3 = boto3.client("s3", endpoint_url=os.environ["DEMO_S3"])
    async with (
        httpx.AsyncClient(headers={"Authorization": "Bearer sk-sandbox"}, timeout=60, limits=LIMITS) as http,
        httpx.AsyncClient(timeout=60, limits=LIMITS) as files,
    ):

        async def make(name: str, prompt: str) -> None:
            body = {"model": "viduq3-pro", "prompt": prompt, "images": []}
            reply = await http.post(f"{GATEWAY}/v1/video/create", json=body)
            task_id = reply.raise_for_status().json()["task_id"]
            while True:
                reply = await http.get(f"{GATEWAY}/v1/video/query", params={"id": task_id})
                found = reply.raise_for_status().json()
                if found["status"] == "completed":
                    break
                if found["status"] in ("failed", "cancelled"):
                    raise RuntimeError(f"{name}: {found}")
                await asyncio.sleep(POLL_EVERY)
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, f"{name}.mp4")
                async with files.stream("GET", found["video_url"]) as download:
                    download.raise_for_status()
                    with path.open("wb") as file:  # noqa: ASYNC230 - a disk is quick
                        async for chunk in download.aiter_bytes():
                            file.write(chunk)
                await asyncio.to_thread(s3.upload_file, str(path), BUCKET, f"{name}.mp4")

        async with asyncio.TaskGroup() as group:
            for n in range(int(os.environ["BENCH_VIDEOS"])):
                group.create_task(make(f"video-{n:06}", f"video {n}"))


if __name__ == "__main__":
    asyncio.run(main())
