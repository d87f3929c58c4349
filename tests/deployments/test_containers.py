"""The container files, as far as that can be seen without a Docker engine: linters, schemas, and what they refer to."""

import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.settings import Settings

from tests.deployments.scripts import ROOT

DOCKERFILE = ROOT / "deployments/container/Dockerfile"
COMPOSE = ROOT / "deployments/compose.yaml"
LAYERS = {"api", "batches", "blocks", "flows", "sandbox", "storage", "tasks"}


def lint(*command: str | Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name(str(command[0]))
    found = program if program.exists() else shutil.which(str(command[0]))
    assert found
    return subprocess.run([found, *command[1:]], capture_output=True, text=True, check=False)


@pytest.fixture
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text("utf-8"))["services"]
    return found


def test_the_dockerfile_passes_hadolint() -> None:
    ran = lint("hadolint", DOCKERFILE)
    assert ran.returncode == 0, ran.stdout


def test_hadolint_would_find_something(tmp_path: Path) -> None:
    worse = tmp_path / "Dockerfile"
    worse.write_text(DOCKERFILE.read_text("utf-8").replace("USER 10001", "USER root"))
    assert "DL3002" in lint("hadolint", worse).stdout  # the last user is root


def test_compose_follows_the_specification(tmp_path: Path) -> None:
    check = ("check-jsonschema", "--builtin-schema", "vendor.compose-spec")
    ran = lint(*check, COMPOSE)
    assert ran.returncode == 0, ran.stdout
    misspelt = tmp_path / "compose.yaml"
    misspelt.write_text(COMPOSE.read_text("utf-8").replace("stop_grace_period:", "stop_grace:"))
    assert "stop_grace" in lint(*check, misspelt).stdout


def test_nothing_secret_is_in_compose(services: dict[str, Any]) -> None:
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|AUTH|KEY|SECRET|USER", name) and value != "prefect":
                assert re.fullmatch(r"\$\{\w+(:[?-][^}]*)?\}", value), name
    ignored = subprocess.run(
        ["git", "check-ignore", "--no-index", "deployments/.env", "deployments/worker.env"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if (ROOT / ".git").exists():
        assert len(ignored.stdout.split()) == 2


def test_every_setting_in_compose_is_one_of_prefects(services: dict[str, Any]) -> None:
    """Prefect ignores a misspelt one, and then the API and the services would not know of each other."""
    known = names_of(Settings)
    known |= {"PREFECT_REDIS_MESSAGING_URL"}  # of prefect-redis
    for service in services.values():
        given = {name for name in service.get("environment", {}) if name.startswith("PREFECT_")}
        assert given <= known
    for name in ("MESSAGING_BROKER", "MESSAGING_CACHE", "CAUSAL_ORDERING"):
        importlib.import_module(services["api"]["environment"][f"PREFECT_SERVER_EVENTS_{name}"])
    importlib.import_module(services["api"]["environment"]["PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"])


def names_of(model: Any, prefix: str = "PREFECT") -> set[str]:  # noqa: ANN401 - a class of settings
    found = set()
    for name, field in model.model_fields.items():
        inner = field.annotation
        path = f"{prefix}_{name.upper()}"
        found |= names_of(inner, path) if hasattr(inner, "model_fields") else {path}
    return found


def test_who_depends_on_whom_is_there_and_tells_its_health(services: dict[str, Any]) -> None:
    for service in services.values():
        for name, condition in service.get("depends_on", {}).items():
            if condition["condition"] == "service_healthy":
                assert services[name]["healthcheck"]["test"]


def test_the_images_are_those_of_the_dockerfile_and_of_this_version(services: dict[str, Any]) -> None:
    (version,) = re.findall(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    targets = re.findall(r"^FROM \S+ AS (\S+)", DOCKERFILE.read_text("utf-8"), re.MULTILINE)
    for service in services.values():
        if "build" in service:
            assert service["build"]["target"] in targets
            assert service["image"].endswith(f":{version}")
    for line in re.findall(r"-t (\S+) \.", DOCKERFILE.read_text("utf-8")):
        assert line.endswith(f":{version}")


def test_the_build_context_has_what_the_image_is_built_from() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    assert allowed >= LAYERS | {"pyproject.toml", "README.md", "LICENSE", "constraints.txt"}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE.read_text("utf-8"), re.MULTILINE)
    for path in {path for line in copied for path in line.split()} - {"."}:
        assert (ROOT / path).exists()
        assert path in allowed
