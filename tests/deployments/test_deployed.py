"""`prefect deploy` with deployments/prefect.yaml, from a folder that is not this repository, against a real server."""

import asyncio
import contextlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from jsonschema import Draft202012Validator
from prefect import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId
from prefect.client.schemas.responses import DeploymentResponse
from prefect.deployments.runner import RunnerDeployment
from prefect.flows import load_flow_from_entrypoint

from prefect_octopusx.sandbox import Sandbox
from tests.deployments.scripts import FILE, ROOT, serve
from tests.docs.pages import blocks, section, text
from tests.flows.deployed import Deployed, Left

WRITTEN = {one["name"]: one for one in yaml.safe_load(FILE.read_text("utf-8"))["deployments"]}
COMMANDS = re.findall(
    r"^(?!export).+", blocks(section(text("docs/deploying.md"), "Five commands"), "bash")[0], re.MULTILINE
)


@pytest.fixture(scope="module")
def deployed(prefect_api: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, DeploymentResponse]:
    """Deploy all, as the page says; give what the server has then, by name."""
    (line,) = (line for line in COMMANDS if line.startswith("prefect deploy "))
    command = shlex.split(line.removeprefix("prefect").replace("deployments/prefect.yaml", shlex.quote(str(FILE))))
    assert "prefect work-pool create videos --type process" in COMMANDS
    with get_client(sync_client=True) as client:
        client.request("POST", "/work_pools/", json=WorkPoolCreate(name="videos", type="process").model_dump())
    ran = subprocess.run(
        [sys.executable, "-m", "prefect", *command],
        cwd=tmp_path_factory.mktemp("elsewhere"),
        env=os.environ | {"PREFECT_API_URL": prefect_api},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    with get_client(sync_client=True) as client:
        return {one.name: one for one in client.read_deployments() if one.name in WRITTEN}


@pytest.fixture
def surroundings(sandbox: Sandbox, s3_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give what a worker has: a key, and the bucket with the manifests."""
    for name, value in {
        "OCTOPUSX_API_KEY": sandbox.key,
        "OCTOPUSX_BASE_URL": sandbox.url,
        "AWS_ENDPOINT_URL_S3": s3_url,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("prefect_octopusx.api.waiting.next_delay", lambda **_: 0.02)
    bucket = boto3.resource("s3", endpoint_url=s3_url).create_bucket(Bucket="my-videos")
    bucket.upload_file(str(ROOT / "examples/rotation.yaml"), "plans/calendar.yaml")  # always has something due
    bucket.upload_file(str(ROOT / "examples/launch.csv"), "plans/launch.csv")
    yield bucket
    bucket.objects.delete()
    bucket.delete()
    bucket.meta.client.close()


def test_five_commands_deploy_all(deployed: dict[str, DeploymentResponse]) -> None:
    assert len(COMMANDS) == 5
    assert set(deployed) == set(WRITTEN)


@pytest.mark.parametrize("name", WRITTEN)
def test_the_server_has_what_the_file_has(name: str, deployed: dict[str, DeploymentResponse]) -> None:
    found, written = deployed[name], WRITTEN[name]
    assert [schedule.active for schedule in found.schedules] == [False for _ in written.get("schedules", ())]
    assert found.paused is False
    assert found.global_concurrency_limit is not None
    assert found.concurrency_options is not None
    strategy = found.concurrency_options.collision_strategy.value
    assert {"limit": found.global_concurrency_limit.limit, "collision_strategy": strategy} == written[
        "concurrency_limit"
    ]
    assert (found.entrypoint, found.path, found.pull_steps) == (written["entrypoint"], None, [])
    assert (found.tags, found.description) == (written["tags"], written["description"])
    assert found.job_variables == written["work_pool"]["job_variables"]


@pytest.mark.parametrize("name", WRITTEN)
def test_its_parameters_are_of_the_flow(name: str, deployed: dict[str, DeploymentResponse]) -> None:
    found = deployed[name]
    assert found.parameters == WRITTEN[name].get("parameters", {})
    assert found.enforce_parameter_schema
    assert found.parameters.keys() <= found.parameter_openapi_schema["properties"].keys()
    Draft202012Validator(found.parameter_openapi_schema).validate(found.parameters)
    load_flow_from_entrypoint(found.entrypoint).validate_parameters(found.parameters)


async def run_of(deployment: DeploymentResponse, /, **parameters: Any) -> Deployed:  # noqa: ANN401
    async with get_client() as client:
        run = await client.create_flow_run_from_deployment(deployment.id, parameters=parameters)
    return Deployed(load_flow_from_entrypoint(deployment.entrypoint), run.id)


@pytest.mark.parametrize(("name", "videos"), [("daily-video", 1), ("calendar", 1), ("batch", 5), ("collector", 0)])
async def test_a_run_with_the_files_own_parameters_gets_through(
    name: str,
    videos: int,
    deployed: dict[str, DeploymentResponse],
    surroundings: Any,  # noqa: ANN401 - a bucket of boto3
    sandbox: Sandbox,
) -> None:
    await (await run_of(deployed[name])).start()
    stored = [item.key for item in surroundings.objects.all() if item.key.endswith(".mp4")]
    assert len(stored) == len(sandbox.ledger) == videos


async def test_the_off_peak_run_leaves_and_comes_back(
    deployed: dict[str, DeploymentResponse],
    surroundings: Any,  # noqa: ANN401 - a bucket of boto3
    sandbox: Sandbox,
) -> None:
    run = await run_of(deployed["off-peak"], poll_interval=0.1)
    await run.leave()
    assert len(sandbox.ledger) == 1
    async with asyncio.timeout(30):
        while (await run.read()).state_name != "Completed":
            await run.bring_forward()
            with contextlib.suppress(Left):  # not ready yet
                await run.start()
    assert [item.key for item in surroundings.objects.all() if item.key.endswith(".mp4")]
    assert len(sandbox.ledger) == 1


async def test_a_batch_is_made_by_runs_of_chunk(
    deployed: dict[str, DeploymentResponse],
    surroundings: Any,  # noqa: ANN401 - a bucket of boto3
    sandbox: Sandbox,
) -> None:
    """As the file's own comment suggests, with the file's own destination."""
    hurry = {"poll_interval": 0.1, "requests_per_minute": 6000}
    batch = await run_of(deployed["batch"], deployment="generate-videos/chunk", chunk_size=3, **hurry)
    await batch.leave()
    assert sandbox.ledger == []
    ours = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[batch.id]))
    async with get_client() as client:
        chunks = await client.read_flow_runs(flow_run_filter=ours)
    assert [run.deployment_id for run in chunks] == [deployed["chunk"].id] * 2
    for run in chunks:
        await Deployed(batch.flow, run.id).start()
    await batch.bring_forward()
    assert (await batch.start()).stored == 5
    stored = [item.key for item in surroundings.objects.all() if item.key.endswith(".mp4")]
    assert len(stored) == len(sandbox.ledger) == 5


def refused(*arguments: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        serve.main(arguments)
    return str(stopped.value)


@pytest.mark.usefixtures("deployed")
def test_serve_refuses_what_is_in_a_work_pool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    served: list[RunnerDeployment] = []
    monkeypatch.setattr("prefect.serve", lambda *given, **_: served.extend(given))  # would serve for ever
    told = refused("calendar", "collector").splitlines()
    assert [line.rpartition(": ")[2] for line in told] == [
        "prefect deployment delete generate-due-videos/calendar",
        "prefect deployment delete collect-videos/collector",
    ]
    assert served == []
    others = tmp_path / "prefect.yaml"
    others.write_text(FILE.read_text("utf-8").replace("name: calendar", "name: calendar-here"))
    serve.main(["calendar-here", "--prefect-file", str(others)])
    assert [deployment.name for deployment in served] == ["calendar-here"]
