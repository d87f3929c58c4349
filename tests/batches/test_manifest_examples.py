"""The manifests in examples/ are good ones."""

from datetime import date, datetime
from pathlib import Path

import pytest

from prefect_octopusx.batches import Manifest, read_manifest
from tests.batches.reading import WHEN

FOLDER = Path(__file__).parents[2] / "examples"
FILES = sorted(path.name for path in FOLDER.iterdir() if path.suffix in {".jsonl", ".csv", ".yaml"})


def manifest(name: str) -> Manifest:
    return read_manifest((FOLDER / name).read_bytes(), where=f"s3://my-videos/lists/{name}")


@pytest.mark.parametrize("name", FILES)
def test_an_example_makes_videos_that_nothing_warns_of(name: str) -> None:
    for item in manifest(name).videos(WHEN):
        assert item.request.warnings() == ()


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_the_launch_is_the_same_in_every_format(ending: str) -> None:
    items, same = (manifest(f"launch.{each}").videos(WHEN) for each in ("yaml", ending))
    assert [(item.name, item.request) for item in items] == [(item.name, item.request) for item in same]
    assert [item.name.removeprefix("launch/") for item in items] == ["opening", "paris", "tokyo", "lagos", "closing"]
    assert len({type(item.request) for item in items}) == 2


def test_the_calendar_has_dates_and_its_names_are_of_them() -> None:
    found = manifest("calendar.yaml")
    last = datetime(2026, 12, 24, 16)  # noqa: DTZ001 - the schedule has the zone
    assert [row.date for row in found.rows] == [date(2026, 12, 1), date(2026, 12, 2), date(2026, 12, 3), last]
    names = [item.name for item in found.videos(WHEN)]
    assert names == ["advent/2026-12-01", "advent/2026-12-02", "advent/2026-12-03", "advent/2026-12-24"]
    assert names == [item.name for item in found.videos(WHEN.replace(year=2030))]


def test_the_rotation_has_other_names_every_day() -> None:
    found = manifest("rotation.yaml")
    assert [row.date for row in found.rows] == [None] * 3
    one, another = ({item.name for item in found.videos(WHEN.replace(day=day))} for day in (1, 2))
    assert "daily/2026-12-01-harbour" in one
    assert not one & another
