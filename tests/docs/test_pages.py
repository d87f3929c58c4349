"""What the pages say of the code is so: tables, links, commands."""

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from prefect_octopusx import api, batches, blocks, doctor, flows, sandbox, storage, tasks
from prefect_octopusx.api import OctopusXError
from prefect_octopusx.api.requests import (
    CustomRequest,
    GrokRequest,
    JimengRequest,
    RemixRequest,
    SoraRequest,
    VeoRequest,
    ViduRequest,
)
from prefect_octopusx.api.requests.vidu_models import VIDU_MODELS
from prefect_octopusx.cli.exits import Exit
from prefect_octopusx.cli.program import app
from prefect_octopusx.sandbox.faults import KINDS
from prefect_octopusx.storage import RecordState
from tests.docs.pages import PAGES, ROOT, calls, rows, section, text
from tests.docs.pages import blocks as code_blocks

REFERENCE = [flows, tasks, blocks, api, storage, batches, doctor, sandbox]

_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_CODE = re.compile(r"^```\w*\n.*?^```$", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, made as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", _CODE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for target in _LINK.findall(_CODE.sub("", page.read_text("utf-8"))):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(linked), f"{page.name} links to {target}"


def test_every_page_is_linked_from_the_readme() -> None:
    linked = {target.partition("#")[0] for target in _LINK.findall(text("README.md"))}
    assert {page.relative_to(ROOT).as_posix() for page in PAGES if page.name != "README.md"} <= linked


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_exist(page: Path) -> None:
    content = page.read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):", text("Makefile"), re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make ([a-z]+)", content, re.MULTILINE)) <= targets
    variables = set(re.findall(r"\$\((?:if \$\()?([A-Z]+)\)", text("Makefile")))
    assert set(re.findall(r"\bmake [a-z]+ ([A-Z]+)=", content)) <= variables
    for module in re.findall(r"-m (prefect_octopusx[.\w]*)", content):
        importlib.import_module(module)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_calls_of_the_terminal_tool_can_be_typed_so(page: Path) -> None:
    """The command and its options exist, with the right kinds of values; nothing is run."""
    for call in calls(page.read_text("utf-8")):
        app.parse_args(call, exit_on_error=False, print_error=False)


def options(command: str) -> set[str]:
    """Return the options of a command, without their negative forms."""
    found = {one.names[0] for one in app[command].assemble_argument_collection()}
    return {name for name in found if name.startswith("--")}


def test_the_sandbox_options_are_all_there() -> None:
    documented = {cells[0].strip("`") for cells in rows(text("docs/sandbox.md")) if cells[0].startswith("`--")}
    assert documented == options("sandbox")


def test_the_page_of_the_terminal_has_what_commands_share_and_every_code() -> None:
    page = text("docs/cli.md")
    tables = [cells[0] for cells in rows(page)]
    shared = set.intersection(*(options(command) for command in ("generate", "batch", "collect", "adopt")))
    assert {found for cell in tables for found in re.findall(r"--[a-z][a-z-]+", cell)} == shared
    assert {int(cell) for cell in tables if cell.isdecimal()} == set(Exit)


def test_every_fault_is_described_as_the_sandbox_does() -> None:
    faults = section(text("docs/sandbox.md"), "Faults")
    described = {kind: cells[1] for cells in rows(faults) for kind in re.findall(r"`(\w+)`", cells[0])}
    assert {kind: about for kind, about in described.items() if kind in KINDS} == KINDS


def test_every_error_has_its_verdict() -> None:
    found = {
        name: value
        for module in (api, storage, batches)
        for name in module.__all__
        if isinstance(value := getattr(module, name), type) and issubclass(value, OctopusXError)
    }
    table = {cells[0].strip("`"): cells[1:3] for cells in rows(section(text("docs/errors.md"), "The classes"))[2:]}
    yes_no = {True: "yes", False: "no"}
    assert table == {name: [yes_no[error.resend_safe], yes_no[error.retryable]] for name, error in found.items()}


@pytest.mark.parametrize(
    "request_type",
    [ViduRequest, JimengRequest, VeoRequest, SoraRequest, GrokRequest, RemixRequest, CustomRequest],
)
def test_every_field_of_a_request_is_there(request_type: Any) -> None:  # noqa: ANN401 - a class of requests
    table = {cells[0].strip("`"): cells for cells in rows(section(text("docs/requests.md"), request_type.__name__))[2:]}
    assert set(table) == set(request_type.model_fields)
    for name, schema in request_type.model_json_schema()["properties"].items():
        _, values, default = table[name]
        for value in schema.get("enum", []):
            assert str(value) in values, f"{request_type.__name__}.{name} may be {value}"
        for limit in ("maxLength", "maxItems"):
            assert str(schema.get(limit, "")) in values, f"{request_type.__name__}.{name} has {limit}"
        if request_type.model_fields[name].is_required():
            assert default == "required"
        elif isinstance(schema.get("default"), str):
            assert default.startswith(schema["default"])


def test_the_table_of_vidu_models_is_what_warns() -> None:
    (table,) = re.findall(r"^\| Vidu's model .*\n(?:\|.*\n)+", text("docs/run-form.md"), re.MULTILINE)
    listed = {cells[0].strip("`"): cells[1:] for cells in rows(table)[2:]}
    assert set(listed) == set(VIDU_MODELS)
    for name, model in VIDU_MODELS.items():
        takes_text, seconds, resolutions = listed[name]
        lengths = sorted(model.durations)
        assert takes_text == ("yes" if model.text else "no")
        assert [int(number) for number in re.findall(r"\d+", seconds)] == sorted({lengths[0], lengths[-1]})
        assert set(resolutions.split(", ")) == {one for known in model.durations.values() for one in known}


@pytest.mark.parametrize("package", REFERENCE, ids=lambda package: package.__name__)
def test_every_public_name_is_in_the_reference(package: Any) -> None:  # noqa: ANN401 - a module
    pages = [path.read_text("utf-8") for path in (ROOT / "docs/reference").glob("*.md")]
    shown = {found for page in pages for found in re.findall(r"^::: ([\w.]+)$", page, re.MULTILINE)}
    names = {path.rpartition(".")[2] for path in shown if path.startswith(f"{package.__name__}.")}
    assert set(package.__all__) <= names


@pytest.mark.parametrize("block", ["S3Destination", "LocalDestination"])
def test_every_field_of_a_destination_is_there(block: str) -> None:
    described = {cells[0].strip("`") for cells in rows(text("docs/destinations.md"))}
    fields = {name for name in getattr(blocks, block).model_fields if not name.startswith("_")}
    assert fields <= described


def test_every_state_says_what_the_next_run_does() -> None:
    same, other = re.findall(r"(?:^\|.*\n)+", section(text("docs/records.md"), "What the next run does"), re.MULTILINE)
    for table in (same, other):
        states = [state for cells in rows(table)[2:] for state in re.findall(r"\w+", cells[0])]
        assert sorted(states) == sorted(RecordState)


def test_json_on_the_pages_is_json() -> None:
    for page in PAGES:
        for block in code_blocks(page.read_text("utf-8"), "json"):
            json.loads(block)


def test_the_page_of_rules_has_the_codes_of_the_code() -> None:
    code = "\n".join(path.read_text("utf-8") for layer in ("api", "sandbox") for path in (ROOT / layer).rglob("*.py"))
    listed = re.findall(r"^\| ([JV]-\d+) \|", (ROOT / "docs/rules.md").read_text("utf-8"), re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert set(listed) == set(re.findall(r"\b[JV]-\d+\b", code))
