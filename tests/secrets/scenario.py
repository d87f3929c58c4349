"""What people do with this project, well and badly, with canaries as its secrets: `python -m tests.secrets.scenario`.

A process of its own, because Prefect reads the settings of its logs once. Its last act is to write the signatures of
all URLs that the gateway gave out.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from prefect import Task, get_client
from prefect.blocks.system import Secret
from prefect.client.schemas.objects import FlowRun
from prefect.runner import Runner
from pydantic import SecretStr

from prefect_octopusx import tasks
from prefect_octopusx.api import InvalidRequest, SubmissionUncertain, ViduRequest
from prefect_octopusx.batches import BatchFailed
from prefect_octopusx.blocks import LocalDestination, OctopusXCredentials, S3Destination
from prefect_octopusx.cli import main as cli
from prefect_octopusx.flows import adopt_video, collect_videos, generate_video, generate_videos
from prefect_octopusx.sandbox import Fault, Sandbox, SandboxSettings
from prefect_octopusx.storage import DestinationError

GIVEN = json.loads(os.environ["CANARIES"])
KEY, PLANTED, ECHO = os.environ["OCTOPUSX_API_KEY"], GIVEN["planted"], GIVEN["echo"]
PICTURES = (GIVEN["picture_uri"], GIVEN["picture_url"])
BUCKET = S3Destination(
    bucket=GIVEN["bucket"],
    prefix=PLANTED,
    endpoint_url=GIVEN["s3"],
    region="us-east-1",
    tags={"made-for": PLANTED},
    player=True,
)
FOLDER = LocalDestination(folder=Path(GIVEN["folder"]), poster=False)
QUICK: dict[str, Any] = {"poll_interval": 0.05}


def cat(name: str, **fields: Any) -> ViduRequest:  # noqa: ANN401 - any field
    return ViduRequest(model="viduq3-pro", prompt=f"{name}.", images=PICTURES, **fields)


def key_for(base_url: str) -> OctopusXCredentials:
    return OctopusXCredentials(api_key=Secret(value=SecretStr(KEY)), base_url=base_url)


async def fails(kind: type[Exception], run: Awaitable[object]) -> None:
    """Expect an error, and let it be seen as an interpreter shows it."""
    try:
        await run
    except kind as error:
        print("as expected:", error, repr(error), repr(error.__cause__))  # noqa: T201 - this is searched, too
    else:
        raise AssertionError(f"no {kind.__name__}")


async def what_goes_well(sandbox: Sandbox) -> None:
    await key_for(sandbox.url).asave(f"{PLANTED}-key")
    saved = await OctopusXCredentials.aload(f"{PLANTED}-key")
    print(saved, repr(saved), saved.model_dump_json())  # noqa: T201
    linked = BUCKET.model_copy(update={"presigned_link_hours": 1, "player": False})
    await generate_video(cat("linked"), name=f"{PLANTED}-linked", destination=linked, credentials=saved, **QUICK)
    manifest = Path(GIVEN["manifest"])
    manifest.write_text(json.dumps({"name": "row", "model": "viduq3-pro", "prompt": "row.", "images": PICTURES}))
    await generate_videos(str(manifest), destination=BUCKET, **QUICK)
    await generate_video(cat("later"), name=f"{PLANTED}-later", destination=FOLDER, wait="none")
    await asyncio.sleep(sandbox.settings.generation)
    await collect_videos(FOLDER)


async def what_goes_wrong(sandbox: Sandbox) -> None:
    """Most of it in one batch, whose videos fail beside each other."""
    reason = f"no good: {PICTURES[0]} and {PICTURES[1]} with Bearer {KEY}"
    troubles = {
        "failed": Fault("video_failed", match="failed.", reason=reason),
        "uncertain": Fault("create_lost_reply", match="uncertain."),
        "redirected": Fault("create_redirect", match="redirected."),
        "expired": Fault("file_expired", match="expired.", times=20),
        "truncated": Fault("file_truncated", match="truncated.", times=20),
        "moved": Fault("file_redirect_cross_origin", match="moved."),
    }
    for fault in troubles.values():
        sandbox.add_fault(fault)
    requests = {name: cat(name) for name in troubles}
    await fails(
        BatchFailed, generate_videos(requests=requests, name=f"{PLANTED}-troubles", destination=FOLDER, **QUICK)
    )
    sandbox.clear_faults()
    expired = next(job for job in sandbox.jobs if "expired." in str(job.body))
    await adopt_video(expired.id, f"{PLANTED}-adopted", destination=FOLDER, **QUICK)
    for name, base_url, kind in (("refused", ECHO, InvalidRequest), ("proxied", f"{ECHO}/proxy", SubmissionUncertain)):
        run = generate_video(cat(name), name=name, destination=FOLDER, credentials=key_for(base_url), **QUICK)
        await fails(kind, run)
    broken = BUCKET.model_copy(update={"bucket": "bucket", "endpoint_url": ECHO})
    await fails(DestinationError, generate_video(cat("nowhere"), name="nowhere", destination=broken, **QUICK))


async def what_a_deployment_does(sandbox: Sandbox) -> None:
    """A run that leaves and comes back, each time in a new process, as a served flow's."""
    runner = Runner(name=PLANTED, query_seconds=1, pause_on_shutdown=False)
    deployment = await runner.aadd_flow(generate_video, name=PLANTED)
    request = {"model": "viduq3-pro", "prompt": "served.", "images": [PICTURES[1]]}
    parameters = {"request": request, "name": f"{PLANTED}-served", "destination": {"folder": GIVEN["folder"]}}
    how = {"wait": "reschedule", "poll_interval": 2}
    async with get_client() as client:
        run = await client.create_flow_run_from_deployment(deployment, parameters=parameters | how)
        serving = asyncio.create_task(runner.start())
        async with asyncio.timeout(240):
            while not is_over(run := await client.read_flow_run(run.id)):
                await asyncio.sleep(0.2)
        assert run.state is not None
        assert run.state.is_completed(), run.state
        states = [state.name for state in await client.read_flow_run_states(run.id)]
        assert "AwaitingVideo" in states, states
        assert run.parameters["request"]["images"] == ["https://img.example.com/cat.png?…"]
    assert sandbox.jobs[-1].body["images"] == [PICTURES[1]]  # what is kept no more was sent
    await runner.astop()
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


def is_over(run: FlowRun) -> bool:
    return run.state is not None and run.state.is_final()


def what_is_typed() -> None:
    place = ["--to", f"s3://{BUCKET.bucket}/{PLANTED}", "--endpoint-url", str(BUCKET.endpoint_url)]
    wanted = ["generate", "typed", "--model", "viduq3-pro", "--image", PICTURES[1], "--poll-interval", "0.05"]
    calls = {
        ("doctor", *place, "--json"): {0, 1},
        (*wanted, *place, "--name", "typed", "--json", "--verbose"): {0},
        ("status", "typed", *place, "--json"): {0},
        (*wanted, "--to", "s3://bucket/x", "--endpoint-url", ECHO, "--name", "typed", "--verbose"): {1},
    }
    for call, codes in calls.items():
        code = cli(call)
        assert code in codes, (call, code)


def signatures(sandbox: Sandbox) -> list[str]:
    """Return the signatures of all URLs that the gateway gave out."""
    with httpx.Client(base_url=sandbox.url, headers={"Authorization": f"Bearer {KEY}"}) as client:
        replies = [client.get("/v1/video/query", params={"id": job.id}).json() for job in sandbox.jobs]
    urls = [reply["video_url"] for reply in replies if reply.get("video_url")]
    return [parse_qs(urlsplit(url).query)["sig"][0] for url in urls]


async def flows(sandbox: Sandbox) -> None:
    await what_goes_well(sandbox)
    await what_goes_wrong(sandbox)
    await what_a_deployment_does(sandbox)


def main() -> None:
    for name in tasks.__all__:
        if isinstance(task := getattr(tasks, name), Task):
            task.retry_delay_seconds = None  # no waiting for the clock
    with Sandbox(SandboxSettings(keys=(KEY,), generation=0.2, refresh=0.02)) as sandbox:
        os.environ["OCTOPUSX_BASE_URL"] = sandbox.url
        asyncio.run(flows(sandbox))
        what_is_typed()
        found = signatures(sandbox)
    Path(sys.argv[1]).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
