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
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prefect.blocks.system import Secret
from pydantic import SecretStr

from prefect_octopusx.blocks import OctopusXCredentials
from prefect_octopusx.sandbox import Sandbox
from prefect_octopusx.storage import VideoRecord
from tests.docs.pages import BLOCK, PAGES, blocks, file_name, section, text

_PRINTED = re.compile(r"^\s*print\(.*\)  # (?P<text>.+)$", re.MULTILINE)
_SANDBOX = "http://127.0.0.1:8765"  # as the pages call it


async def run(page: str, sandbox: Sandbox) -> None:
    """Run all examples of a text, with `sandbox` as the one that the reader has started."""
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


# Their examples are files, which tests of their own save and run.
FILES = ("tutorial", "testing")
PAID = {
    "README": ["first", "hero", *["launch"] * 5],
    "python": ["trailer/paper-boat", "later", "the plain client"],
    "composing": ["titled", "cats/0", "cats/1", "cats/2", "sync"],
}


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.stem not in FILES and blocks(page.read_text("utf-8"), "python")],
    ids=lambda page: page.stem,
)
async def test_examples_run(page: Path, surroundings: Sandbox) -> None:
    await run(page.read_text("utf-8"), surroundings)
    assert page.stem not in PAID or len(surroundings.ledger) == len(PAID[page.stem])


@pytest.mark.usefixtures("prefect_api")
def test_the_tests_of_the_page_pass(tmp_path: Path) -> None:
    """As a reader runs them, but for the start of a Prefect server: there is one."""
    page, start = text("docs/testing.md"), "    with prefect_test_harness(server_startup_timeout=120):\n        yield\n"
    assert start in page
    for block in BLOCK.finditer(page):
        if block["language"] == "python":
            code = block["code"].replace(start, "    yield\n")
            (tmp_path / file_name(page[: block.start()])).write_text(code, "utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "4 passed" in done.stdout, done.stdout + done.stderr


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
