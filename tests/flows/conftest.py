"""The main job, as a user runs it, on each kind of destination."""

import pytest

from prefect_octopusx.blocks import OctopusXCredentials
from tests.flows.ways_on import Destination

pytest.register_assert_rewrite("tests.flows.main_job")

from tests.flows.main_job import Run  # noqa: E402 - after pytest knows that it explains its assertions


@pytest.fixture
def run(destination: Destination, credentials: OctopusXCredentials) -> Run:
    return Run(destination, credentials)
