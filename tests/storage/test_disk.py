"""A disk that is full or read-only: a real one, of 64 KB, in a process that has its own mounts."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from tests.storage.disk import ACTS

ALONE = ("unshare", "--mount", "--map-root-user")


def may_mount() -> bool:
    try:
        return subprocess.run([*ALONE, "true"], check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not may_mount(), reason="this machine lets nobody mount a disk of his own (unshare)")
@pytest.mark.parametrize("act", ACTS)
async def test_a_disk_of_64_kb(act: str, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *ALONE,
        *(sys.executable, "-W", "error", "-m", "tests.storage.disk", str(tmp_path), act),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=Path(__file__).parents[2],
    )
    output, _ = await process.communicate()
    assert (process.returncode, output.decode().splitlines()[-1:]) == (0, [f"{act}: done"]), output.decode()
