"""The content calendar: each tick makes what is due and not yet made, and the same tick twice makes nothing twice."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect import get_client
from prefect.flow_engine import run_flow
from prefect.states import Scheduled, State

from prefect_octopusx.batches import BatchResult, ManifestError
from prefect_octopusx.flows import generate_due_videos
from tests.flows.batches import Batches

pytestmark = pytest.mark.usefixtures("prefect_api", "retries_at_once")

DATED = """
defaults: {model: viduq3-pro, prompt: "{city} on a {weekday}", name: "{date}-{city}"}
videos:
  - {date: 2026-11-30, city: Oslo}
  - {date: 2026-12-01, city: Rome}
  - {date: 2026-12-01T18:00, city: Bern}
  - {date: 2026-12-02, city: Lima}
  - {date: 2026-12-24, city: Nice}
"""
ROTATION = """
defaults: {model: viduq3-pro, prompt: "{city} on a {weekday}", name: "{date}-{city}"}
videos: [{city: Oslo}, {city: Rome}, {city: Bern}]
"""


class Calendar:
    """A calendar in a file, and a run of it at a time."""

    def __init__(self, batch: Batches, path: Path) -> None:
        self.batch = batch
        self.path = path

    async def at(self, scheduled: str, text: str = DATED, **options: Any) -> BatchResult:  # noqa: ANN401
        self.path.write_text(text)
        given = self.batch.options | {"timezone": "Europe/Berlin"} | options
        return await generate_due_videos(str(self.path), scheduled=scheduled, **given)

    async def names(self, scheduled: str, text: str = DATED, **options: Any) -> list[str]:  # noqa: ANN401
        return [one.name for one in (await self.at(scheduled, text, **options)).results]


@pytest.fixture
def calendar(tmp_path: Path, batch: Batches) -> Calendar:
    return Calendar(batch, tmp_path / "calendar.yaml")


async def test_what_is_due_is_made_and_nothing_twice(calendar: Calendar) -> None:
    first = await calendar.at("2026-12-01T09:00:00")
    assert [(one.name, one.state) for one in first.results] == [
        ("2026-11-30-Oslo", "completed"), ("2026-12-01-Rome", "completed"),
    ]  # fmt: skip
    assert (await calendar.batch.record("2026-12-01-Rome")).request["prompt"] == "Rome on a tuesday"
    again = await calendar.at("2026-12-01T09:00:00")
    assert (again.stored, again.created, calendar.batch.posts) == (2, 0, 2)
    assert await calendar.names("2026-12-02T09:00:00") == ["2026-12-01-Rome", "2026-12-01-Bern", "2026-12-02-Lima"]
    assert calendar.batch.posts == 4
    assert list(await calendar.batch.lines("calendar-2026-12-02")) == [
        "2026-12-01-Rome", "2026-12-01-Bern", "2026-12-02-Lima",
    ]  # fmt: skip


async def test_the_time_is_of_the_calendars_zone(calendar: Calendar) -> None:
    """At 23:30 UTC it is the next day in Berlin."""
    assert "2026-12-02-Lima" in await calendar.names("2026-12-01T23:30:00Z", dry_run=True)
    assert "2026-12-02-Lima" not in await calendar.names("2026-12-01T23:30:00Z", dry_run=True, timezone="UTC")


async def test_days_ahead_are_made_in_time(calendar: Calendar) -> None:
    names = await calendar.names("2026-12-01T09:00:00", look_ahead_days=1)
    assert names == ["2026-11-30-Oslo", "2026-12-01-Rome", "2026-12-01-Bern", "2026-12-02-Lima"]
    result = await calendar.at("2026-12-02T09:00:00")
    assert (result.stored, result.created) == (3, 0)


async def test_what_is_too_long_ago_is_told_not_made(calendar: Calendar, caplog: pytest.LogCaptureFixture) -> None:
    await calendar.at("2026-12-01T09:00:00")
    caplog.clear()
    await calendar.at("2026-12-05T09:00:00", catch_up_days=3)
    (line,) = [entry.getMessage() for entry in caplog.records if "catch_up_days" in entry.getMessage()]
    assert "2026-12-01-Bern" in line  # never made
    assert "Rome" not in line  # made in time


async def test_an_old_record_that_can_not_be_read_stops_no_tick(calendar: Calendar, tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "2026-11-30-Oslo.json").write_text("{}")
    result = await calendar.at("2026-12-05T09:00:00", catch_up_days=4)
    assert (result.stored, result.created) == (3, 3)


async def test_a_rotation_takes_the_next_row_each_day(calendar: Calendar) -> None:
    days = [f"2026-12-0{day}T09:00:00" for day in (1, 2, 3, 4)]
    names = [(await calendar.names(day, ROTATION))[0] for day in days]
    assert [name[:10] for name in names] == [day[:10] for day in days]
    cities = [name[11:] for name in names]
    assert cities[:3] in (["Oslo", "Rome", "Bern"], ["Rome", "Bern", "Oslo"], ["Bern", "Oslo", "Rome"])
    assert cities[3] == cities[0]
    assert await calendar.names(days[0], ROTATION) == names[:1]
    assert calendar.batch.posts == 4


async def test_a_rotation_on_some_days_of_the_week_uses_all_rows(calendar: Calendar) -> None:
    found = await calendar.names(
        "2026-12-01T09:00:00", ROTATION, weekdays=["monday", "friday"], look_ahead_days=10, dry_run=True
    )
    assert [name[:10] for name in found] == ["2026-12-04", "2026-12-07", "2026-12-11"]
    assert len({name[11:] for name in found}) == 3


async def test_a_rotation_whose_names_come_again_is_refused(calendar: Calendar) -> None:
    text = ROTATION.replace("{date}-{city}", "{weekday}-{city}")
    with pytest.raises(ManifestError, match=r"use \{date\} in the name"):
        await calendar.at("2026-12-01T09:00:00", text)
    assert not calendar.batch.posts


async def test_faults_of_rows_that_are_not_due_are_told_too(calendar: Calendar) -> None:
    text = DATED + "  - {date: 2027-05-05, city: Rome, duration: 99}\n  - {city: Oslo}\n"
    with pytest.raises(ManifestError) as refused:
        await calendar.at("2026-12-01T09:00:00", text)
    assert "duration" in str(refused.value)
    assert "give every row a date" in str(refused.value)
    assert not calendar.batch.posts


async def test_the_examples_are_calendars(calendar: Calendar) -> None:
    examples = Path(__file__).parents[2] / "examples"
    advent, rotation = ((examples / name).read_text() for name in ("calendar.yaml", "rotation.yaml"))
    assert await calendar.names("2026-12-02T07:00:00", advent) == ["advent/2026-12-01", "advent/2026-12-02"]
    (name,) = await calendar.names("2026-12-02T07:00:00", rotation)
    assert name.startswith("daily/2026-12-02-")


async def test_nothing_is_due(calendar: Calendar) -> None:
    assert await calendar.names("2026-12-10T09:00:00") == []


async def test_a_worker_that_was_away_does_not_bill_what_it_missed(calendar: Calendar) -> None:
    """Prefect runs all late runs when a worker comes back."""
    calendar.path.write_text(ROTATION)
    states = [await calendar_run(calendar, timedelta(days=days, hours=1)) for days in range(5, -1, -1)]
    assert [state.name for state in states] == ["TooLate"] * 5 + ["Completed"]
    assert calendar.batch.posts == 1


async def calendar_run(calendar: Calendar, late: timedelta) -> State[BatchResult]:
    """Run the flow as a worker does, so much after its time."""
    parameters = {"manifest": str(calendar.path), "timezone": "Europe/Berlin"} | calendar.batch.options
    async with get_client() as client:
        state = Scheduled(scheduled_time=datetime.now(UTC) - late)
        flow_run = await client.create_flow_run(generate_due_videos, parameters=parameters, state=state)
    return await run_flow(generate_due_videos, flow_run=flow_run, parameters=parameters, return_type="state")
