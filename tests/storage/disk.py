"""A process with a small disk of its own, which really gets full or read-only; run by `test_disk.py`.

`unshare --mount --map-root-user python -m tests.storage.disk FOLDER ACT`
"""

import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from prefect_octopusx.api import OctopusXClient, TaskState, ViduRequest
from prefect_octopusx.sandbox import Sandbox, SandboxSettings
from prefect_octopusx.storage import (
    DestinationError,
    Entry,
    LocalStore,
    RecordNotWritten,
    RecordState,
    VideoRecord,
    VideoStore,
    add_extras,
    adopt,
    save,
    submit,
)
from tests.storage.around import Around, posts

__all__ = ["ACTS"]

_PAGE = 4096
"""Bytes: what the disk gives to each file is a multiple of that. A record and a mark take one, the video five."""
_SIZE = 16 * _PAGE
_VIDEO = 5 * _PAGE
_logger = logging.getLogger("disk")
_CAT = ViduRequest(model="viduq3-pro", prompt="a cat chasing butterflies", duration=5)


class Disk:
    """A disk, and a video that is to be stored there."""

    def __init__(self, folder: Path, sandbox: Sandbox, client: OctopusXClient) -> None:
        self.folder = folder
        self.sandbox = sandbox
        self.client = client
        self.store = LocalStore(folder / "videos")
        self._ballast = folder / "ballast"

    def fill(self, *, leave: int = 0) -> None:
        """Leave so many bytes free."""
        free = os.statvfs(self.folder)
        self._ballast.write_bytes(b"x" * (free.f_bavail * free.f_frsize - leave))

    def free(self) -> None:
        self._ballast.unlink()

    def files(self) -> list[str]:
        """Return all that lies there."""
        videos = self.folder / "videos"
        return sorted(path.relative_to(videos).as_posix() for path in videos.rglob("*") if path.is_file())

    async def submit(self, store: VideoStore | None = None) -> VideoRecord:
        return await submit(store or self.store, self.client, _CAT, name="hero", sleep=_at_once)

    async def save(self, record: VideoRecord) -> VideoRecord:
        task = await self.client.query_video(str(record.task_id))
        assert (task.state, bool(task.video_url)) == (TaskState.SUCCEEDED, True)
        async with self.client.open_video(str(task.video_url)) as video:
            return await save(
                self.store,
                record,
                video.chunks,
                declared_length=video.declared_length,
                content_type=video.content_type,
            )

    async def check_stored(self, record: VideoRecord) -> None:
        completed = await self.save(record)
        assert completed.state is RecordState.COMPLETED
        assert await self.store.digest("hero") == (completed.size, completed.sha256)
        assert self.files() == ["hero.json", "hero.mp4"]
        assert posts(self.sandbox) == len(self.sandbox.ledger) == 1


async def full_from_the_start(disk: Disk) -> None:
    """Nothing is paid, nothing is left; with space it goes on."""
    disk.store.folder.mkdir()
    disk.fill()
    with pytest.raises(DestinationError, match=r"the disk is full\. Free some space"):
        await disk.submit()
    assert (posts(disk.sandbox), disk.files()) == (0, [])
    disk.free()
    await disk.check_stored(await disk.submit())


async def full_while_the_create_is_sent(disk: Disk) -> None:
    """The error has the id; nothing is sent again; with space it is adopted."""

    class Fills(Around):
        async def create(self, record: VideoRecord) -> Entry:
            entry = await super().create(record)
            disk.fill()
            return entry

    with pytest.raises(RecordNotWritten, match=r"was submitted and is paid for.*the disk is full") as caught:
        await disk.submit(Fills(disk.store))
    assert caught.value.task_id == disk.sandbox.jobs[0].id
    entry = await disk.store.read("hero")
    assert entry
    assert entry.record.state is RecordState.SUBMITTING
    disk.free()
    old = entry.record.claimed_at.timestamp() - 100
    os.utime(disk.store.folder / "hero.json", (old, old))
    await disk.check_stored(await adopt(disk.store, str(caught.value.task_id), name="hero", sleep=_at_once))


async def full_while_the_video_is_stored(disk: Disk) -> None:
    """No half of a video is left; with space it is stored."""
    record = await disk.submit()
    disk.fill(leave=_VIDEO - _PAGE)
    with pytest.raises(DestinationError, match="the disk is full"):
        await disk.save(record)
    assert disk.files() == [f".pending/{record.claim}", "hero.json"]
    disk.free()
    await disk.check_stored(await disk.submit())


async def full_for_the_last_record(disk: Disk) -> None:
    """The video is there, its record does not say so; with space both are right."""
    record = await disk.submit()
    disk.fill(leave=_VIDEO)
    with pytest.raises(DestinationError, match="the disk is full"):
        await disk.save(record)
    assert disk.files() == [f".pending/{record.claim}", "hero.json", "hero.mp4"]
    entry = await disk.store.read("hero")
    assert entry
    assert entry.record.state is RecordState.SUBMITTED
    disk.free()
    await disk.check_stored(await disk.submit())


async def full_for_the_poster(disk: Disk) -> None:
    """The video stays stored, and nothing is half made; with space the next run makes the poster."""
    completed = await disk.save(await disk.submit())
    disk.fill()
    assert not (await add_extras(disk.store, completed, logger=_logger)).poster
    assert disk.files() == ["hero.json", "hero.mp4"]
    disk.free()
    assert (await add_extras(disk.store, await disk.submit(), logger=_logger)).poster
    assert disk.files() == ["hero.jpg", "hero.json", "hero.mp4"]
    assert posts(disk.sandbox) == 1


async def read_only(disk: Disk) -> None:
    """What is stored is found, and what is new is refused before it is paid."""
    completed = await disk.save(await disk.submit())
    _mount("-o", "remount,ro", str(disk.folder))
    assert await disk.submit() == completed
    assert [mark async for mark in disk.store.pending()] == []
    with pytest.raises(DestinationError, match="the file system is read-only"):
        await submit(disk.store, disk.client, _CAT, name="hen", sleep=_at_once)
    assert posts(disk.sandbox) == 1


ACTS: dict[str, Callable[[Disk], Awaitable[None]]] = {
    act.__name__: act
    for act in (
        full_from_the_start,
        full_while_the_create_is_sent,
        full_while_the_video_is_stored,
        full_for_the_last_record,
        full_for_the_poster,
        read_only,
    )
}


async def _at_once(_: float) -> None:
    """Do not wait."""


def _mount(*options: str) -> None:
    subprocess.run(["mount", *options], check=True)  # noqa: S607 - wherever it is


async def _main(folder: Path, act: str) -> None:
    _mount("-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(folder))
    async with (
        Sandbox(SandboxSettings(generation=0.0, refresh=0)) as sandbox,
        OctopusXClient(api_key=sandbox.key, base_url=sandbox.url) as client,
    ):
        await ACTS[act](Disk(folder, sandbox, client))
    print(f"{act}: done")  # noqa: T201 - so that nobody takes an early end for a good one


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), sys.argv[2]))
