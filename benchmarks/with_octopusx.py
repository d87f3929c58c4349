"""A batch by this project's flow: one of the contestants of `compare.py`. Settings are in the environment."""

import asyncio
import json
import os
from pathlib import Path

from prefect.blocks.system import Secret
from pydantic import SecretStr

from prefect_octopusx.blocks import OctopusXCredentials, S3Destination
from prefect_octopusx.flows import generate_videos


async def main() -> None:
    """Make the videos."""
    videos = int(os.environ["BENCH_VIDEOS"])
    rows = [{"name": f"video-{n:06}", "model": "viduq3-pro", "prompt": f"video {n}"} for n in range(videos)]
    manifest = Path(os.environ["PREFECT_HOME"]) / "videos.jsonl"
    manifest.write_text("\n".join(map(json.dumps, rows)))
    await generate_videos(
        str(manifest),
        # No posters: the others make none.
        destination=S3Destination(bucket=os.environ["BENCH_BUCKET"], endpoint_url=os.environ["DEMO_S3"], poster=False),
        credentials=OctopusXCredentials(
            api_key=Secret(value=SecretStr("sk-sandbox")), base_url=os.environ["DEMO_GATEWAY"]
        ),
        # The others keep to no rate and no number at once.
        max_in_flight=videos,
        requests_per_minute=6000,
        poll_interval=float(os.environ["BENCH_POLL"]) if os.environ.get("BENCH_POLL") else None,
    )


if __name__ == "__main__":
    asyncio.run(main())
