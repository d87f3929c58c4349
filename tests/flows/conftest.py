"""The main job, as a user runs it, on each kind of destination."""

from pathlib import Path

import pytest

from prefect_octopusx.blocks import LocalDestination, OctopusXCredentials
from prefect_octopusx.sandbox import Sandbox
from tests.flows.batches import Batches
from tests.flows.ways_on import Destination

pytest.register_assert_rewrite("tests.flows.main_job")

from tests.flows.main_job import Run  # noqa: E402 - after pytest knows that it explains its assertions


@pytest.fixture
def run(destination: Destination, credentials: OctopusXCredentials) -> Run:
    return Run(destination, credentials)


@pytest.fixture
def batch(tmp_path: Path, credentials: OctopusXCredentials, sandbox: Sandbox) -> Batches:
    return Batches(LocalDestination(folder=tmp_path / "videos"), credentials, sandbox)


@pytest.fixture
def batch_anywhere(destination: Destination, credentials: OctopusXCredentials, sandbox: Sandbox) -> Batches:
    return Batches(destination, credentials, sandbox)
