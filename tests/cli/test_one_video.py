"""One video at a terminal: what is printed, which code it ends with, what comes next."""

import asyncio
import io
import json
import time
from pathlib import Path

import pytest
from prefect.blocks.system import Secret
from pydantic import SecretStr

from prefect_octopusx.blocks import LocalDestination, OctopusXCredentials, S3Destination
from prefect_octopusx.sandbox import Fault, Sandbox, SandboxSettings
from tests.cli.conftest import Call
from tests.clocks import Clock

pytestmark = pytest.mark.usefixtures("key")

CAT = ["generate", "a cat", "--model", "viduq3-pro", "--poll-interval", "0.05", "--to", "videos"]
HERO = [*CAT, "--name", "hero"]


def test_a_video_is_stored_and_the_same_name_pays_nothing_more(call: Call, sandbox: Sandbox, tmp_path: Path) -> None:
    first, again = call(*HERO), call(*HERO, "--verbose")
    video = tmp_path / "videos" / "hero.mp4"
    assert (first.code, again.code, len(sandbox.ledger)) == (0, 0, 1)
    assert first.out.splitlines()[0] == again.out.splitlines()[0] == f"stored  {video}"
    assert f"{video.stat().st_size:,} bytes" in first.out
    # Without a terminal there are lines: where the run is, and what became of it.
    assert "Prefect run: http://127.0.0.1:" in first.err
    assert f"hero: stored {video}" in first.err
    assert "\x1b" not in first.err
    assert not [line for line in first.err.splitlines() if "Task run" in line or "Finished in state" in line]
    assert sandbox.key not in first.err + first.out
    assert "sig=" not in first.err + first.out
    assert not [line for line in again.err.splitlines() if line.startswith("hero: ")]  # Prefect prints them


def test_without_a_name_each_call_makes_a_new_video_named_for_its_prompt(call: Call, sandbox: Sandbox) -> None:
    names = [Path(call(*CAT, "--quiet").out.strip()).stem for _ in range(2)]
    assert len({*names}) == len(sandbox.ledger) == 2
    assert all(name.startswith("a-cat-") for name in names)


def test_json_and_quiet_are_for_scripts(call: Call, tmp_path: Path) -> None:
    told, quiet = call(*HERO, "--json"), call(*HERO, "-q")
    record = json.loads(told.out)
    assert (record["state"], record["uri"]) == ("completed", str(tmp_path / "videos" / "hero.mp4"))
    assert record == json.loads((tmp_path / "videos" / "hero.json").read_text())
    assert (quiet.out, quiet.err, told.err) == (f"{record['uri']}\n", "", "")


def test_a_bucket_of_another_store(call: Call, s3_destination: S3Destination) -> None:
    endpoint = str(s3_destination.endpoint_url)
    place = ["--to", f"s3://{s3_destination.bucket}/clips", "--endpoint-url", endpoint]
    ended = call(*CAT[:6], *place, "--name", "hero", "-q")
    assert (ended.code, ended.out) == (0, f"s3://{s3_destination.bucket}/clips/hero.mp4\n")
    assert call("status", "hero", *place).code == 0


async def _save(sandbox: Sandbox, folder: Path) -> None:
    key = OctopusXCredentials(api_key=Secret(value=SecretStr(sandbox.key)), base_url=sandbox.url)
    await key.asave("cli-team", overwrite=True)
    await LocalDestination(folder=folder).asave("cli-archive", overwrite=True)


def test_saved_blocks(call: Call, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asyncio.run(_save(sandbox, tmp_path / "archive"))
    monkeypatch.delenv("OCTOPUSX_API_KEY")
    place = ["--destination", "local-destination/cli-archive"]
    ended = call(*CAT[:6], *place, "--credentials", "cli-team", "--name", "hero", "-q")
    assert ended.out == f"{tmp_path}/archive/hero.mp4\n"
    assert call("status", "hero", *place).code == 0
    missing = call(*CAT[:6], "--destination", "local-destination/not-there")
    assert (missing.code, "not-there" in missing.err) == (2, True)


@pytest.mark.parametrize(
    ("fault", "options", "code", "kind", "afterwards", "next_"),
    [
        ("video_failed", [], 1, "VideoFailed", 1, "--retry-failed"),
        ("create_policy_violation", [], 1, "InvalidRequest", 1, "--retry-failed"),
        ("create_lost_reply", [], 3, "SubmissionUncertain", 3, "adopt TASK-ID --name hero --to videos"),
        (None, ["--deadline", "0.3"], 4, "VideoTimeout", 4, "adopt "),
    ],
)
def test_codes_tell_what_became_of_it(
    fault: str | None,
    options: list[str],
    code: int,
    kind: str,
    afterwards: int,
    next_: str,
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Sandbox(SandboxSettings(generation=0.2 if fault else 1000, refresh=0.02)) as gateway:
        monkeypatch.setenv("OCTOPUSX_BASE_URL", gateway.url)
        if fault:
            gateway.add_fault(Fault(fault))
        ended = call(*HERO, *options, "--json")
        error = json.loads(ended.out)["error"]
        assert (ended.code, json.loads(ended.out)["name"]) == (code, "hero")
        assert error["type"] == kind
        assert ended.err.startswith("prefect-octopusx: ")
        assert "Traceback" not in ended.err
        status = call("status", "hero", "--to", "videos")
        assert (status.code, next_ in status.out) == (afterwards, True), status.out


def test_a_taken_name_is_refused(call: Call, sandbox: Sandbox) -> None:
    call(*HERO)
    ended = call(*HERO, "--seed", "7")
    assert (ended.code, len(sandbox.ledger)) == (2, 1)
    assert "hero" in ended.err


def test_submitted_now_and_stored_later(call: Call, sandbox: Sandbox, tmp_path: Path) -> None:
    submitted = call(*HERO, "--no-wait")
    assert submitted.code == 0
    assert submitted.out.startswith("submitted  hero, task ")
    assert "prefect-octopusx collect --to videos" in submitted.out
    status = call("status", "hero", "--to", "videos", "--json")
    assert (status.code, json.loads(status.out)["state"]) == (4, "submitted")
    adopt = json.loads(status.out)["command"].split()
    assert adopt[:2] == ["prefect-octopusx", "adopt"]
    assert call(*adopt[1:], "--poll-interval", "0.05", "-q").out == f"{tmp_path}/videos/hero.mp4\n"
    assert len(sandbox.ledger) == 1


def test_submitted_now_and_collected_later(call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clock = Clock(time.time())
    with Sandbox(SandboxSettings(generation=60, refresh=0, clock=clock)) as sandbox:
        monkeypatch.setenv("OCTOPUSX_BASE_URL", sandbox.url)
        call(*HERO, "--no-wait")
        assert call("collect", "--to", "videos").out.startswith("submitted   hero  ")
        clock.now += 61
        assert call("collect", "--to", "videos", "-q").out == f"{tmp_path}/videos/hero.mp4\n"
        assert call("collect", "--to", "videos").out == "Nothing is in the making.\n"
        assert (call("status", "hero", "--to", "videos").code, len(sandbox.ledger)) == (0, 1)


def test_status_of_what_is_not_there(call: Call) -> None:
    ended = call("status", "hero", "--to", "videos", "--json")
    assert (ended.code, json.loads(ended.out)) == (1, {"name": "hero", "state": None})


def test_without_a_key_the_ways_to_one_are_told(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OCTOPUSX_API_KEY")
    ended = call(*HERO)
    assert (ended.code, ended.out) == (2, "")
    assert "OCTOPUSX_API_KEY" in ended.err
    assert "--sandbox, which bills nothing" in ended.err


def test_no_to_the_sandbox_is_an_answer(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OCTOPUSX_API_KEY")
    monkeypatch.setattr("prefect_octopusx.cli.screen.Screen.can_ask", property(lambda _: True))
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    ended = call(*HERO)
    assert (ended.code, "[Y/n]" in ended.err, "No OctopusX API key was found" in ended.err) == (2, True, True)
    assert list(tmp_path.iterdir()) == []


def test_what_nobody_expected_is_one_line_with_more_on_request(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def burst(*_: object) -> None:
        raise ZeroDivisionError("by chance, with sk-abcdefghijklmnop")

    monkeypatch.setattr("prefect_octopusx.cli.generate.place_of", burst)
    ended, more = call(*HERO), call(*HERO, "--verbose")
    assert (ended.code, more.code) == (1, 1)
    assert ended.err.startswith("prefect-octopusx: ZeroDivisionError: by chance")
    assert "Traceback" not in ended.err
    assert "--verbose" in ended.err
    assert "Traceback" in more.err
    assert "sk-abcdefghijklmnop" not in ended.err + more.err
