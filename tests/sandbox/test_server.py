"""The sandbox as a server, at a terminal, and its own endpoints."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import prefect_octopusx.sandbox
from prefect_octopusx.cli import main
from prefect_octopusx.sandbox import Fault, Sandbox, SandboxSettings, create_app

if TYPE_CHECKING:
    from tests.sandbox.conftest import Client, Clock

BODY = {"model": "viduq3-pro", "prompt": "x", "images": []}


def test_it_stops_quickly_and_leaves_no_thread(plain: httpx.Client) -> None:
    before = threading.active_count()
    with Sandbox() as sandbox:
        url = sandbox.url
        assert plain.get(f"{url}/sandbox/health").json() == {"status": "ok"}
        began = time.monotonic()

    assert time.monotonic() - began < 1
    assert threading.active_count() == before
    with pytest.raises(httpx.ConnectError):
        plain.get(f"{url}/sandbox/health")


def test_it_stops_quickly_while_an_answer_is_late(plain: httpx.Client) -> None:
    with Sandbox() as sandbox:
        sandbox.add_fault(Fault("create_slow", delay=60))
        headers = {"authorization": f"Bearer {sandbox.key}"}
        call = threading.Thread(
            target=plain.post, args=(f"{sandbox.url}/v1/video/create",), kwargs={"json": BODY, "headers": headers}
        )
        call.start()
        while not sandbox.ledger:
            time.sleep(0.01)
        began = time.monotonic()
    call.join()

    assert time.monotonic() - began < 1


async def test_it_can_be_used_where_a_loop_runs() -> None:
    async with Sandbox() as sandbox, httpx.AsyncClient(trust_env=False) as http:
        reply = await http.get(f"{sandbox.url}/sandbox/health")

    assert reply.status_code == 200


def test_it_has_no_address_before_it_runs_and_runs_once() -> None:
    sandbox = Sandbox()
    with pytest.raises(RuntimeError, match="does not run"):
        _ = sandbox.url
    with sandbox:
        pass
    with pytest.raises(RuntimeError, match="once"), sandbox:
        pass


def test_a_taken_port_is_an_error_and_nothing_stays_open() -> None:
    with Sandbox() as first:
        port = httpx.URL(first.url).port or 0
        with pytest.raises(OSError, match="in use"), Sandbox(files_port=port):
            pass


@pytest.mark.parametrize("settings", [{"keys": ()}, {"keys": ("",)}, {"generation": -1}, {"price": -1}])
def test_settings_that_cannot_be(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"key|negative"):
        SandboxSettings(**settings)


async def test_the_app_runs_below_another_server() -> None:
    transport = httpx.ASGITransport(create_app(SandboxSettings(generation=0)))
    headers = {"authorization": "Bearer sk-sandbox"}
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway.test", headers=headers) as http:
        task_id = (await http.post("/v1/video/create", json=BODY)).json()["task_id"]
        url = (await http.get("/v1/video/query", params={"id": task_id})).json()["video_url"]
        assert url.startswith("http://gateway.test/files/")
        # Only its own server can cut connections.
        await http.post("/sandbox/faults", json={"kind": "query_reset"})
        with pytest.raises(ConnectionAbortedError):
            await http.get("/v1/video/query", params={"id": task_id})


def test_requests_are_logged(client: "Client") -> None:
    task_id = client.create_id()
    client.query(task_id)
    client.http.get("/sandbox/ledger")

    assert [(request.method, request.path, request.task_id, request.status) for request in client.sandbox.requests] == [
        ("POST", "/v1/video/create", task_id, 200),
        ("GET", "/v1/video/query", task_id, 200),
    ]
    assert len(client.http.get("/sandbox/requests").json()) == 2


def test_ledger_and_jobs_over_http(client: "Client", clock: "Clock") -> None:
    client.sandbox.add_fault(Fault("video_failed"))
    failing, fine = client.create_id(prompt="a"), client.create_id(prompt="b")
    clock.now += 10
    ledger = client.http.get("/sandbox/ledger").json()
    jobs = client.http.get("/sandbox/jobs").json()

    assert [(charge["task_id"], charge["refunded"]) for charge in ledger] == [(failing, True), (fine, False)]
    assert [(job["prompt"], job["state"], job["fault"]) for job in jobs] == [
        ("a", "failed", "video_failed"),
        ("b", "completed", None),
    ]


def test_faults_over_http(client: "Client") -> None:
    added = client.http.post("/sandbox/faults", json={"kind": "create_500", "times": None, "match": "x"})
    assert (added.status_code, added.json()["match"]) == (201, "x")
    shown = client.http.get("/sandbox/faults").json()
    assert [fault["kind"] for fault in shown["waiting"]] == ["create_500"]
    assert shown["kinds"]["create_reset"]

    assert client.http.delete("/sandbox/faults").status_code == 204
    assert client.http.get("/sandbox/faults").json()["waiting"] == []


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        "{",
        '{"kind": "x"}',
        '{"times": 1}',
        '{"kind": "create_500", "when": 1}',
        '{"kind": "create_500", "times": true}',
    ],
)
def test_bad_faults_over_http(client: "Client", body: str) -> None:
    reply = client.http.post("/sandbox/faults", content=body)

    assert reply.status_code == 400
    assert reply.json()["error"]


def test_reset(client: "Client") -> None:
    client.create()
    client.sandbox.add_fault(Fault("create_500"))
    client.sandbox.clear_faults()
    client.sandbox.add_fault(Fault("create_not_found"))

    assert client.http.post("/sandbox/reset").status_code == 204

    assert (client.sandbox.ledger, client.sandbox.jobs, client.sandbox.requests) == ([], [], [])
    assert client.create().status_code == 200


@contextmanager
def command(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run the sandbox as a program."""
    # The folder that holds the package, which need not be installed.
    root = Path(prefect_octopusx.sandbox.__file__).parents[2]
    path = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH", "")]))
    with subprocess.Popen(
        [sys.executable, "-m", "prefect_octopusx.cli", "sandbox", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    ) as program:
        try:
            yield program
        finally:
            program.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_program_serves_until_it_is_interrupted(plain: httpx.Client, number: signal.Signals) -> None:
    with command("--port", "0", "--key", "sk-mine", "--generation", "0", "--quota", "60000") as program:
        assert program.stdout
        url = key = ""
        while not key:
            line = program.stdout.readline()
            url = found[1] if (found := re.search(r"base URL +(\S+)", line)) else url
            key = found[1] if (found := re.search(r"API key +(\S+)", line)) else key
        reply = plain.post(f"{url}/v1/video/create", json=BODY, headers={"authorization": f"Bearer {key}"})
        program.send_signal(number)
        output, errors = program.communicate(timeout=10)

    assert (key, reply.status_code) == ("sk-mine", 200)
    assert program.returncode == 0
    assert errors == ""
    assert output.endswith("Stopped. Billed creates: 1\n")


def test_wrong_options_end_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sandbox", "--generation", "-1"]) == 2
    assert capsys.readouterr().err.startswith("The sandbox did not start: ")


def test_the_program_says_why_it_does_not_start() -> None:
    with Sandbox() as sandbox, command("--port", str(httpx.URL(sandbox.url).port)) as program:
        _, errors = program.communicate(timeout=10)

    assert program.returncode == 1
    assert errors.startswith("The sandbox did not start: ")
    assert "Traceback" not in errors


def test_the_program_lists_the_faults(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sandbox", "--list-faults"]) == 0
    assert "create_lost_reply" in capsys.readouterr().out
