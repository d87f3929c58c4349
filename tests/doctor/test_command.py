"""The doctor at a terminal."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from rich.console import Console

from prefect_octopusx.cli import main
from prefect_octopusx.doctor import CheckResult, Diagnosis, Verdict
from prefect_octopusx.doctor.table import show
from prefect_octopusx.sandbox import Sandbox
from tests.storage.conftest import Bucket, Fault, Proxy


def test_json_for_machines(surroundings: Sandbox, bucket: Bucket) -> None:
    """The whole, as a machine runs it."""
    command = [sys.executable, "-m", "prefect_octopusx.cli", "doctor", "--to", f"s3://{bucket.name}/clips", "--json"]
    environment = os.environ | {"AWS_ENDPOINT_URL_S3": bucket.endpoint}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    told = json.loads(done.stdout)
    assert set(told) == {"checks", "counts"}
    assert {key for check in told["checks"] for key in check} == {*CheckResult.model_fields}
    verdicts = {check["name"]: check["verdict"] for check in told["checks"]}
    assert [verdicts[name] for name in ("key", "bucket-multipart", "prefect-api", "packages")] == ["ok"] * 4
    assert (told["counts"]["failed"], done.returncode) == (0, 0), done.stdout
    assert "crash" not in done.stderr
    assert (bucket.objects(), len(surroundings.ledger)) == ([], 0)


@pytest.mark.usefixtures("surroundings")
def test_a_table_for_people(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "videos").write_text("not a folder")
    code = main(["doctor", "--to", str(tmp_path / "videos"), "--only", "bucket-listing", "--only", "python"])
    lines = capsys.readouterr().out.splitlines()
    assert code == 1
    assert [line for line in lines if not line.startswith(" ") and line] == [
        "Destination",
        "This machine",
        "2 ok, 1 failed, 1 skipped",
    ]
    assert any(line.startswith("  failed   destination-write  ") for line in lines)
    assert any(line.startswith("                              → ") or "→ Move it away" in line for line in lines)
    assert any(line.startswith("  skipped  bucket-listing     destination-write failed") for line in lines)
    assert not [line for line in lines if line != line.rstrip() or "\x1b" in line]


def test_warnings_fail_with_strict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["doctor", "--to", "videos", "--only", "folder-lasts"]  # relative
    assert (main(arguments), main([*arguments, "--strict"])) == (0, 1)
    assert "1 warning" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--destination", "nonsense"], "'nonsense' is no block like s3-destination/NAME"),
        (["--to", "s3://"], "names no bucket"),
        (["--to", "gs://bucket"], "neither s3://bucket/prefix nor a folder"),
        (["--to", "s3:/bucket/x"], "neither s3://bucket/prefix nor a folder"),
        (["--to", "s3-destination/default"], "is a saved block; give it as --destination"),
        (["--to", "a", "--destination", "s3-destination/b"], "not allowed with"),
        (["--only", "nonsense"], "there is no check nonsense"),
        (["--timeout", "-1"], "not above 0"),
    ],
)
def test_wrong_arguments_end_with_2(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_what_is_skipped_for_one_reason_takes_one_line_and_terminals_have_colours() -> None:
    skipped = [
        CheckResult(group="prefect", name=name, verdict=Verdict.SKIPPED, found="prefect-api failed")
        for name in ("schedules", "workers")
    ]
    terminal = Console(file=io.StringIO(), force_terminal=True, width=100, color_system="standard")
    show(Diagnosis(checks=tuple(skipped)), terminal)
    printed = terminal.file.getvalue()  # type: ignore[attr-defined] # it is the one above
    assert "prefect-api failed; so are workers" in printed
    assert "\x1b[" in printed


def test_a_bucket_that_never_answers_does_not_hold_the_command() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environment = os.environ | {"AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        command = [sys.executable, "-m", "prefect_octopusx.cli", "doctor", "--to", "s3://videos", "--timeout", "1"]
        command += ["--only", "destination-write"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=50)
    told = "no end within 1 s; it may have left something in s3://videos/.doctor/"
    assert told in " ".join(done.stdout.split())  # boto3 itself would wait for a minute, three times
    assert (done.returncode, done.stderr) == (1, "")


def test_a_list_that_never_answers_does_not_hold_the_command(
    bucket: Bucket, proxy: Proxy, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = threading.Event()
    late = threading.Timer(20, held.set)  # so that a command that is held ends some time
    late.start()
    proxy.faults = [Fault(".pending", hold=held)]
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.endpoint)
    code = main(["doctor", "--to", f"s3://{bucket.name}/clips", "--timeout", "3", "--only", "pending-videos"])
    assert not held.is_set()
    late.cancel()
    held.set()
    assert "failed   pending-videos     no end within 3 s\n" in capsys.readouterr().out
    assert code == 1


def test_ctrl_c_ends_it_with_a_line_and_nothing_is_left(bucket: Bucket, proxy: Proxy) -> None:
    """The object is written when Ctrl-C comes, and the read of it is answered a second later."""
    reading, held = threading.Event(), threading.Event()
    take = proxy.take

    def hold_the_read(line: str, headers: dict[str, str]) -> Fault | None:
        fault = take(line, headers)
        if not line.startswith("GET ") or reading.is_set():
            return fault
        reading.set()
        return Fault("", hold=held)

    proxy.take = hold_the_read  # type: ignore[method-assign]
    command = [sys.executable, "-m", "prefect_octopusx.cli", "doctor", "--to", f"s3://{bucket.name}/clips"]
    command += ["--only", "destination-write"]
    environment = os.environ | {"AWS_ENDPOINT_URL_S3": proxy.endpoint}
    running = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    assert reading.wait(30)
    running.send_signal(signal.SIGINT)
    threading.Timer(1, held.set).start()
    _, errors = running.communicate(timeout=30)
    assert (running.returncode, errors.count("\n")) == (130, 1)
    assert errors.startswith("Interrupted.")
    assert bucket.objects() == []


@pytest.mark.parametrize("terminal", [True, False])
def test_a_command_is_alone_and_whole_on_its_line(terminal: bool) -> None:
    long = "prefect deployment schedule resume generate-video/night 0f2b7a4e-5d0c-4b0e-9a3e-2f1f0c6d7e8f --and --more"
    check = CheckResult(
        group="prefect", name="limit-octopusx-requests", verdict=Verdict.FAILED, found="x", mend=f"So:\n{long}"
    )
    console = Console(file=io.StringIO(), force_terminal=terminal, width=80, color_system=None)
    show(Diagnosis(checks=(check,)), console)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined] # it is the one above
    assert [line.strip() for line in lines if "→" in line] == ["→ So:", f"→ {long}"]
