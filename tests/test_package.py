"""The package as a whole: its layers, its public names, its types, its entry point."""

import ast
import importlib
import pickle
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from prefect_octopusx import api, batches, blocks, cli, doctor, flows, sandbox, storage, tasks

ROOT = Path(__file__).parents[1]
LAYERS = ["cli", "doctor", "flows", "tasks", "blocks", "batches", "storage", "api"]  # top to bottom


def imports(path: Path) -> set[str]:
    """Return the absolute names of all modules that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found.add(str(node.module))
    return found


def files(layer: str) -> list[Path]:
    found = sorted((ROOT / layer).rglob("*.py"))
    assert found
    return found


@pytest.mark.parametrize("layer", LAYERS)
def test_layers_import_downwards_only(layer: str) -> None:
    above = {f"prefect_octopusx.{name}" for name in LAYERS[: LAYERS.index(layer)]}
    above |= {"prefect_octopusx.sandbox"} if layer != "cli" else set()
    for path in files(layer):
        wrong = {name for name in imports(path) if ".".join(name.split(".")[:2]) in above}
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


@pytest.mark.parametrize(
    ("layer", "strangers"),
    [
        ("api", {"prefect", "boto3", "botocore"}),
        ("storage", {"prefect", "httpx"}),
        ("batches", {"prefect", "httpx", "boto3", "botocore"}),
        ("sandbox", {"prefect", "boto3", "prefect_octopusx.api", "prefect_octopusx.storage"}),
    ],
)
def test_some_layers_know_nothing_of_some_libraries(layer: str, strangers: set[str]) -> None:
    for path in files(layer):
        for name in imports(path):
            prefixes = {".".join(name.split(".")[:length]) for length in (1, 2)}
            assert not prefixes & strangers, f"{path.relative_to(ROOT)} imports {name}"


def test_nothing_comes_from_prefects_private_parts() -> None:
    for layer in [*LAYERS, "sandbox", "deployments"]:
        for path in files(layer):
            assert not {name for name in imports(path) if name.startswith("prefect._")}, path


PUBLIC = {
    api: "AccessDenied AuthenticationError CreatesStopped CredentialsMissing CustomRequest DownloadError "
    "DownloadRefused EndpointNotFound GatewayError GatewayUnreachable GrokRequest InvalidRequest JimengRequest "
    "KeyUsage Look "
    "ModelUnavailable NotReady NotSubmitted OctopusXClient OctopusXError QuotaExceeded RateLimited RemixRequest "
    "RequestScheduler "
    "SoraRequest SubmissionUncertain TaskNotFound TaskState VeoRequest VideoFailed VideoRequest VideoTask "
    "VideoTimeout ViduRequest look_once next_delay wait_until_final",
    batches: "BatchFailed BatchResult CalendarRow Due DueVideos Fault Manifest ManifestError PlannedVideo "
    "ResultsInvalid Row Tick VideoItem VideoResult Weekday check_rotation due_at due_videos hold_back items_of "
    "named_items read_manifest read_results results_file write_results zone_named",
    blocks: "Destination LocalDestination OctopusXCredentials S3Destination resolve_credentials resolve_destination",
    storage: "Attempt DestinationError DestinationUnavailable Entry Extras LEASE Link LocalStore Mark NameTaken "
    "OnUncertain Outlook RecordConflict RecordInvalid RecordNotWritten RecordState S3Options S3Store Step StoredVideo "
    "VideoFacts VideoRecord VideoStore VideoWriter add_extras adopt check_name check_public_base_url complete current "
    "fail failure foresee has_poster pending_videos read_location save settle_if_dead submit tidy_completed "
    "transfer uncertain",
    tasks: "Batch PendingVideo adopt_task create_video download_video find_pending make_video plan_videos query_video "
    "read_manifest_file save_video upload_video video_asset wait_for_video",
    flows: "CollectedVideo adopt_video collect_videos generate_due_videos generate_video generate_videos "
    "redrive_videos",
    doctor: "CheckResult Diagnosis Verdict diagnose",
    cli: "main",
    sandbox: "Fault Sandbox SandboxSettings create_app",
}


@pytest.mark.parametrize("package", PUBLIC, ids=lambda package: package.__name__)
def test_public_names(package: object) -> None:
    names: list[str] = package.__all__  # type: ignore[attr-defined] # every package has one
    assert sorted(names) == sorted(PUBLIC[package].split())  # type: ignore[index] # one of those above
    for name in names:
        thing = getattr(package, name)
        assert name in {"VideoRequest", "Destination", "OnUncertain", "LEASE", "Weekday"} or thing.__doc__, (
            f"{name} has no docstring"
        )


def test_the_collection_entry_point_registers_the_blocks() -> None:
    """Prefect only warns where a collection can't be imported."""
    (found,) = entry_points(group="prefect.collections", name="prefect_octopusx")
    assert found.load() is blocks


HEAVY = {"boto3", "botocore", "av", "cyclopts", "imagesize", "ruamel.yaml", "rich.progress", "rich.table"}
FLOWS = {
    "single": "generate_video",
    "adopt": "adopt_video",
    "batch": "generate_videos",
    "due": "generate_due_videos",
    "redrive": "redrive_videos",
    "collect": "collect_videos",
}
PREFECT = "import prefect, prefect.flow_engine, prefect.task_engine"
IN_A_FOLDER = """
import asyncio
from prefect_octopusx.api import ViduRequest
from prefect_octopusx.batches import read_manifest
from prefect_octopusx.blocks import LocalDestination
from prefect_octopusx.doctor import diagnose
from prefect_octopusx.flows import generate_videos
ViduRequest(model="viduq3-pro", prompt="a cat", images=["https://example.com/cat.png"])
read_manifest(b"name,model,prompt\\na,viduq3-pro,a cat\\n", where="cats.csv")
async def look():
    return await (await LocalDestination(folder="no-such-folder").store()).read("cat")
assert asyncio.run(look()) is None
"""


@pytest.mark.parametrize(
    ("before", "code", "strangers"),
    [
        pytest.param(PREFECT, IN_A_FOLDER, HEAVY, id="with Prefect"),
        pytest.param(
            "", "import prefect_octopusx.api, prefect_octopusx.batches, prefect_octopusx.storage",
            HEAVY - {"rich.progress", "rich.table"} | {"prefect"},  # these httpx loads
            id="without Prefect",
        ),
        pytest.param(
            "", "import prefect_octopusx.cli.program",
            HEAVY - {"cyclopts", "rich.progress", "rich.table"} | {"prefect", "httpx"},
            id="the terminal's help",
        ),
        pytest.param(
            "", "import prefect_octopusx.flows",
            {"prefect", *(f"prefect_octopusx.flows.{flow}" for flow in FLOWS)},
            id="no flow that nobody asked for",
        ),
        *(
            pytest.param(
                PREFECT, f"import prefect_octopusx.flows.{flow}\nfrom prefect_octopusx.flows import {name}\n{name}.fn",
                {f"prefect_octopusx.flows.{other}" for other in FLOWS} - {f"prefect_octopusx.flows.{flow}"},
                id=f"no flow but {name}",
            )
            for flow, name in FLOWS.items()
        ),
    ],
)  # fmt: skip
def test_what_takes_long_to_load_is_loaded_when_it_is_needed(before: str, code: str, strangers: set[str]) -> None:
    """What Prefect loads itself does not count. A list in CSV, stored in a folder, needs none of it."""
    program = f"import sys\n{before}\nbefore = set(sys.modules)\n{code}\nprint(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert any(name.startswith("prefect_octopusx.") for name in loaded)
    assert not loaded & strangers


def test_requests_and_records_survive_pickling() -> None:
    request = api.ViduRequest(model="viduq3-pro", prompt="x")
    assert pickle.loads(pickle.dumps(request)) == request  # noqa: S301 - our own bytes


def test_every_layer_ships_its_types() -> None:
    for layer in [*LAYERS, "sandbox"]:
        package = importlib.import_module(f"prefect_octopusx.{layer}")
        assert (Path(str(package.__file__)).parent / "py.typed").is_file()


def test_every_dependency_has_a_lower_and_an_upper_bound() -> None:
    for line in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]:
        needed = Requirement(line)
        bounds = {one.operator for one in needed.specifier}
        assert bounds == ({">="} if needed.name == "tzdata" else {">=", "<"}), line  # that one is data
