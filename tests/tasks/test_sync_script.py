"""Sync code: a script that submits the tasks in sync flows, and runs a flow of this package inside one of its own."""

import os
import subprocess
import sys
from pathlib import Path

from prefect_octopusx.sandbox import Fault, Sandbox


def test_a_script_without_an_event_loop(prefect_api: str, sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.add_fault(Fault("create_rate_limited"))
    sandbox.add_fault(Fault("file_truncated"))
    sandbox.add_fault(Fault("video_failed", match="lost cat", reason="no cats"))
    script = Path(__file__).with_name("sync_script.py")
    env = os.environ | {"PREFECT_API_URL": prefect_api}
    env |= {"OCTOPUSX_API_KEY": sandbox.key, "OCTOPUSX_BASE_URL": sandbox.url}
    run = subprocess.run(
        [sys.executable, script, tmp_path], check=False, capture_output=True, text=True, env=env, timeout=120
    )
    assert run.returncode == 0, run.stderr
    first, lost, nested = run.stdout.splitlines()[-3:]
    assert (first, nested) == ("completed", "completed")
    assert "no cats" in lost
    assert len(sandbox.ledger) == 3
