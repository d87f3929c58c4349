"""The tutorial, word for word: its files are saved, its blocks are typed into its terminals, in its order.

What is otherwise than at its reader's is in `changes` and `environment`, below.
"""

import contextlib
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import ObjectNotFound

from prefect_octopusx.sandbox import Sandbox, SandboxSettings
from tests.docs.pages import BLOCK, ROOT, file_name, section, text
from tests.docs.terminal import Terminal, until
from tests.servers import free_port

PAGE = text("docs/tutorial.md")
CALENDAR = "generate-due-videos/calendar"

_TERMINAL = re.compile(r"# terminal (\d)")
_PRINTED = re.compile(r"^\s*print\(.*\)  # (?P<text>.+)$", re.MULTILINE)


class Reader:
    """Reads the tutorial, and does what it says.

    Args:
        clone: A copy of this repository.
        environment: What each terminal begins with.
        changes: What is otherwise than on the page.
        waits: What is to be waited for where the page says so, by its words.
    """

    def __init__(
        self,
        clone: Path,
        environment: Mapping[str, str],
        changes: Mapping[str, str],
        waits: Mapping[str, Callable[[], bool]],
    ) -> None:
        self.folder = clone / "tutorial"
        self._clone = clone
        self._environment = environment
        self._changes = changes
        self._waits = waits
        self._terminals: dict[str, Terminal] = {}
        self._files: dict[str, str] = {}

    def does(self, heading: str) -> None:
        """Do all of a section."""
        page, read = section(PAGE, heading), 0
        for found in BLOCK.finditer(page):
            self._heed(page[read : found.start()])
            code, read = found["code"], found.end()
            for given, changed in self._changes.items():
                code = code.replace(given, changed)
            if found["language"] == "bash":
                self._type(code)
            else:
                self._save(file_name(page[: found.start()]), code)

    def terminal(self, number: int) -> Terminal:
        """Return a terminal, opened at need."""
        if (name := str(number)) not in self._terminals:
            folder = self.folder if self.folder.exists() else self._clone
            log = self._clone.with_name(f"terminal-{name}.log")
            self._terminals[name] = Terminal(folder, log, self._environment)
        return self._terminals[name]

    def leaves(self) -> None:
        """Close all terminals."""
        for terminal in self._terminals.values():
            terminal.end()

    def _heed(self, words: str) -> None:
        """Do what a text between two blocks asks for."""
        for number in re.findall(r"Press Ctrl-C in terminal (\d)", words):
            self.terminal(int(number)).interrupt()
        for asked, so in self._waits.items():
            if asked in words:
                until(so, *self._terminals.values())

    def _save(self, name: str, code: str) -> None:
        self.folder.joinpath(name).write_text(code, "utf-8")
        self._files[name] = code

    def _type(self, code: str) -> None:
        found = _TERMINAL.match(code)
        assert found, f"in which terminal? {code}"
        terminal = self.terminal(int(found[1]))
        if found[1] != "1":  # what keeps its terminal
            terminal.type(code)
            return
        seen = terminal.run(code)
        for script in re.findall(r"^python (\w+\.py)$", code, re.MULTILINE):
            lines = [re.escape(line).replace("…", ".*") for line in _PRINTED.findall(self._files[script])]
            assert re.search("^" + "$.*^".join(lines) + "$", seen, re.MULTILINE | re.DOTALL), f"{script} prints {seen}"


@pytest.fixture
def real() -> Iterator[Sandbox]:
    """Stand for the real OctopusX, with the key of the page."""
    with Sandbox(SandboxSettings(keys=("...",))) as running:
        yield running


@pytest.fixture
def changes(prefect_api: str) -> dict[str, str]:
    return {
        # What takes minutes or the network; `make` does the same for the environment that these tests have.
        "python3 -m venv .venv": f"ln -s {sys.prefix} .venv",
        "pip install -c ../constraints.txt ..": ":",
        # The tests have such a server already.
        "prefect server start": ":",
        "http://127.0.0.1:4200/api": prefect_api,
        "8765": str(free_port()),
        # Videos that are ready sooner, and a schedule that fires sooner.
        "--generation 5": "--generation 0.5",
        "poll_interval=2": "poll_interval=0.5",
        "poll_interval: 2": "poll_interval: 0.5",
        "interval: 60": "interval: 8",
    }


@pytest.fixture
def reader(
    blocks_go: None,  # noqa: ARG001 - they are the tutorial's
    changes: dict[str, str],
    real: Sandbox,
    s3_url: str,
    tmp_path: Path,
) -> Iterator[Reader]:
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"} | {
        "PATH": os.defpath,  # all else is in the tutorial's environment
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
        # For the last step.
        "OCTOPUSX_BASE_URL": real.url,
        "AWS_ENDPOINT_URL_S3": s3_url,
    }
    bucket = boto3.resource("s3", endpoint_url=s3_url).create_bucket(Bucket="my-videos")
    clone = tmp_path / "clone"
    clone.mkdir()
    for folder in ("examples", "deployments"):
        shutil.copytree(ROOT / folder, clone / folder)

    def a_run_is_over() -> bool:
        return "Flow run 'calendar (due)' - Finished in state Completed" in found.terminal(4).seen()

    found = Reader(clone, environment, changes, {"Wait until it is over": a_run_is_over})
    yield found
    found.leaves()
    bucket.objects.delete()
    bucket.delete()
    bucket.meta.client.close()
    with get_client(sync_client=True) as prefect, contextlib.suppress(ObjectNotFound):  # it was not followed so far
        prefect.delete_deployment(prefect.read_deployment_by_name(CALENDAR).id)


def test_the_tutorial_leads_to_a_scheduled_calendar(reader: Reader, changes: dict[str, str], real: Sandbox) -> None:
    for number in range(1, 9):
        reader.does(f"{number}. ")
    ledger = httpx.get(f"http://127.0.0.1:{changes['8765']}/sandbox/ledger").json()
    assert len(ledger) == 5  # as the page says
    assert len(list(reader.folder.glob("videos/advent/*.mp4"))) == 1

    reader.does("9. ")
    with get_client(sync_client=True) as prefect:
        until(lambda: crons(prefect) == ["0 6 * * *"], reader.terminal(4))
    assert real.requests, "the doctor asked nobody"
    assert not real.ledger


def crons(prefect: SyncPrefectClient) -> list[Any]:
    found = prefect.read_deployment_by_name(CALENDAR)
    return [getattr(one.schedule, "cron", None) for one in found.schedules if one.active and not found.paused]


def test_what_is_changed_is_on_the_page(changes: dict[str, str]) -> None:
    assert all(given in PAGE for given in changes)
