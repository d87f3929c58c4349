"""What type checkers and editors make of the public names. `make types` checks it; nothing here is ever run.

A line that ends in `# type: ignore[...]` must be wrong: mypy tells of an ignore that is not needed.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, assert_type
from uuid import UUID

from prefect import flow
from prefect.assets import Asset
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture

from prefect_octopusx.api import (
    CustomRequest,
    GrokRequest,
    JimengRequest,
    KeyUsage,
    OctopusXClient,
    OctopusXError,
    RateLimited,
    RemixRequest,
    SoraRequest,
    SubmissionUncertain,
    TaskState,
    VeoRequest,
    VideoRequest,
    VideoTask,
    ViduRequest,
)
from prefect_octopusx.batches import BatchFailed, BatchResult, ManifestError, VideoResult
from prefect_octopusx.blocks import (
    LocalDestination,
    OctopusXCredentials,
    S3Destination,
    resolve_credentials,
    resolve_destination,
)
from prefect_octopusx.flows import (
    CollectedVideo,
    adopt_video,
    collect_videos,
    generate_due_videos,
    generate_video,
    generate_videos,
    redrive_videos,
)
from prefect_octopusx.storage import RecordState, VideoRecord, VideoStore
from prefect_octopusx.tasks import (
    Batch,
    PendingVideo,
    adopt_task,
    create_video,
    download_video,
    find_pending,
    make_video,
    query_video,
    save_video,
    upload_video,
    video_asset,
    wait_for_video,
)


def requests() -> None:
    cat = ViduRequest(
        model="viduq3-pro", prompt="a cat", duration=5, resolution="720p", images=["https://x.test/1.png"]
    )
    assert_type(cat.duration, int | None)
    assert_type(cat.aspect_ratio, Literal["16:9", "9:16", "3:4", "4:3", "1:1"] | None)
    assert_type(cat.images, Sequence[str | Path | bytes])
    assert_type((cat.digest, cat.is_off_peak, cat.warnings()), tuple[str, bool, tuple[str, ...]])
    ViduRequest(model="viduq9", prompt="a cat")  # type: ignore[arg-type]
    ViduRequest(model="viduq3-pro", prompt="a cat", aspect_ratio="2:1")  # type: ignore[arg-type]
    ViduRequest(model="viduq3-pro", prompt="a cat", duration="5")  # type: ignore[arg-type]
    ViduRequest(model="viduq3-pro", prompt="a cat", size="720p")  # type: ignore[call-arg]
    JimengRequest(model="jimeng-video-3.0", prompt="a boat", aspect_ratio="16:9", size="1080P")
    JimengRequest(model="jimeng-video-3.0", prompt="a boat", size="8K")  # type: ignore[arg-type]
    every: list[VideoRequest] = [
        cat,
        VeoRequest(model="veo3.1", prompt="x"),
        SoraRequest(model="sora-2", prompt="x"),
        GrokRequest(model="grok-video-3", prompt="x"),
        CustomRequest(model="new-1", prompt="x"),
    ]
    every.append(RemixRequest(model="grok-video-3", task_id="t", prompt="x"))  # type: ignore[arg-type, call-arg]


async def flows(cat: ViduRequest) -> None:
    assert_type(await generate_video(cat), VideoRecord)
    assert_type(
        await generate_video(request=cat, name="x", wait="none", destination=S3Destination(bucket="b")), VideoRecord
    )
    assert_type(await generate_video(cat, return_state=True), State[VideoRecord])
    assert_type(await generate_video.with_options(retries=2)(cat), VideoRecord)
    await generate_video(cat, nam="x")  # type: ignore[call-overload]
    await generate_video(cat, wait="later")  # type: ignore[call-overload]
    await generate_video({"model": "viduq3-pro"})  # type: ignore[call-overload]
    assert_type(await adopt_video("task", "name", request=cat), VideoRecord)
    assert_type(await collect_videos(requests_per_minute=10), list[CollectedVideo])
    assert_type(await generate_videos("launch.csv", dry_run=True), BatchResult)
    assert_type(await generate_videos(requests={"x": cat}), BatchResult)
    assert_type(await generate_due_videos("calendar.yaml", weekdays=["monday"]), BatchResult)
    assert_type(await redrive_videos("launch", what="uncertain"), BatchResult)
    await redrive_videos("launch", what="all")  # type: ignore[call-overload]


def batch_results(result: BatchResult, collected: CollectedVideo) -> None:
    assert_type(result.results, tuple[VideoResult, ...])
    assert_type((result.stored, result.failed, result.held, result.created), tuple[int, int, int, int])
    assert_type((result.plan, result.uri, result.failed_ratio), tuple[str | None, str | None, float])
    assert_type((collected.state, collected.note), tuple[RecordState, str])


async def tasks(cat: ViduRequest) -> None:
    record = await create_video(cat, name="x")
    assert_type(record, VideoRecord)
    assert_type(
        (record.uri, record.task_id, record.size, record.state), tuple[str | None, str | None, int | None, RecordState]
    )
    task = await wait_for_video(record, deadline=60)
    assert_type(task, VideoTask)
    assert_type((task.state, task.progress), tuple[TaskState, float | None])
    assert_type(await save_video(record, task), VideoRecord)
    path = await download_video(record, task, folder="work")
    assert_type(path, Path)
    assert_type(await upload_video(path, record), VideoRecord)
    assert_type(await query_video("task"), VideoTask)
    assert_type(await adopt_task("task", name="x"), VideoRecord)
    assert_type(await find_pending(), list[PendingVideo])
    assert_type(
        await create_video.with_options(retries=1, asset_deps=[video_asset(record)])(cat, name="x"), VideoRecord
    )
    assert_type(await create_video(cat, name="x", return_state=True), State[VideoRecord])
    assert_type(await save_video(record, wait_for=[task]), VideoRecord)
    assert_type(video_asset(record), Asset)
    await create_video(cat)  # type: ignore[call-overload]
    await create_video(cat, name="x", on_uncertain="hope")  # type: ignore[call-overload]
    create_video.with_options(retry=1)  # type: ignore[call-arg]
    async with Batch.opened(transfers=2) as batch:
        assert_type(batch, Batch)
        assert_type(await make_video(cat, name="x", batch=batch), VideoRecord)


@flow
def sync_video(request: VideoRequest, name: str) -> VideoRecord:
    submitted = create_video.submit(request, name=name)
    assert_type(submitted, PrefectFuture[VideoRecord])
    record = submitted.result()
    assert_type(record, VideoRecord)
    task = wait_for_video.submit(record, wait_for=[submitted]).result()
    assert_type(task, VideoTask)
    create_video.submit(request)  # type: ignore[call-overload]
    assert_type(create_video.submit(request, name=name, return_state=True), State[VideoRecord])
    return save_video.submit(record, task).result()


def sync_code(cat: ViduRequest) -> None:
    assert_type(sync_video(cat, "x"), VideoRecord)
    assert_type(asyncio.run(generate_video(cat)), VideoRecord)
    assert_type(OctopusXCredentials.load("default"), OctopusXCredentials)
    assert_type(LocalDestination.load("default"), LocalDestination)


async def blocks() -> None:
    credentials = await OctopusXCredentials.aload("default")
    assert_type(credentials, OctopusXCredentials)
    assert_type(await resolve_credentials(), OctopusXCredentials)
    assert_type(await resolve_destination(), S3Destination | LocalDestination)
    destination = await S3Destination.aload("default")
    assert_type(destination, S3Destination)
    assert_type(await destination.store(), VideoStore)
    assert_type(await destination.asave("default", overwrite=True), UUID)
    S3Destination(buckt="b")  # type: ignore[call-arg]
    S3Destination(bucket="b", checksum_algorithm="MD5")  # type: ignore[arg-type]
    async with credentials.client() as client:
        assert_type(client, OctopusXClient)
        assert_type(await client.create_video(ViduRequest(model="vidu2.0", prompt="x")), VideoTask)
        assert_type(await client.key_usage(), KeyUsage)


def errors(error: OctopusXError, limited: RateLimited, invalid: ManifestError, uncertain: SubmissionUncertain) -> None:
    assert_type((error.task_id, error.code, error.status), tuple[str | None, str | None, int | None])
    assert_type((error.resend_safe, error.retryable), tuple[bool, bool])
    assert_type(limited.retry_after, float | None)
    assert_type([fault.message for fault in invalid.faults], list[str])
    assert_type(uncertain.task_id, str | None)
    caught: OctopusXError = BatchFailed("x")
    assert_type(caught, OctopusXError)
