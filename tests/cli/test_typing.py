"""What can be typed: options, help, completion; and what is refused before anything starts."""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest

from prefect_octopusx.api import CustomRequest, VideoRequest, ViduRequest
from prefect_octopusx.api.requests import FAMILIES
from prefect_octopusx.cli import main
from prefect_octopusx.cli.fields import request_of, values_of
from prefect_octopusx.cli.program import app
from tests.cli.conftest import Call

COMMANDS = ["generate", "batch", "collect", "adopt", "status", "sandbox", "doctor"]


def test_the_script_is_this_program() -> None:
    (found,) = entry_points(group="console_scripts", name="prefect-octopusx")
    assert found.load() is main


def test_version(call: Call) -> None:
    assert call("--version").out.strip() == version("prefect-octopusx")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_worth_reading(command: str, call: Call) -> None:
    ended = call(command, "--help")
    assert (ended.code, ended.err) == (0, "")
    assert f"prefect-octopusx {command} " in ended.out.partition("For example:")[2]
    assert command in call("--help").out
    assert "130 after Ctrl-C" in ended.out


def test_help_and_status_need_no_prefect() -> None:
    """Its import takes seconds."""
    code = """if True:
        import sys
        from prefect_octopusx.cli import main
        main(["--help"])
        assert "pydantic" not in sys.modules
        main(["generate", "--help"])
        main(["status", "hero", "--to", "nowhere"])
        sys.exit("prefect" in sys.modules)"""
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0


def test_every_field_of_every_family_is_an_option() -> None:
    names = {name for one in app["generate"].assemble_argument_collection() for name in one.names}
    for family in FAMILIES:
        fields = set(family.model_fields) - {"prompt", "images"}
        assert {f"--{field.replace('_', '-')}" for field in fields} <= names


@pytest.mark.parametrize(
    ("typed", "request_"),
    [
        (
            ("a cat", "viduq3-pro", (), {"duration": 5, "audio": True}, ("seed=7", "off-peak=true")),
            ViduRequest(model="viduq3-pro", prompt="a cat", duration=5, audio=True, seed=7, off_peak=True),
        ),
        (
            (None, "veo4-preview", (), {}, ("family=custom", "steps=30", "loop=yes", 'camera={"pan": 1}')),
            CustomRequest(model="veo4-preview", steps=30, loop="yes", camera={"pan": 1}),  # type: ignore[call-arg]
        ),
        (
            (None, "veo4-preview", (), {}, ("family=custom", "prompt=1984", 'meta-data={"a":1}', "x-mode=a")),
            CustomRequest.model_validate(
                {"model": "veo4-preview", "prompt": "1984", "meta_data": '{"a":1}', "x-mode": "a"}
            ),
        ),
    ],
)
def test_fields_become_the_request(
    typed: tuple[str, str, tuple[str, ...], dict[str, object], tuple[str, ...]], request_: VideoRequest
) -> None:
    assert request_of(*typed) == request_


def test_defaults_of_a_list_are_json_or_text() -> None:
    given = ["duration=5", "audio=true", "aspect-ratio=16:9", "prompt=1984", "images=[]", "x-mode=1"]
    assert values_of("--default", given) == {
        "duration": 5, "audio": True, "aspect_ratio": "16:9", "prompt": "1984", "images": [], "x-mode": 1
    }  # fmt: skip


@pytest.mark.parametrize("prompt", ["-5 degrees in Oslo", "- a list", "--lights out"])
def test_a_prompt_may_begin_with_a_hyphen(prompt: str) -> None:
    _, bound, _ = app.parse_args(["generate", "--model", "viduq3-pro", prompt, "-q"], exit_on_error=False)
    assert bound.args == (prompt,)


GENERATE = ["generate", "a cat", "--model", "viduq3-pro"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nonsense"], 'Unknown command "nonsense"'),
        (["generate", "a cat"], "--model"),
        ([*GENERATE, "--nonsense"], "--nonsense"),
        ([*GENERATE, "--duration", "five"], "--duration"),
        ([*GENERATE, "--duration", "99"], "`duration` is 1 to 10 s"),
        ([*GENERATE, "--orientation", "portrait"], "`orientation` is not a field of Vidu requests: use `aspect_ratio`"),
        ([*GENERATE, "--set", "duration"], "--set: give it as field=value"),
        ([*GENERATE, "--image", "not-there.png"], "there is no file 'not-there.png' here"),
        ([*GENERATE, "--name", "../x"], "--name: '../x' can't name a video"),
        ([*GENERATE, "--name", ""], "--name: '' can't name a video"),
        (["batch", "list.csv", "--name", ""], "--name: '' can't name a video"),
        ([*GENERATE, "--deadline", "-5"], "--deadline. It is above 0."),
        ([*GENERATE, "--poll-interval", "nan"], "--poll-interval. It is above 0."),
        (["adopt", "task_1", "--name", "hero", "--poll-interval", "0"], "--poll-interval. It is above 0."),
        (["batch", "list.csv", "--max-in-flight", "0"], "--max-in-flight"),
        (["batch", "list.csv", "--max-new-videos", "-1"], "--max-new-videos"),
        (["generate", "--nonsense", "--model", "viduq3-pro"], "It is no option of this command"),
        ([*GENERATE, "--set", "images=[1"], "--set images: it begins with [ but is not a list"),
        ([*GENERATE, "--set", "duration=8", "--duration", "5"], "--set duration: the field is given twice"),
        ([*GENERATE, "--set", "prompt=a dog"], "--set prompt: the field is given twice"),
        ([*GENERATE, "--set", "off-peak=true", "--set", "off_peak=false"], "--set off_peak: the field is given twice"),
        (["batch", "list.csv", "--default", "seed=NaN"], "--default seed: NaN and Infinity are no numbers"),
        (["batch", "list.csv", "--default", 'camera={"a": 1, "a": 2}'], "--default camera: it has `a` twice"),
        ([*GENERATE, "--to", "gs://bucket"], "neither s3://bucket/prefix nor a folder"),
        ([*GENERATE, "--to", "s3-destination/default"], "give it as --destination"),
        ([*GENERATE, "--to", "a", "--destination", "s3-destination/b"], "--to is not allowed with --destination"),
        ([*GENERATE, "--to", "a", "--endpoint-url", "http://127.0.0.1:1"], "--endpoint-url goes with --to s3://"),
        ([*GENERATE, "--destination", "default"], "'default' is no block like s3-destination/NAME"),
        ([*GENERATE, "--sandbox", "--no-wait"], "leave out --no-wait"),
        ([*GENERATE, "--sandbox", "--to", "videos"], "--sandbox: its samples go to the folder sandbox-videos"),
        (["batch", "list.csv", "--sandbox", "--destination", "s3-destination/b"], "never where real videos are"),
        ([*GENERATE, "--sandbox", "--credentials", "team"], "it has a key of its own"),
        (["batch", "list.csv", "--default", "duration"], "--default: give it as field=value"),
        (["batch", ".csv"], "This is the batch's name"),
        (["status", "hero.mp4", "--to", "x"], "NAME: 'hero.mp4' is a file name"),
        (["adopt", " ", "--name", "hero"], "TASK-ID: it is blank"),
    ],
)
@pytest.mark.usefixtures("prefect_api")
def test_what_can_not_be_done_ends_with_2(arguments: list[str], told: str, call: Call) -> None:
    ended = call(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("prefect-octopusx: ")
    assert told in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("arguments", [[*GENERATE, "--nonsense"], [*GENERATE, "--name", ""], ["doctor", "--to", "s3:"]])
def test_refusals_are_one_document_too(arguments: list[str], call: Call) -> None:
    ended = call(*arguments, "--json")
    error = json.loads(ended.out)["error"]
    assert (ended.code, error["type"], error["task_id"]) == (2, "Refused", None)
    assert error["message"] in ended.err


def test_a_reader_who_has_enough_is_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit code is that of what happened: here, that there is no record."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as closed:  # noqa: PTH123 - it has no path
        monkeypatch.setattr("sys.stdout", closed)
        code = main(["status", "hero", "--to", str(tmp_path)])
    assert (code, capsys.readouterr().err) == (1, "")


def test_what_is_refused_shows_no_signed_url(call: Call) -> None:
    ended = call(*GENERATE, "--image", "ftp://example.com/a.png?X-Amz-Signature=SECRET", "--json")
    assert ended.code == 2
    assert "SECRET" not in ended.out + ended.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete_commands_and_options(shell: str) -> None:
    script = app.generate_completion(shell=shell)  # type: ignore[arg-type] # one of those that it knows
    for word in [*COMMANDS, "dry-run", "aspect-ratio", "poll-interval"]:
        assert re.search(rf"\b{word}\b", script), word
    if shutil.which(shell):
        assert subprocess.run([shell, "-n"], input=script, text=True, check=False).returncode == 0
