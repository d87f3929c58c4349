"""Bad input ends a run as Failed with one message, and a corrected run goes on; tests/docs has the whole table."""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from prefect.blocks.system import Secret
from prefect.states import State
from pydantic import SecretStr

from prefect_octopusx.blocks import LocalDestination, OctopusXCredentials, S3Destination
from prefect_octopusx.flows import generate_video
from prefect_octopusx.sandbox import Sandbox
from prefect_octopusx.storage import VideoRecord

pytestmark = pytest.mark.usefixtures("prefect_api", "retries_at_once")

CAT = {"model": "viduq3-pro", "prompt": "a cat chasing butterflies"}


class Attempt:
    """Runs the flow and tells what became of it."""

    def __init__(self, sandbox: Sandbox, credentials: OctopusXCredentials, folder: Path) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.options: dict[str, Any] = {
            "request": CAT,
            "name": "hero",
            "destination": LocalDestination(folder=folder),
            "credentials": credentials,
            "poll_interval": 0.05,
        }

    async def __call__(self, **options: Any) -> str:  # noqa: ANN401 - any parameter of the flow
        """Return the message of the run's final state, which is Failed."""
        state: State[VideoRecord] = await generate_video(**(self.options | options), return_state=True)
        assert state.name == "Failed"
        assert self.sandbox.key not in str(state.message)
        return str(state.message)

    @property
    def creates(self) -> int:
        return sum(trace.method == "POST" for trace in self.sandbox.requests)

    @property
    def untouched(self) -> bool:
        """Whether nothing was sent, billed or written."""
        return not self.sandbox.requests and not self.sandbox.ledger and not list(self.folder.glob("*"))

    def record(self) -> VideoRecord:
        return VideoRecord.from_json((self.folder / "hero.json").read_bytes(), where="hero.json")


@pytest.fixture
def attempt(sandbox: Sandbox, credentials: OctopusXCredentials, tmp_path: Path) -> Attempt:
    return Attempt(sandbox, credentials, tmp_path / "videos")


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        # wrong field, wrong value, unknown field, missing field, unknown model of a known family
        (CAT | {"size": "720P"}, r"request\.size: `size` is not a field of Vidu requests: use `resolution`"),
        (CAT | {"duration": 11}, r"request\.duration: `duration` is 1 to 10 s.*given: 11"),
        (CAT | {"aspect_ratio": "2:1"}, r"request\.aspect_ratio: .*16:9.*given: '?2:1"),
        (CAT | {"colour": "red"}, r"request\.colour: .*not a field of Vidu requests"),
        ({"model": "viduq3-pro"}, r"request\.prompt: "),
        ({"prompt": "x"}, r"request\.model: .*jimeng-video-3\.0"),
        (CAT | {"model": "viduq3-por"}, r"request\.model: .*viduq3-pro.*CustomRequest"),
    ],
    ids=["wrong field", "wrong value", "wrong choice", "unknown field", "no prompt", "no model", "misspelt model"],
)
async def test_requests_that_can_not_be_sent(attempt: Attempt, request_: dict[str, Any], message: str) -> None:
    said = await attempt(request=request_)
    assert re.search(message, said), said
    assert said.count(" - ") == 1  # one family's one problem, not six families' many
    assert attempt.untouched


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "../hero"}, "name: '../hero' can't name a video"),
        ({"name": "hero.mp4"}, "leave out the ending: 'hero'"),
        ({"deadline": 0}, "deadline"),
        ({"poll_interval": -1}, "poll_interval"),
        ({"on_uncertain": "guess"}, "'stop' or 'resubmit'"),
    ],
)
async def test_parameters_that_can_not_be(attempt: Attempt, options: dict[str, Any], message: str) -> None:
    assert message in await attempt(**options)
    assert attempt.untouched


async def test_wrong_key(attempt: Attempt) -> None:
    wrong = OctopusXCredentials(api_key=Secret(value=SecretStr("sk-wrong")), base_url=attempt.sandbox.url)
    said = await attempt(credentials=wrong)
    assert "AuthenticationError: OctopusX does not accept the API key" in said
    assert "HTTP 401" in said
    assert "sk-wrong" not in said
    assert (attempt.creates, len(attempt.sandbox.ledger)) == (1, 0)
    assert attempt.record().state == "released"
    again: State[VideoRecord] = await generate_video(**attempt.options, return_state=True)
    assert again.is_completed()  # with the right key, the same name goes on


@pytest.fixture
def strict_s3(tmp_path: Path) -> Iterator[str]:
    """Run an S3 server that checks who is asking: after the first request, which makes the bucket, nobody may."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with (tmp_path / "s3.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            env={"INITIAL_NO_AUTH_ACTION_COUNT": "1", "PATH": ""},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(lambda: httpx.get(f"{url}/moto-api/").is_success)
        yield url
    finally:
        server.kill()
        server.wait()


def wait_for(ready: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            if ready():
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    pytest.fail("the server did not start")


async def test_no_permission(attempt: Attempt, strict_s3: str) -> None:
    boto3.client("s3", endpoint_url=strict_s3).create_bucket(Bucket="videos")
    said = await attempt(destination=S3Destination(bucket="videos", endpoint_url=strict_s3, region="us-east-1"))
    assert "DestinationError: " in said
    assert "videos" in said
    assert attempt.untouched


async def test_unreachable_gateway(attempt: Attempt) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        key = Secret(value=SecretStr(attempt.sandbox.key))
        said = await attempt(credentials=OctopusXCredentials(api_key=key, base_url=url))
    assert f"GatewayUnreachable: The create of viduq3-pro was not sent: {url} can't be reached" in said
    assert attempt.record().state == "released"
    assert len(attempt.record().earlier) == 4  # the native retries
    again: State[VideoRecord] = await generate_video(**attempt.options, return_state=True)
    assert again.is_completed()
    assert len(attempt.sandbox.ledger) == 1
