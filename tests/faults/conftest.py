"""One gateway for all rows, whose clock is turned."""

from collections.abc import Iterator

import pytest

from prefect_octopusx.sandbox import Sandbox, SandboxSettings
from tests.clocks import Clock
from tests.faults.tls import trusted


@pytest.fixture(scope="module", autouse=True)
def few_certificates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let no client read all the certificates of this machine."""
    file = tmp_path_factory.mktemp("tls") / "trusted.pem"
    file.write_bytes(trusted())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(file))
        yield


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def shared(clock: Clock) -> Iterator[Sandbox]:
    with Sandbox(SandboxSettings(generation=30, refresh=15, clock=clock)) as sandbox:
        yield sandbox
