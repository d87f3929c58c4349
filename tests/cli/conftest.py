"""What a person has who sits at a terminal: a key, a Prefect server, a folder to work in."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from prefect_octopusx.cli import main
from prefect_octopusx.sandbox import Sandbox

__all__ = ["Call", "Ended"]


class Ended(NamedTuple):
    """What a call came to."""

    code: int
    out: str
    err: str


Call = Callable[..., Ended]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Give what runs the program in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def called(*arguments: str) -> Ended:
        capsys.readouterr()
        code = main(arguments)
        return Ended(code, *capsys.readouterr())

    return called


@pytest.fixture
def key(prefect_api: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> str:  # noqa: ARG001 - it has to run
    """Give the key of a gateway in the environment, and a Prefect server."""
    monkeypatch.setenv("OCTOPUSX_API_KEY", sandbox.key)
    monkeypatch.setenv("OCTOPUSX_BASE_URL", sandbox.url)
    return sandbox.key
