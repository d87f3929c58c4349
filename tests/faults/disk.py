"""A process with a small disk of its own, which really gets full or read-only; run by `test_folder.py`.

`unshare --mount --map-root-user python -m tests.faults.disk FOLDER`
"""

import asyncio
import os
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from prefect_octopusx.api import VideoTask
from prefect_octopusx.sandbox import Sandbox, SandboxSettings
from prefect_octopusx.storage import LocalStore, VideoRecord, VideoStore
from tests.clocks import Clock
from tests.faults.store_rows import FOLDER_ROWS
from tests.faults.table import Disk, Provocation
from tests.faults.world import World, live_through


class DiskWorld(World):
    """A world whose folder is on a disk of 64 KB."""

    def __init__(self, sandbox: Sandbox, clock: Clock, folder: Path) -> None:
        super().__init__(sandbox, clock)
        self._folder = folder
        self._due: Disk | None = None

    def provoke(self, place: str, by: Provocation, *, accepted: bool | None, once: bool = False) -> None:
        del place, accepted, once
        assert isinstance(by, Disk)
        self._due = by
        if not by.late:
            self._happen()

    def calm(self) -> None:
        _mount("remount,rw", self._folder)
        (self._folder / "ballast").unlink(missing_ok=True)

    async def _wait(self, record: VideoRecord, *given: object) -> VideoTask:  # type: ignore[override] # as it comes
        self._happen()
        return await super()._wait(record, *given)  # type: ignore[arg-type]

    def _happen(self) -> None:
        due, self._due = self._due, None
        if due and due.becomes == "full":
            free = os.statvfs(self._folder)
            (self._folder / "ballast").write_bytes(b"x" * (free.f_bavail * free.f_frsize))
        elif due:
            _mount("remount,ro", self._folder)


def _mount(options: str, folder: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "disk", str(folder)], check=True)  # noqa: S607 - wherever it is


async def main(below: Path) -> None:
    clock = Clock()
    with Sandbox(SandboxSettings(generation=30, refresh=15, clock=clock)) as sandbox:
        for number, row in enumerate(FOLDER_ROWS):
            folder = below / str(number)
            folder.mkdir()
            _mount("size=64k", folder)

            async def store(_: AsyncExitStack, folder: Path = folder) -> VideoStore:
                return LocalStore(folder / "videos", poster=False)

            sandbox.reset()
            async with DiskWorld(sandbox, clock, folder).open(store) as world:
                await live_through(world, "folder", row, row.by[0], None)
                assert (folder / "videos" / "hero.mp4").read_bytes() == world.video()
            print(row.fault)  # noqa: T201 - what was done


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
