"""Real parts for the tests: a Prefect server, the sandbox gateway, an S3 server, all on 127.0.0.1."""

import os
import signal
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

from tests.postgres import memory, postgres, programs
from tests.servers import PrefectServer, free_port

_HOME = tempfile.TemporaryDirectory(prefix="prefect-octopusx-tests-", dir=memory(), ignore_cleanup_errors=True)
_PREFECT_PORT = free_port()

# Before Prefect is imported: nothing of this machine's own set-up may take part, or be touched.
for _name in [name for name in os.environ if name.startswith(("PREFECT_", "OCTOPUSX_", "AWS_"))]:
    del os.environ[_name]
os.environ |= {
    "PREFECT_HOME": _HOME.name,
    "PREFECT_API_URL": f"http://127.0.0.1:{_PREFECT_PORT}/api",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": str(Path(_HOME.name) / "aws-config"),
    "AWS_SHARED_CREDENTIALS_FILE": str(Path(_HOME.name) / "aws-credentials"),
    "NO_PROXY": "127.0.0.1",
    "no_proxy": "127.0.0.1",
}

import boto3  # noqa: E402 - after the environment is clean
import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402
from prefect import Task  # noqa: E402
from prefect.blocks.system import Secret  # noqa: E402
from prefect.events.worker import EventsWorker  # noqa: E402
from prefect.logging.handlers import APILogHandler  # noqa: E402
from pydantic import SecretStr  # noqa: E402

from prefect_octopusx import tasks  # noqa: E402
from prefect_octopusx.blocks import LocalDestination, OctopusXCredentials, S3Destination  # noqa: E402
from prefect_octopusx.sandbox import Sandbox, SandboxSettings  # noqa: E402
from tests.flows.deployed import DAYS, Studio  # noqa: E402
from tests.s3 import S3Server  # noqa: E402
from tests.swift.server import Swift, running  # noqa: E402


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Let Prefect's own client leave its sockets to Prefect's own server unclosed; all others still are errors.

    And let hypothesis take its time: a busy machine is no failure.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as shells start what goes on in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    settings.register_profile("ours", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("ours")
    prefects = rf".*raddr=\('127\.0\.0\.1', {_PREFECT_PORT}\)"
    for category in (ResourceWarning, pytest.PytestUnraisableExceptionWarning):
        name = f"{category.__module__}.{category.__name__}".removeprefix("builtins.")
        config.addinivalue_line("filterwarnings", f"ignore:{prefects}:{name}")  # while tests run
        warnings.filterwarnings("ignore", prefects, category)  # and after the last


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes minutes, so that the others go on beside it."""
    long = ("tests/topology/", "tests/workers/", "docs/test_tutorial", "tests/browser/")
    items.sort(key=lambda item: [part not in item.nodeid for part in long])


def pytest_report_header() -> str:
    found = programs()
    return f"Prefect's database: {f'PostgreSQL of {found}' if found else 'SQLite, without PostgreSQL on this machine'}"


@pytest.fixture(scope="session")
def prefect_database() -> Iterator[str | None]:
    """Run the database of Prefect's server; gives its address, None where it is an SQLite file in the server's home."""
    with postgres() as database:
        yield database


@pytest.fixture(scope="session")
def prefect_api(prefect_database: str | None) -> Iterator[str]:
    """Run a real Prefect server with a database of its own, for the whole session; gives its API's address."""
    server = PrefectServer(Path(_HOME.name), _PREFECT_PORT, prefect_database)
    try:
        server.start()
        yield server.url
        APILogHandler().flush()  # what is still on its way would complain of the server's end
        EventsWorker.drain_all()
    finally:
        server.stop()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Run a sandbox in which a video takes a fraction of a second."""
    with Sandbox(SandboxSettings(generation=0.2, refresh=0.02)) as running:
        yield running


@pytest.fixture
def credentials(sandbox: Sandbox) -> OctopusXCredentials:
    return OctopusXCredentials(api_key=Secret(value=SecretStr(sandbox.key)), base_url=sandbox.url)


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """Run a real S3 server over HTTP."""
    server = S3Server()
    yield server.url
    server.stop()


@pytest.fixture(scope="session")
def swift() -> Iterator[Swift]:
    """Run a real S3 server that keeps its buckets on disk and checks signatures and checksums; it takes seconds."""
    if sys.platform != "linux":
        pytest.skip("Swift runs on Linux only")
    with running() as server:
        yield server


@pytest.fixture
def s3_destination(s3_url: str, request: pytest.FixtureRequest) -> S3Destination:
    """Make a bucket for one test. No posters, whose decoding takes time; the tests of run pages have them."""
    name = f"videos-{abs(hash(request.node.nodeid)):x}"
    boto3.client("s3", endpoint_url=s3_url).create_bucket(Bucket=name)
    return S3Destination(bucket=name, prefix="clips", endpoint_url=s3_url, region="us-east-1", poster=False)


@pytest.fixture(params=["s3", "local"])
def destination(request: pytest.FixtureRequest, tmp_path: Path) -> S3Destination | LocalDestination:
    """Give both kinds of destination in turn."""
    if request.param == "local":
        return LocalDestination(folder=tmp_path / "videos", poster=False)
    found: S3Destination = request.getfixturevalue("s3_destination")
    return found


@pytest.fixture
def retries_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Prefect's native retries start at once, so that no test waits for the clock."""
    for name in tasks.__all__:
        if isinstance(task := getattr(tasks, name), Task):
            monkeypatch.setattr(task, "retry_delay_seconds", None)


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Studio]:
    """Give a gateway whose videos are ready when the test says so; flows find its key in the environment."""
    found = Studio(tmp_path / "videos", getattr(request, "param", DAYS))
    with found.sandbox as running:
        monkeypatch.setenv("OCTOPUSX_API_KEY", running.key)
        monkeypatch.setenv("OCTOPUSX_BASE_URL", running.url)
        yield found
