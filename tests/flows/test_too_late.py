"""One video whose run starts long after its time: a worker that was away does not bill all that it missed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect import get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import CancelledRun
from prefect.flow_engine import run_flow
from prefect.states import Scheduled

from prefect_octopusx.api import ViduRequest
from prefect_octopusx.blocks import LocalDestination, OctopusXCredentials
from prefect_octopusx.flows import generate_video
from prefect_octopusx.sandbox import Sandbox
from prefect_octopusx.storage import RecordState, VideoRecord

pytestmark = pytest.mark.usefixtures("prefect_api", "retries_at_once")

CAT = ViduRequest(model="viduq3-pro", prompt="a cat")


@pytest.fixture
def given(tmp_path: Path, credentials: OctopusXCredentials) -> dict[str, Any]:
    folder = LocalDestination(folder=tmp_path / "videos")
    return {"request": CAT, "name": "cat", "destination": folder, "credentials": credentials, "poll_interval": 0.05}


async def begun_late(ago: timedelta, given: dict[str, Any]) -> State[VideoRecord]:
    """Run the flow as a worker does that was away when its time came."""
    async with get_client() as client:
        run = await client.create_flow_run(
            generate_video, parameters=given, state=Scheduled(scheduled_time=datetime.now(UTC) - ago)
        )
    return await run_flow(generate_video, flow_run=run, parameters=given, return_type="state")


async def test_it_creates_nothing_and_says_so(given: dict[str, Any], sandbox: Sandbox) -> None:
    state = await begun_late(timedelta(hours=3), given | {"max_lateness": 3600.0})
    assert (state.type.value, state.name) == ("CANCELLED", "TooLate")
    assert str(state.message).startswith("cat: not created. max_lateness: this run started 108")
    assert not sandbox.requests
    assert not given["destination"].folder.exists()
    with pytest.raises(CancelledRun, match="max_lateness"):
        await state.result()


async def test_what_is_in_the_making_is_stored(given: dict[str, Any], sandbox: Sandbox) -> None:
    await generate_video(**given | {"wait": "none"})
    state = await begun_late(timedelta(hours=3), given | {"max_lateness": 3600.0})
    record = await state.result()
    assert record.state is RecordState.COMPLETED
    assert len(sandbox.ledger) == 1


async def test_in_time_it_is_made(given: dict[str, Any], sandbox: Sandbox) -> None:
    state = await begun_late(timedelta(minutes=59), given | {"max_lateness": 3600.0})
    assert (await state.result()).state is RecordState.COMPLETED
    assert len(sandbox.ledger) == 1
