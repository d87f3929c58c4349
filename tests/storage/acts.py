"""What runs do to videos, as the tasks and flows do it, but without Prefect."""

from contextlib import suppress
from typing import Any

from prefect_octopusx.api import OctopusXClient, OctopusXError, TaskState
from prefect_octopusx.api.download import VideoStream
from prefect_octopusx.sandbox.jobs import Job
from prefect_octopusx.storage import (
    Entry,
    RecordState,
    VideoRecord,
    VideoStore,
    adopt,
    fail,
    pending_videos,
    save,
    settle_if_dead,
    submit,
)
from prefect_octopusx.tasks.fetching import fetch_video
from tests.storage.lives import Crash, Gateway, Run, Watched, World, request


async def submitted(
    world: World, run: Run, name: str, what: str, consent: dict[str, Any], client: OctopusXClient
) -> None:
    """Submit, as `create_video` does."""
    world.story.append(f"submit {name} {what} {consent} {run}")
    clock, gateway = world.clock, Gateway(world, run, client)
    try:
        record = await submit(
            Watched(world, run),
            gateway,  # type: ignore[arg-type] # all of a client that it needs
            request(name, what),
            name=name,
            clock=clock,
            sleep=clock.sleep,
            **consent,
        )
    except OctopusXError:
        return
    except Crash:
        run.lost_an_id = True
        return
    assert record.state in {RecordState.SUBMITTED, RecordState.COMPLETED}
    assert record.task_id


async def collected(world: World, run: Run, client: OctopusXClient) -> None:
    """Look at all that is pending, as `collect_videos` does."""
    world.story.append(f"collect {run}")
    store = Watched(world, run)
    with suppress(OctopusXError, Crash):
        for entry in [entry async for entry in pending_videos(store)]:
            with suppress(OctopusXError):
                await looked_at(store, client, entry)


async def looked_at(store: VideoStore, client: OctopusXClient, entry: Entry) -> None:
    record = entry.record

    async def deliver(video: VideoStream) -> VideoRecord:
        return await save(
            store, record, video.chunks, declared_length=video.declared_length, content_type=video.content_type
        )

    if record.state is not RecordState.SUBMITTED:
        await settle_if_dead(store, entry)
        return
    task = await client.query_video(record.task_id or "", alt_ids=record.alt_ids)
    if task.state is TaskState.FAILED:
        await fail(store, record, task)
    elif task.state is TaskState.SUCCEEDED:
        await fetch_video(client, record, task=task, deliver=deliver)


async def adopted(world: World, run: Run, job: Job, name: str, *, knows: bool) -> None:
    clock = world.clock
    known = request(name, "a cat") if knows else None
    world.story.append(f"adopt {name} {job.id} {run}")
    with suppress(OctopusXError, Crash):
        await adopt(Watched(world, run), job.id, name=name, request=known, clock=clock, sleep=clock.sleep)
