"""Everything that the doctor looks at, in order; each test breaks one thing."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from prefect import get_client
from prefect.client.schemas.actions import BlockDocumentUpdate
from prefect.client.schemas.filters import FlowRunFilter

from prefect_octopusx.blocks import Destination, LocalDestination
from prefect_octopusx.doctor import CheckResult, diagnose
from prefect_octopusx.sandbox import Sandbox
from tests.storage.conftest import Server, bucket, moto_server, proxy

__all__ = ["Look", "bucket", "moto_server", "proxy", "spoil"]

Look = Callable[..., Awaitable[CheckResult]]


@pytest.fixture
def server(moto_server: Server) -> Server:
    return moto_server


@pytest.fixture
async def surroundings(
    prefect_api: str,  # noqa: ARG001 - it only has to run
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Sandbox]:
    """Give a key, and a Prefect in which other tests left nothing that the doctor would tell of."""
    monkeypatch.setenv("OCTOPUSX_API_KEY", sandbox.key)
    monkeypatch.setenv("OCTOPUSX_BASE_URL", sandbox.url)
    await _clear()
    yield sandbox
    await _clear()


@pytest.fixture
def look(surroundings: Sandbox, tmp_path: Path) -> Look:  # noqa: ARG001 - they only have to be there
    """Give what runs the doctor and returns one of its results."""

    async def diagnosed(
        name: str,
        destination: Destination | str | None = None,
        *,
        later: float = 0.0,
        **options: Any,  # noqa: ANN401
    ) -> CheckResult:
        place = destination or LocalDestination(folder=tmp_path / "videos")
        return (await diagnose(place, only=[name], clock=lambda: time.time() + later, **options)).of(name)

    return diagnosed


async def spoil(slug: str, data: dict[str, Any]) -> None:
    """Put into the saved block `default` what its class does not accept, as an older version might have done."""
    async with get_client() as client:
        document = await client.read_block_document_by_name("default", slug)
        await client.update_block_document(
            document.id,
            BlockDocumentUpdate(block_schema_id=document.block_schema_id, data=data, merge_existing_data=True),
        )


async def _clear() -> None:
    async with get_client() as client:
        while page := await client.read_deployments(limit=200):
            for deployment in page:
                await client.delete_deployment(deployment.id)
        for automation in await client.read_automations():
            await client.delete_automation(automation.id)
        told = FlowRunFilter.model_validate({"state": {"name": {"any_": ["AwaitingVideo", "Uncertain"]}}})
        while page_of_runs := await client.read_flow_runs(flow_run_filter=told):
            for run in page_of_runs:
                await client.delete_flow_run(run.id)
        for limit in await client.read_global_concurrency_limits(limit=200):
            await client.delete_global_concurrency_limit_by_name(limit.name)
