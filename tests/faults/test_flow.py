"""A row of each kind, with the flow itself and a real Prefect server: it comes to what the matrix says."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from prefect_octopusx.sandbox import Sandbox
from prefect_octopusx.storage import RecordState
from tests.faults.create_rows import CREATE_ROWS
from tests.faults.file_rows import FILE_ROWS
from tests.faults.flow_world import FlowWorld, flow_world
from tests.faults.table import Row, told

pytestmark = pytest.mark.usefixtures("prefect_api", "retries_at_once")

_RUNNING = "Flow run encountered an exception: "
_SAMPLES = (
    ("create", CREATE_ROWS, "502, 503, 504, 520, 524 with a proxy's page"),
    ("create", CREATE_ROWS, "a refusal of 100 KB, with NUL"),  # which Prefect's database would not take
    ("file", FILE_ROWS, "cut at any byte, the length"),
)
_CASES = [
    pytest.param(place, row, id=f"{place}: {row.fault}")
    for place, rows, start in _SAMPLES
    for row in rows
    if row.fault.startswith(start)
]
assert len(_CASES) == len(_SAMPLES)


@pytest.fixture
async def world(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[FlowWorld]:
    async with flow_world(sandbox, tmp_path / "videos") as opened:
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
