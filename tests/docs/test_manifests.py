"""docs/manifests.md: its manifests are read, its templates rendered, its faults seen."""

import re
from datetime import UTC, datetime

import pytest

from prefect_octopusx.batches import ManifestError, VideoItem, read_manifest
from tests.docs.pages import blocks, rows, section, text

PAGE = text("docs/manifests.md")
WHEN = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
BASE = {"name": "x", "model": "viduq3-pro", "prompt": "a cat"}
REFUSED = section(PAGE, "What is refused")
_ROWS = [cells for cells in rows(REFUSED) if cells[0].startswith("`{")]
_FILES = [cells for cells in rows(REFUSED) if cells[0].startswith("`a.")]


def bare(cell: str) -> str:
    """Return what stands in the backticks of a cell."""
    return cell.strip("`").strip() if cell.startswith("``") else cell[1:-1]


def videos(data: str, where: str, **defaults: str) -> list[VideoItem]:
    return read_manifest(data.encode(), where=where, defaults=defaults).videos(WHEN)


def seen(data: str, where: str, **defaults: str) -> str:
    """Return the one fault of a manifest."""
    with pytest.raises(ManifestError) as raised:
        videos(data, where, **defaults)
    (fault,) = raised.value.faults
    return str(fault)


def pattern(cell: str) -> str:
    return re.escape(bare(cell)).replace("…", ".+")


def test_the_manifest_is_the_same_in_every_format() -> None:
    found = {}
    for language in ("yaml", "jsonl", "csv"):
        (block,) = blocks(PAGE, language)
        found[language] = [(item.name, item.request) for item in videos(block, f"launch.{language}")]
    assert [name for name, _ in found["yaml"]] == ["launch/paris", "launch/tokyo", "launch/closing"]
    assert found["yaml"] == found["jsonl"] == found["csv"]


@pytest.mark.parametrize(
    ("template", "expected"), [cells for cells in rows(section(PAGE, "Templates")) if cells[0].startswith("`")]
)
def test_a_template_gives_what_the_page_says(template: str, expected: str) -> None:
    data = f"name,model,city,nr,prompt\nlaunch/paris,viduq3-pro,Paris,7,{bare(template)}\n"
    (item, _) = videos(f"{data}used,viduq3-pro,Paris,7,{{city}} {{nr}}\n", "a.csv")
    assert item.request.prompt == expected


@pytest.mark.parametrize(("row", "column", "told"), _ROWS, ids=[cells[0] for cells in _ROWS])
def test_a_row_is_refused_as_the_page_says(row: str, column: str, told: str) -> None:
    found = seen(bare(row), "a.jsonl", **BASE)
    assert re.fullmatch(f"line 1, column {column}: {pattern(told)}", found), found


@pytest.mark.parametrize(("where", "content", "told"), _FILES, ids=[cells[1] for cells in _FILES])
def test_a_file_is_refused_as_the_page_says(where: str, content: str, told: str) -> None:
    found = seen(bare(content).replace("⏎", "\n"), bare(where))
    assert re.fullmatch(pattern(told), found), found


def test_the_tables_are_not_empty() -> None:
    assert (len(_ROWS), len(_FILES)) == (20, 13)
