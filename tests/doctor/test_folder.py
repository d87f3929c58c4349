"""A folder, and what is wrong with it."""

import shutil
from pathlib import Path

import pytest

from prefect_octopusx.blocks import LocalDestination
from prefect_octopusx.doctor import Verdict, diagnose
from prefect_octopusx.doctor.folder import mount_of

CHECKS = ["destination-write", "destination-conditions", "folder-space", "folder-lasts", "bucket-multipart"]


async def test_a_folder_is_tried_and_nothing_is_left(tmp_path: Path) -> None:
    diagnosis = await diagnose(LocalDestination(folder=tmp_path / "not/yet/there"), only=CHECKS)
    assert diagnosis.of("destination-write").verdict is Verdict.OK
    assert diagnosis.of("destination-conditions").verdict is Verdict.OK
    assert diagnosis.of("bucket-multipart").found == "the destination is a folder"
    assert list(tmp_path.iterdir()) == []


async def test_a_folder_that_is_a_file_fails(tmp_path: Path) -> None:
    (tmp_path / "videos").write_text("not a folder")
    diagnosis = await diagnose(LocalDestination(folder=tmp_path / "videos"), only=CHECKS)
    write = diagnosis.of("destination-write")
    assert (write.verdict, "a file, not a folder" in write.found) == (Verdict.FAILED, True)
    assert write.mend == "Move it away, or choose another folder."


async def test_a_full_stop_in_a_path_ends_no_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "Dr. Who" / "videos"
    folder.parent.mkdir()
    folder.write_text("not a folder")
    write = (await diagnose(LocalDestination(folder=folder), only=CHECKS)).of("destination-write")
    assert (write.found.startswith(str(folder)), write.mend) == (True, "Move it away, or choose another folder.")


async def test_a_file_system_where_links_overwrite_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.link", shutil.copyfile)
    diagnosis = await diagnose(LocalDestination(folder=tmp_path), only=CHECKS)
    assert diagnosis.of("destination-conditions").verdict is Verdict.FAILED
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("free", "verdict"), [(100 * 2**20, Verdict.FAILED), (2**30, Verdict.WARNING), (2**40, Verdict.OK)]
)
async def test_a_disk_that_is_nearly_full_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, verdict: Verdict
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    diagnosis = await diagnose(LocalDestination(folder=tmp_path / "videos"), only=["folder-space"])
    assert diagnosis.of("folder-space").verdict is verdict


async def test_a_relative_folder_warns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    diagnosis = await diagnose(LocalDestination(folder=Path("videos")), only=["folder-lasts"])
    assert diagnosis.of("folder-lasts").verdict is Verdict.WARNING
    assert f"videos is relative to where each run starts (here {tmp_path}/videos)" in diagnosis.of("folder-lasts").found


async def test_a_temporary_folder_warns() -> None:
    diagnosis = await diagnose(LocalDestination(folder=Path("/tmp/videos")), only=["folder-lasts"])  # noqa: S108 - so called
    assert "is a temporary folder" in diagnosis.of("folder-lasts").found


def test_the_file_system_of_a_folder_is_the_nearest_one_above_it(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("overlay / overlay rw 0 0\n/dev/sda1 /data ext4 rw 0 0\ntmpfs /data/fast\\040one tmpfs rw 0 0\n")
    assert mount_of(Path("/home/me/videos"), mounts) == "overlay"
    assert mount_of(Path("/data/videos"), mounts) == "ext4"
    assert mount_of(Path("/data/fast one/videos"), mounts) == "tmpfs"
    assert mount_of(Path("/data/videos"), tmp_path / "nothing") is None
