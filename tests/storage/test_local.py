"""What only a folder has: processes, permissions, a full disk."""

import asyncio
import errno
import os
import sys
import time
from pathlib import Path

import pytest

from prefect_octopusx.storage.errors import DestinationError
from prefect_octopusx.storage.local import LocalStore
from prefect_octopusx.storage.records import RecordState
from tests.storage.conftest import mp4, record

CREATE = """
import asyncio, sys
from prefect_octopusx.storage.errors import RecordConflict
from prefect_octopusx.storage.local import LocalStore
from prefect_octopusx.storage.records import VideoRecord
store, name = LocalStore(sys.argv[1]), "clips/fox"
claim = VideoRecord(
    name=name, state="submitting", model="m", family="jimeng", request={}, digest="0", claimed_at="2026-05-01T12:00:00Z"
)
print("ready", flush=True)
sys.stdin.readline()
try:
    print(asyncio.run(store.create(claim)).record.claim)
except RecordConflict:
    print("conflict")
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_of_many_processes_one_creates(tmp_path: Path) -> None:
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-c", CREATE, str(tmp_path))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    processes = [
        await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, env=environment) for _ in range(8)
    ]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    answers = [out.decode().strip() for out, _ in await asyncio.gather(*(p.communicate(b"\n") for p in processes))]
    assert answers.count("conflict") == 7
    entry = await LocalStore(tmp_path).read("clips/fox")
    assert entry is not None
    assert entry.record.claim in answers


def test_the_folder_is_absolute_and_home_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert LocalStore("~/videos").uri("fox") == f"{tmp_path}/videos/fox.mp4"
    assert LocalStore("videos").uri("fox") == f"{tmp_path}/videos/fox.mp4"
    assert not (tmp_path / "videos").exists()
    with pytest.raises(DestinationError, match="no such home"):
        LocalStore("~nobody-of-this-name/videos")


async def test_a_worker_with_a_wrong_clock_takes_nobody_for_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalStore(tmp_path)
    await store.create(record("fox"))
    await store.mark("fox", "0" * 32)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 10 * 86_400)
    entry = await store.read("fox")
    assert entry
    assert entry.age < 60
    assert [mark.age < 60 async for mark in store.pending()] == [True]


async def test_what_is_old_is_known_to_be_old(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    await store.create(record("fox"))
    old = time.time() - 100
    os.utime(tmp_path / "fox.json", (old, old))
    entry = await store.read("fox")
    assert entry
    assert 99 < entry.age < 160


def test_windows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(DestinationError, match="Windows"):
        LocalStore("videos")


async def test_files_get_the_usual_permissions(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    entry = await store.create(record("fox"))
    await store.replace(entry, entry.record.moved(RecordState.SUBMITTED))
    async with store.writer("fox") as writer:
        await writer.write(mp4())
        await writer.commit()
    (tmp_path / "usual").touch()
    modes = {(tmp_path / name).stat().st_mode for name in names(tmp_path)}
    assert modes == {(tmp_path / "usual").stat().st_mode}


async def test_an_unfinished_video_is_hidden(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    async with store.writer("clips/fox") as writer:
        await writer.write(mp4(3_000_000))
        (part,) = names(tmp_path / "clips")
        assert part.startswith(".fox.mp4.")
        assert part.endswith(".part")
        assert not await store.has_video("clips/fox")


async def test_many_may_begin_the_same_video_and_give_it_up(tmp_path: Path) -> None:
    """The hidden folder of the parts comes and goes with them."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # so that threads meet in the midst of it
    store = LocalStore(tmp_path)

    async def begin() -> None:
        for _ in range(150):
            async with store.writer("cat"):
                pass

    try:
        await asyncio.gather(*(begin() for _ in range(6)))
    finally:
        sys.setswitchinterval(before)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", ["gone", "gone/below"])
async def test_a_link_that_leads_nowhere_is_told(tmp_path: Path, folder: str) -> None:
    """As that of a disk which is not mounted."""
    (tmp_path / "gone").symlink_to(tmp_path / "disk")
    with pytest.raises(DestinationError, match="can't be used"):
        async with LocalStore(tmp_path / folder).writer("cat"):
            pass


async def test_a_file_in_place_of_the_parts_folder(tmp_path: Path) -> None:
    (tmp_path / ".cat.mp4.part").write_text("mine")
    with pytest.raises(DestinationError, match="a part of this path is a file"):
        async with LocalStore(tmp_path).writer("cat"):
            pass
    assert (tmp_path / ".cat.mp4.part").read_text() == "mine"


async def test_a_file_in_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "clips").write_bytes(b"")
    with pytest.raises(DestinationError, match=r"clips/fox\.json .* is a file, not a folder\. Move it away"):
        await LocalStore(tmp_path).create(record())
    with pytest.raises(DestinationError, match="is a file, not a folder"):
        async with LocalStore(tmp_path / "clips" / "below").writer("fox"):
            pass


async def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    (tmp_path / "fox.mp4").mkdir()
    (tmp_path / "fox.json").mkdir()
    assert await store.has_video("fox")
    with pytest.raises(DestinationError, match="a folder lies where the file belongs"):
        await store.read("fox")
    with pytest.raises(DestinationError, match="a folder lies where the file belongs"):
        async with store.writer("fox") as writer:
            await writer.commit()
    assert names(tmp_path) == ["fox.json", "fox.mp4"]


@pytest.mark.parametrize(
    ("problem", "way_on"),
    [
        (errno.ENOSPC, "the disk is full. Free some space"),
        (errno.EACCES, "permission is missing"),
        (errno.EROFS, "read-only"),
        (errno.EIO, "Input/output error. Check the folder"),
    ],
)
async def test_a_disk_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: int, way_on: str) -> None:
    store = LocalStore(tmp_path)
    entry = await store.create(record("fox"))

    def fail(_: int) -> None:
        raise OSError(problem, os.strerror(problem))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DestinationError, match=rf"{tmp_path}/hen\.json can't be used: .*{way_on}"):
        await store.create(record("hen"))
    with pytest.raises(DestinationError, match=way_on):
        await store.replace(entry, entry.record.moved(RecordState.SUBMITTED))
    with pytest.raises(DestinationError, match=way_on):  # noqa: PT012
        async with store.writer("hen") as writer:
            await writer.write(mp4(3_000_000))
            await writer.commit()
    monkeypatch.undo()
    assert (await store.read("fox") or entry)[:2] == entry[:2]
    assert names(tmp_path) == ["fox.json"]
