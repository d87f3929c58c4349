"""The container files, as far as that can be seen without a Docker engine: linters, schemas, and what they refer to."""

import importlib
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml
from cryptography.fernet import Fernet
from prefect.server.utilities.encryption import encrypt_fernet
from prefect.settings import Settings

from tests.deployments.scripts import ROOT

DOCKERFILE = ROOT / "deployments/container/Dockerfile"
COMPOSE = ROOT / "deployments/compose.yaml"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


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
    known |= {"PREFECT_SERVER_ENCRYPTION_KEY"}  # no setting; the next test looks at it
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
        aliases = getattr(field.validation_alias, "choices", [])
        found |= {alias.upper() for alias in aliases if isinstance(alias, str)}
        found |= names_of(inner, path) if hasattr(inner, "model_fields") else {path}
    return found


async def test_blocks_are_encrypted_with_the_key_that_compose_hands_on(
    services: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under a name that Prefect does not read, blocks would be encrypted with a key in their own database."""
    given = services["api"]["environment"]
    (name,) = (name for name in given if "ENCRYPTION" in name)
    key = Fernet.generate_key()
    monkeypatch.setenv(name, key.decode())
    no_database: Any = None
    encrypted = await encrypt_fernet(no_database, {"value": "sk-1"})
    assert Fernet(key).decrypt(encrypted) == b'{"value": "sk-1"}'
    assert services["services"]["environment"] == given  # who reads blocks to notify somebody, needs it as well


def test_links_of_alerts_and_the_ui_lead_where_the_api_is(services: dict[str, Any]) -> None:
    given = services["services"]["environment"]
    (port,) = services["api"]["ports"]
    here = f"http://{port.removesuffix(':4200')}"
    assert given["PREFECT_UI_URL"] == f"${{PREFECT_UI_URL:-{here}}}"
    assert given["PREFECT_UI_API_URL"] == f"${{PREFECT_UI_API_URL:-{here}/api}}"


def test_who_depends_on_whom_is_there_and_tells_its_health(services: dict[str, Any]) -> None:
    for service in services.values():
        for name, condition in service.get("depends_on", {}).items():
            if condition["condition"] == "service_healthy":
                assert services[name]["healthcheck"]["test"]


def test_the_images_are_those_of_the_dockerfile_and_of_this_version(services: dict[str, Any]) -> None:
    version = PROJECT["project"]["version"]
    targets = re.findall(r"^FROM \S+ AS (\S+)", DOCKERFILE.read_text("utf-8"), re.MULTILINE)
    for service in services.values():
        if "build" in service:
            assert service["build"]["target"] in targets
            assert service["image"].endswith(f":{version}")
    for line in re.findall(r"-t (\S+) \.", DOCKERFILE.read_text("utf-8")):
        assert line.endswith(f":{version}")


def let_in() -> Callable[[str], bool]:
    """Return what .dockerignore says of a file: the last line that is of it, or of a folder it is in, decides."""
    written = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    lines = [line for line in written if line and not line.startswith("#")]

    def asked(path: str) -> bool:
        found = True
        whole = PurePosixPath("/", path)
        for line in lines:
            pattern = line.removeprefix("!")
            at = pattern.removeprefix("**/") if pattern.startswith("**/") else f"/{pattern}"
            if any(one.match(at) for one in (whole, *whole.parents[:-1])):
                found = line.startswith("!")
        return found

    return asked


def test_the_build_context_has_what_the_image_is_built_from() -> None:
    allowed = let_in()
    folders: dict[str, str] = PROJECT["tool"]["setuptools"]["package-dir"]
    needed = {"pyproject.toml", "README.md", "LICENSE", "constraints.txt"}
    for package in PROJECT["tool"]["setuptools"]["packages"]:
        layer, _, inner = package.removeprefix("prefect_octopusx.").partition(".")
        folder = Path(folders[f"prefect_octopusx.{layer}"], *inner.split("."))
        needed |= {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).glob("*.*")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE.read_text("utf-8"), re.MULTILINE)
    needed |= {path for line in copied for path in line.split()} - {"."}
    assert [path for path in sorted(needed) if not allowed(path) or not (ROOT / path).exists()] == []
    assert {"api/__init__.py", "doctor/py.typed", "sandbox/clips/__init__.py"} <= needed


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        ".env",
        "deployments/.env",
        "deployments/worker.env",
        "api/keys.env",
        "videos/hero.mp4",
        "id_rsa",
        "api/__pycache__/client.cpython-311.pyc",
        ".venv/bin/python",
        "tests/s3.py",
    ],
)
def test_nothing_else_gets_into_the_build_context(path: str) -> None:
    assert not let_in()(path)
