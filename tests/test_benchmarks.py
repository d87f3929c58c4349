"""The benchmarks still run: tiny ones, whose figures mean nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.compare import OURS, Options, measure, table
from benchmarks.servers import Servers
from tests.docs.pages import rows


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="It reads /proc.")
def test_a_batch_is_measured(prefect_api: str, s3_url: str, tmp_path: Path) -> None:
    (tmp_path / "S3 server.log").touch()
    servers = Servers(prefect_api.removesuffix("/api"), s3_url, tmp_path, "none")
    found = measure(OURS._replace(settings={"BENCH_POLL": "0.2"}), servers, Options(2, 0.2, 0.3, 0.05))
    assert found.wall > found.made > 0.2
    assert found.cpu > 0
    assert found.peak > 50
    assert found.gateway >= 2 * 3 + 2  # each a create, a look and its file; and what the key has used, before and after
    assert found.prefect
    assert found.events
    cells = dict(rows(table({"ours": [found]}))[2:])
    assert cells["requests to the gateway, files included"] == str(found.gateway)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="It reads /proc.")
def test_a_batch_is_simulated() -> None:
    done = subprocess.run([sys.executable, "-m", "benchmarks.simulation", "20", "all"], check=True, capture_output=True)
    assert float(json.loads(done.stdout)["looks a video"]) >= 1
