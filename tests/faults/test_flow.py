"""A row of each kind, with the flow itself and a real Prefect server: it comes to what the matrix says."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from prefect.blocks.system import Secret
from pydantic import SecretStr

from prefect_octopusx.blocks import LocalDestination, OctopusXCredentials
from prefect_octopusx.flows import generate_video
from prefect_octopusx.sandbox import Sandbox
from prefect_octopusx.storage import RecordState, VideoStore
from tests.clocks import Clock
from tests.faults.create_rows import CREATE_ROWS
from tests.faults.file_rows import FILE_ROWS
from tests.faults.query_rows import QUERY_ROWS
from tests.faults.table import Row, told
from tests.faults.world import CAT, World

pytestmark = pytest.mark.usefixtures("prefect_api", "retries_at_once")

_RUNNING = "Flow run encountered an exception: "
_SAMPLES = (
    ("create", CREATE_ROWS, "429, too many requests"),
    ("create", CREATE_ROWS, "502, 503, 504, 520, 524 with a proxy's page"),
    ("create", CREATE_ROWS, "a refusal of 100 KB, with NUL"),  # which Prefect's database would not take
    ("query", QUERY_ROWS, "failed, with a reason of 1 MB"),
    ("file", FILE_ROWS, "cut at any byte, the length"),
)
_CASES = [
    pytest.param(place, row, id=f"{place}: {row.fault}")
    for place, rows, start in _SAMPLES
    for row in rows
    if row.fault.startswith(start)
]
assert len(_CASES) == len(_SAMPLES)


class FlowWorld(World):
    """A world in which the flow itself is asked."""

    destination: LocalDestination

    async def state(self, **options: Any) -> Any:  # noqa: ANN401 - a state of Prefect
        given = {"name": "hero", "destination": self.destination, "poll_interval": 0.05, "return_state": True}
        key = Secret(value=SecretStr(self.sandbox.key))
        credentials = OctopusXCredentials(api_key=key, base_url=self.gateway.address)
        return await generate_video(request=CAT, credentials=credentials, **(given | options))


@pytest.fixture
async def world(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[FlowWorld]:
    opened = FlowWorld(sandbox, Clock())
    opened.destination = LocalDestination(folder=tmp_path / "videos", poster=False)

    async def folder(_: AsyncExitStack) -> VideoStore:
        return await opened.destination.store()

    async with opened.open(folder):
        yield opened


@pytest.mark.parametrize(("place", "row"), _CASES)
async def test_the_flow_comes_to_the_same(world: FlowWorld, place: str, row: Row) -> None:
    accepted = False if row.fate.billed == "perhaps" else None
    world.provoke(place, row.by[0], accepted=accepted)
    state = await world.state()
    if row.sees:
        assert state.is_failed()
        said = str(state.message).removeprefix(_RUNNING)
        assert re.fullmatch(told(row.sees), said, re.DOTALL), said
        assert state.name == ("Uncertain" if said.startswith("SubmissionUncertain") else "Failed")
    left = await world.record()
    assert (left.state if left else "none") == row.fate.record
    assert world.billed == ("nothing" if accepted is False else row.fate.billed)
    world.calm()
    options = {"retry_failed": "retry_failed" in row.fate.then}
    if accepted is False:
        options = {"on_uncertain": "resubmit"}
    record = await (await world.state(**options)).result()
    assert (record.state, record.task_id) == (RecordState.COMPLETED, world.task_id)
    assert Path(record.uri).read_bytes() == world.video()
    assert world.paid == 1
