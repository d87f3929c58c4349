"""Every Python example of the pages runs.

The blocks of a page run in order, in one namespace, with `await` allowed at the top, as in a notebook. What
`print(...)  # text` prints must be that text, in which `…` stands for anything.
"""

import ast
import asyncio
import contextlib
import inspect
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from prefect_octopusx.api import SubmissionUncertain
from prefect_octopusx.sandbox import Fault, Sandbox
from prefect_octopusx.storage import VideoRecord

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_FENCE = re.compile(r"^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
_PRINTED = re.compile(r"^\s*print\(.*\)  # (?P<text>.+)$", re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return [found["code"] for found in _FENCE.finditer(page.read_text("utf-8")) if found["language"] == language]


def run_page(page: Path) -> dict[str, Any]:
    """Run all examples of a page; return their namespace."""
    names: dict[str, Any] = {"__name__": "example"}
    for number, block in enumerate(blocks(page, "python"), 1):
        code = compile(block, f"{page.name}, example {number}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            result = eval(code, names)  # noqa: S307 - our own pages
            if inspect.iscoroutine(result):
                asyncio.run(result)
        pattern = "\n".join(re.escape(text).replace("…", ".*") for text in _PRINTED.findall(block))
        assert re.fullmatch(pattern, printed.getvalue().rstrip("\n")), f"{code.co_filename} prints {printed.getvalue()}"
    return names


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.stem)
def test_examples_run(page: Path, surroundings: Sandbox, tmp_path: Path) -> None:
    assert surroundings.url
    for name, value in run_page(page).items():
        if name.startswith("test_"):
            asyncio.run(value(tmp_path))


def test_the_readme_pays_once_for_each_name(surroundings: Sandbox) -> None:
    run_page(ROOT / "README.md")
    names = ["hero", "trailer/paper-boat", "titled", "sync", "the plain client"]
    assert len(surroundings.ledger) == len(names)


def test_a_found_video_is_adopted_as_the_page_says(surroundings: Sandbox) -> None:
    page = run_page(ROOT / "docs" / "records.md")
    surroundings.reset()
    surroundings.add_fault(Fault("create_lost_reply"))
    with pytest.raises(SubmissionUncertain):
        asyncio.run(page["generate_video"](page["cat"], name="lost", destination=page["folder"]))
    asyncio.run(page["adopt"]("lost", surroundings.jobs[0].id))
    record = asyncio.run(page["generate_video"](page["cat"], name="lost", destination=page["folder"]))
    assert (record.state, len(surroundings.ledger)) == ("completed", 1)


def test_the_shown_record_is_one() -> None:
    (shown,) = blocks(ROOT / "docs" / "records.md", "json")
    record = VideoRecord.from_json(shown.encode(), where="docs/records.md")
    assert set(json.loads(shown)) == set(VideoRecord.model_fields) - {"error", "error_code"}
    assert json.loads(record.to_json()) == json.loads(shown)
