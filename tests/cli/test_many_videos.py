"""A list of videos at a terminal."""

import json
from pathlib import Path

import pytest

from prefect_octopusx.sandbox import Fault, Sandbox
from tests.cli.conftest import Call

pytestmark = pytest.mark.usefixtures("key")

LIST = "name,model,prompt\nfirst,viduq3-pro,a cat\nsecond,viduq3-pro,a dog\n"
BATCH = ["batch", "list.csv", "--to", "videos", "--poll-interval", "0.05"]


@pytest.fixture(autouse=True)
def a_list(tmp_path: Path, call: Call) -> None:  # noqa: ARG001 - it changes the folder
    Path("list.csv").write_text(LIST)


def test_look_first_then_run_then_only_what_is_missing(call: Call, sandbox: Sandbox, tmp_path: Path) -> None:
    dry = call(*BATCH, "--dry-run", "--default", "duration=5")
    assert dry.code == 0
    assert "first (viduq3-pro)" in dry.out
    assert "2 to create" in dry.out
    one = call(*BATCH, "--max-new-videos", "1", "--default", "duration=5")
    assert (one.code, len(sandbox.ledger)) == (0, 1)
    assert "1 of 2 videos stored" in one.out
    assert "1 held back" in one.out
    rest = call(*BATCH, "-q", "--default", "duration=5")
    assert rest.out.splitlines() == [f"{tmp_path}/videos/{name}.mp4" for name in ("first", "second")]
    told = json.loads(call(*BATCH, "--json", "--default", "duration=5").out)
    assert (told["stored"], told["failed"], told["created"], len(sandbox.ledger)) == (2, 0, 0, 2)
    assert told["uri"] == f"{tmp_path}/videos/list-results.jsonl"


def test_one_that_fails_ends_it_with_1_and_the_document_has_all(call: Call, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault("video_failed", match="a dog"))
    ended = call(*BATCH, "--name", "launch", "--json")
    told = json.loads(ended.out)
    assert (ended.code, told["error"]["type"]) == (1, "BatchFailed")
    assert {one["name"]: one["state"] for one in told["results"]} == {"first": "completed", "second": "failed"}


def test_a_list_with_faults_ends_with_2_before_anything_is_sent(call: Call, sandbox: Sandbox) -> None:
    Path("list.csv").write_text(LIST + "third,viduq3-pro,\n")
    ended = call(*BATCH)
    assert (ended.code, sandbox.requests) == (2, [])
    assert "row 4, column prompt" in ended.err
