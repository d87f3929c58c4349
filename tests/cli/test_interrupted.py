"""Ctrl-C and SIGTERM: what is paid for is told, in whatever way is asked for, and the second try works."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from prefect_octopusx.sandbox import Fault, Sandbox, SandboxSettings
from tests.cli.conftest import Call
from tests.flows.deployed import Studio

pytestmark = pytest.mark.usefixtures("prefect_api")

CAT = ["generate", "a cat", "--model", "viduq3-pro"]
HERO = [*CAT, "--to", "videos", "--name", "hero", "--poll-interval", "0.1"]


@contextmanager
def sent_when(number: signal.Signals, happened: Callable[[], object]) -> Iterator[None]:
    """Send this process a signal, once something has happened in here."""
    over = threading.Event()

    def send() -> None:
        until = time.monotonic() + 60
        while not over.wait(0.02) and time.monotonic() < until:
            if happened():
                os.kill(os.getpid(), number)
                return

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def submitted(record: str) -> bool:
    path = Path(record)
    return path.exists() and '"submitted"' in path.read_text()


@pytest.mark.parametrize(
    ("number", "code", "option"), [(signal.SIGINT, 130, "--quiet"), (signal.SIGTERM, 143, "--json")]
)
def test_what_is_paid_for_is_told_to_scripts_too(
    number: signal.Signals, code: int, option: str, call: Call, studio: Studio
) -> None:
    """Also if the answer of the create is still on its way."""
    studio.sandbox.add_fault(Fault("create_slow", delay=1))
    with sent_when(number, lambda: studio.sandbox.jobs):
        ended = call(*HERO, option)
    task = studio.sandbox.jobs[0].id
    assert ended.code == code
    assert f"hero goes on without this command, and is paid for: task {task}" in ended.err
    assert f"prefect-octopusx adopt {task} --name hero --to videos" in ended.err
    assert "Traceback" not in ended.err
    if option == "--json":
        told = json.loads(ended.out)
        assert (told["name"], told["error"]["type"], told["error"]["task_id"]) == ("hero", "Interrupted", task)
    else:
        assert ended.out == ""


def test_a_task_that_was_not_taken_over_is_as_it_was(call: Call, studio: Studio) -> None:
    assert call(*CAT, "--to", "videos", "--name", "hero", "--no-wait", "-q").out == "hero\n"
    task, asked = studio.sandbox.jobs[0].id, len(studio.sandbox.requests)
    studio.hold_looks(30)
    with sent_when(signal.SIGINT, lambda: len(studio.sandbox.requests) > asked):
        ended = call("adopt", task, "--name", "other", "--to", "videos", "-q")
    assert ended.code == 130
    assert f"Task {task} is as it was. To take it over, run the same `adopt` again." in ended.err
    assert "nothing is billed" not in ended.err


def test_after_ctrl_c_the_sandbox_can_be_tried_again(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, quick = (partial(Sandbox, SandboxSettings(generation=seconds, refresh=0.02)) for seconds in (1000, 0.2))
    monkeypatch.setattr("prefect_octopusx.cli.way_in._EVERY", 0.1)
    monkeypatch.setattr("prefect_octopusx.cli.way_in.Sandbox", slow)
    command = [*CAT, "--sandbox", "--name", "hero"]
    with sent_when(signal.SIGINT, lambda: submitted("sandbox-videos/hero.json")):
        ended = call(*command)
    assert (ended.code, "nothing was billed" in ended.err) == (130, True)
    assert not [path for path in Path("sandbox-videos").rglob("*") if path.is_file() and path.name != ".lock"]
    monkeypatch.setattr("prefect_octopusx.cli.way_in.Sandbox", quick)
    assert call(*command).code == 0
