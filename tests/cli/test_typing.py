"""What can be typed: options, help, completion; and what is refused before anything starts."""

import re
import shutil
import subprocess
import sys
from importlib.metadata import entry_points, version

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
    ],
)
def test_fields_become_the_request(
    typed: tuple[str, str, tuple[str, ...], dict[str, object], tuple[str, ...]], request_: VideoRequest
) -> None:
    assert request_of(*typed) == request_


def test_defaults_of_a_list_are_json_or_text() -> None:
    given = ["duration=5", "audio=true", "aspect-ratio=16:9", "prompt=a cat", "images=[]"]
    assert values_of("--default", given) == {
        "duration": 5, "audio": True, "aspect_ratio": "16:9", "prompt": "a cat", "images": []
    }  # fmt: skip


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
        ([*GENERATE, "--to", "gs://bucket"], "neither s3://bucket/prefix nor a folder"),
        ([*GENERATE, "--to", "s3-destination/default"], "give it as --destination"),
        ([*GENERATE, "--to", "a", "--destination", "s3-destination/b"], "--to is not allowed with --destination"),
        ([*GENERATE, "--to", "a", "--endpoint-url", "http://127.0.0.1:1"], "--endpoint-url goes with --to s3://"),
        ([*GENERATE, "--destination", "default"], "'default' is no block like s3-destination/NAME"),
        ([*GENERATE, "--sandbox", "--no-wait"], "leave out --no-wait"),
        ([*GENERATE, "--sandbox", "--to", "s3://my-videos"], "--sandbox: its samples go to a folder"),
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


def test_what_is_refused_shows_no_signed_url(call: Call) -> None:
    ended = call(*GENERATE, "--image", "ftp://example.com/a.png?X-Amz-Signature=abc", "--json")
    assert ended.code == 2
    assert "abc" not in ended.out + ended.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete_commands_and_options(shell: str) -> None:
    script = app.generate_completion(shell=shell)  # type: ignore[arg-type] # one of those that it knows
    for word in [*COMMANDS, "dry-run", "aspect-ratio", "poll-interval"]:
        assert re.search(rf"\b{word}\b", script), word
    if shutil.which(shell):
        assert subprocess.run([shell, "-n"], input=script, text=True, check=False).returncode == 0
