"""Every Python example of the pages runs.

The blocks of a page run in order, in one namespace and one running event loop, with `await` allowed at the top, as in a
notebook. What `print(...)  # text` prints must be that text, in which `…` stands for anything. A coroutine that nobody
awaits is a warning, and so an error.
"""

import ast
import contextlib
import inspect
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from prefect.blocks.system import Secret
from pydantic import SecretStr

from prefect_octopusx.blocks import OctopusXCredentials
from prefect_octopusx.sandbox import Sandbox
from prefect_octopusx.storage import VideoRecord
from tests.docs.pages import PAGES, blocks, section, text

_PRINTED = re.compile(r"^\s*print\(.*\)  # (?P<text>.+)$", re.MULTILINE)
_SANDBOX = "http://127.0.0.1:8765"  # as the pages call it


async def run(page: str, sandbox: Sandbox) -> dict[str, Any]:
    """Run all examples of a text, with `sandbox` as the one that the reader has started; return their namespace."""
    names: dict[str, Any] = {"__name__": "example"}
    for number, block in enumerate(blocks(page, "python"), 1):
        source = block.replace(_SANDBOX, sandbox.url)
        code = compile(source, f"example {number}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            result = eval(code, names)  # noqa: S307 - our own pages
            if inspect.iscoroutine(result):
                await result
        pattern = "\n".join(re.escape(line).replace("…", ".*") for line in _PRINTED.findall(block))
        assert re.fullmatch(pattern, printed.getvalue().rstrip("\n")), f"{code.co_filename} prints {printed.getvalue()}"
    return names


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.name != "README.md" and blocks(page.read_text("utf-8"), "python")],
    ids=lambda page: page.stem,
)
async def test_examples_run(page: Path, surroundings: Sandbox, tmp_path: Path) -> None:
    for name, value in (await run(page.read_text("utf-8"), surroundings)).items():
        if name.startswith("test_"):
            await value(tmp_path)


async def test_the_readme_runs_and_pays_once_for_each_name(surroundings: Sandbox) -> None:
    await run(text("README.md"), surroundings)
    names = ["first", "hero", "trailer/paper-boat", "titled", "sync", "later", "the plain client"]
    assert len(surroundings.ledger) == len(names) + 5  # and a list of five


async def test_without_spending_means_it(surroundings: Sandbox, another_sandbox: Sandbox) -> None:
    """Also where the real key is saved, as by the tour; `surroundings` stand for the real service."""
    real = OctopusXCredentials(api_key=Secret(value=SecretStr(surroundings.key)))
    await real.asave("default", overwrite=True)
    await run(section(text("README.md"), "Without spending"), another_sandbox)
    assert (len(another_sandbox.ledger), surroundings.requests) == (1, [])


def test_the_shown_record_is_one() -> None:
    (shown,) = blocks(text("docs/records.md"), "json")
    record = VideoRecord.from_json(shown.encode(), where="docs/records.md")
    absent = {"error", "error_code", "renewed_at", "asked_by", "top_run_id"}
    assert set(json.loads(shown)) == set(VideoRecord.model_fields) - absent
    assert json.loads(record.to_json()) == json.loads(shown)
