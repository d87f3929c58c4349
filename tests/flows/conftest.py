"""The main job, as a user runs it, on each kind of destination."""

import os
import zlib
from pathlib import Path

import pytest

from prefect_octopusx.blocks import LocalDestination, OctopusXCredentials, S3Destination
from prefect_octopusx.sandbox import Sandbox
from tests.flows.batches import Batches
from tests.flows.ways_on import Destination

pytest.register_assert_rewrite("tests.flows.main_job")

from tests.flows.main_job import Run  # noqa: E402 - after pytest knows that it explains its assertions


@pytest.fixture(params=["s3", "local"] if os.environ.get("DESTINATIONS") == "all" else [None])
def destination(request: pytest.FixtureRequest, tmp_path: Path) -> Destination:
    """Give each test one kind of destination, always the same; `DESTINATIONS=all` gives it both.

    What tells the kinds apart is tested in `tests/storage`.
    """
    kind = request.param or ("s3" if zlib.crc32(request.node.name.encode()) % 2 else "local")
    if kind == "local":
        return LocalDestination(folder=tmp_path / "videos", poster=False)
    found: S3Destination = request.getfixturevalue("s3_destination")
    return found


@pytest.fixture
def run(destination: Destination, credentials: OctopusXCredentials) -> Run:
    return Run(destination, credentials)


@pytest.fixture
def batch(tmp_path: Path, credentials: OctopusXCredentials, sandbox: Sandbox) -> Batches:
    return Batches(LocalDestination(folder=tmp_path / "videos", poster=False), credentials, sandbox)


@pytest.fixture
def batch_anywhere(destination: Destination, credentials: OctopusXCredentials, sandbox: Sandbox) -> Batches:
    return Batches(destination, credentials, sandbox)
