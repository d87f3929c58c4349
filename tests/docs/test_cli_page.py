"""The calls on the page of the terminal tool do what it says, one after the other."""

from functools import partial

import pytest

from prefect_octopusx.cli import main
from prefect_octopusx.sandbox import Sandbox
from tests.docs.conftest import SETTINGS
from tests.docs.pages import calls, text


def test_the_calls_of_the_page_run(
    surroundings: Sandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prefect_octopusx.cli.way_in.Sandbox", partial(Sandbox, SETTINGS))
    monkeypatch.setattr("prefect_octopusx.cli.way_in._EVERY", 0.02)
    printed = []
    for call in calls(text("docs/cli.md")):
        if call != ["--install-completion"]:
            assert main(call) == 0, (call, capsys.readouterr())
            printed.append(capsys.readouterr().out)
    assert len(surroundings.ledger) == 2 + 5  # and nothing for the dry run and for the sandbox
    hero, submitted, status, collected, planned, stored, sample = printed
    assert hero.startswith("stored  s3://my-videos/clips/hero.mp4\n")
    assert submitted.startswith("submitted  boat, task ")
    assert "state      completed" in status
    assert collected == "completed   boat  s3://my-videos/clips/boat.mp4\n"
    assert "5 to create" in planned
    assert stored.count("s3://my-videos/clips/") == 5
    assert "sandbox-videos/a-cat-" in sample
