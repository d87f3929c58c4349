"""Where the examples of the pages run: against real parts, with nothing of the real service in reach."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from prefect.client.orchestration import get_client

from prefect_octopusx.api import OctopusXClient
from prefect_octopusx.api.client import DEFAULT_BASE_URL
from prefect_octopusx.sandbox import Sandbox, SandboxSettings
from tests.docs.pages import ROOT

BUCKET = "my-videos"  # as the pages call it
SETTINGS = SandboxSettings(keys=("sk-sandbox", "..."), generation=0.2, refresh=0.02)  # with the keys of the pages


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(SETTINGS) as running:
        yield running


@pytest.fixture
def another_sandbox() -> Iterator[Sandbox]:
    with Sandbox(SETTINGS) as running:
        yield running


@pytest.fixture
def blocks_go(prefect_api: str) -> Iterator[None]:  # noqa: ARG001 - it only has to run
    """Remove, in the end, what blocks a page has saved."""
    with get_client(sync_client=True) as prefect:
        known = {block.id for block in prefect.read_block_documents(limit=None)}
    yield
    with get_client(sync_client=True) as prefect:
        for block in prefect.read_block_documents(limit=None):
            if block.id not in known:
                prefect.delete_block_document(block.id)


@pytest.fixture
def surroundings(
    blocks_go: None,  # noqa: ARG001 - it only has to run
    sandbox: Sandbox,
    s3_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Sandbox]:
    """Give an example what its reader has: a key, a bucket, a Prefect API, a folder with `examples/` to work in."""
    for name, value in {
        "OCTOPUSX_API_KEY": sandbox.key,
        "OCTOPUSX_BASE_URL": sandbox.url,
        "AWS_ENDPOINT_URL_S3": s3_url,
    }.items():
        monkeypatch.setitem(os.environ, name, value)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("prefect_octopusx.api.waiting.next_delay", lambda **_: 0.02)
    _lead_to_the_sandbox(monkeypatch, sandbox)
    bucket = boto3.resource("s3", endpoint_url=s3_url).create_bucket(Bucket=BUCKET)
    yield sandbox
    bucket.objects.delete()
    bucket.delete()
    bucket.meta.client.close()


def _lead_to_the_sandbox(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    """Let clients of the real service's address ask the sandbox: the pages need not show another one."""
    init = OctopusXClient.__init__

    def led(self: OctopusXClient, api_key: str, base_url: str = DEFAULT_BASE_URL, **options: Any) -> None:  # noqa: ANN401
        init(self, api_key, sandbox.url if base_url == DEFAULT_BASE_URL else base_url, **options)

    monkeypatch.setattr(OctopusXClient, "__init__", led)
