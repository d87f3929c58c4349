"""The matrix of faults, for a folder, on a disk that really gets full or read-only."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.store_rows import FOLDER_ROWS
from tests.storage.test_disk import ALONE, may_mount


@pytest.mark.skipif(not may_mount(), reason="this machine lets nobody mount a disk of his own (unshare)")
async def test_faults_of_a_disk(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *ALONE,
        *(sys.executable, "-W", "error", "-m", "tests.faults.disk", str(tmp_path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=Path(__file__).parents[2],
    )
    output, _ = await process.communicate()
    assert output.decode().splitlines() == [row.fault for row in FOLDER_ROWS], output.decode()
