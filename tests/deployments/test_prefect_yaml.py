"""deployments/prefect.yaml as a file, and deployments/serve.py, which reads it: nothing misspelt, nothing differs."""

import re
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from prefect.cli.deploy._models import PrefectYamlModel  # private; there is no public one
from prefect.client.schemas.objects import ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment

from tests.deployments.scripts import FILE, ROOT, serve
from tests.deployments.strict import unread
from tests.docs.pages import rows, section, text

NAMES = ["daily-video", "calendar", "batch", "chunk", "off-peak", "collector"]


@pytest.fixture
def content() -> dict[str, Any]:
    found: dict[str, Any] = deepcopy(yaml.safe_load(FILE.read_text("utf-8")))
    return found


def served() -> dict[str, RunnerDeployment]:
    return {deployment.name: deployment for deployment in serve.served()}


def test_prefect_reads_all_that_is_in_the_file(content: dict[str, Any]) -> None:
    PrefectYamlModel.model_validate(content)
    assert unread(content) == []
    assert [deployment["name"] for deployment in content["deployments"]] == NAMES


MISSPELT: dict[str, Callable[[dict[str, Any]], None]] = {
    "definition": lambda file: rename(file, "definitions", "definition"),
    "calendar.scedules": lambda file: rename(calendar(file), "schedules", "scedules"),
    "calendar.schedules.timezon": lambda file: rename(calendar(file)["schedules"][0], "timezone", "timezon"),
    "calendar.work_pool.job_variable": lambda file: rename(
        calendar(file)["work_pool"], "job_variables", "job_variable"
    ),
    "calendar.concurrency_limit.strategy": lambda file: rename(
        calendar(file)["concurrency_limit"], "collision_strategy", "strategy"
    ),
}


def calendar(file: dict[str, Any]) -> dict[str, Any]:
    (found,) = [one for one in file["deployments"] if one["name"] == "calendar"]
    found["work_pool"] = dict(found["work_pool"])  # its own, where the file has one for all
    return found


def rename(part: dict[str, Any], old: str, new: str) -> None:
    part[new] = part.pop(old)


@pytest.mark.parametrize("where", MISSPELT)
def test_a_misspelt_key_is_noticed_at_every_level(where: str, content: dict[str, Any]) -> None:
    MISSPELT[where](content)
    if "schedules." not in where:
        PrefectYamlModel.model_validate(content)  # which says nothing, and so would `prefect deploy`
    assert unread(content) == [where]


@pytest.mark.parametrize("where", MISSPELT)
def test_serve_refuses_a_misspelt_key(where: str, content: dict[str, Any], tmp_path: Path) -> None:
    MISSPELT[where](content)
    file = tmp_path / "prefect.yaml"
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(ValueError, match=rf"\b{where.rpartition('.')[2]}\b"):
        serve.served(file)


def test_nothing_secret_is_in_the_file() -> None:
    assert not re.search(r"sk-|api_key|secret|password|AKIA", FILE.read_text("utf-8"), re.IGNORECASE)


def test_schedules_are_off_have_a_time_zone_and_come_to_pass(content: dict[str, Any]) -> None:
    for deployment in served().values():
        if deployment.name == "chunk":  # is started by batches
            assert not deployment.schedules
            continue
        (schedule,) = deployment.schedules or []
        assert schedule.active is False
        assert schedule.schedule.timezone == "Europe/Berlin"
    written = [schedule for deployment in content["deployments"] for schedule in deployment.get("schedules", ())]
    assert [next(iter(schedule)) for schedule in written] == ["cron", "cron", "rrule", "cron", "interval"]


async def test_the_batch_is_on_first_mondays_at_nine_in_winter_and_summer() -> None:
    (found,) = served()["batch"].schedules or []
    dates = found.schedule.to_rrule().xafter(datetime(2027, 1, 1, tzinfo=ZoneInfo("Europe/Berlin")), count=7)
    assert [f"{date:%Y-%m-%d %H:%M %z}" for date in dates][::6] == ["2027-01-04 09:00 +0100", "2027-07-05 09:00 +0200"]


def test_the_page_has_the_deployments_of_the_file(content: dict[str, Any]) -> None:
    table = rows(section(text("docs/deploying.md"), "The deployments"))[2:]
    found = served()
    assert [[cell.strip("`") for cell in cells] for cells in table] == [
        [
            written["name"],
            found[written["name"]].flow_name,
            next(iter(written["schedules"][0])) if "schedules" in written else "none",
            str(written["concurrency_limit"]["limit"]),
            written["concurrency_limit"]["collision_strategy"],
        ]
        for written in content["deployments"]
    ]


def test_serve_has_what_the_file_has(content: dict[str, Any]) -> None:
    found = served()
    assert list(found) == NAMES
    for written in content["deployments"]:
        deployment = found[written["name"]]
        for field in ("entrypoint", "tags", "description"):
            assert getattr(deployment, field) == written[field]
        assert deployment.parameters == written.get("parameters", {})
        assert deployment.concurrency_limit == written["concurrency_limit"]["limit"]
        assert deployment.concurrency_options is not None
        strategy = ConcurrencyLimitStrategy(written["concurrency_limit"]["collision_strategy"])
        assert deployment.concurrency_options.collision_strategy is strategy
        assert deployment.work_pool_name is None
        assert not deployment.job_variables


def test_serve_takes_names_and_says_which_there_are() -> None:
    assert [deployment.name for deployment in serve.served(names=["collector", "calendar"])] == [
        "calendar",
        "collector",
    ]
    ran = subprocess.run(
        [sys.executable, "deployments/serve.py", "calendar", "kalender"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert "has no deployment kalender. It has: daily-video, calendar, batch, chunk, off-peak, collector" in ran.stderr
    assert "Traceback" not in ran.stderr


FLOW = "prefect_octopusx.flows.single.generate_video"


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (None, "can't be read: No such file"),
        ("", "has no deployments"),
        ("name: octopusx", "has no deployments"),
        ("deployments: []", "has no deployments"),
        ("deployments: [calendar]", "has no deployments"),
        ("- deployments", "where keys and values should be"),
        ("deployments: [", "is no YAML: .*line 1"),
        ("deployments: [{name: one}]", "one: it has no entrypoint"),
        ("deployments: [{name: one, entrypoint: FLOWe}]", "one: entrypoint: .*generate_videoe is no flow"),
        ("deployments: [{name: one, entrypoint: no.flow}]", "one: entrypoint: no.flow is no flow: No module named"),
        ("deployments: [{name: one, entrypoint: FLOW, work_pool: two}]", "one: work_pool: 'two' is there"),
        ("deployments: [{name: one, entrypoint: FLOW, schedules: [{interval: x}]}]", "one: .*seconds"),
        ("deployments: [{name: one}, {name: two}]", "one: it has no entrypoint\n.*two: it has no entrypoint"),
    ],
)
def test_serve_says_what_is_wrong_with_a_file(written: str | None, told: str, tmp_path: Path) -> None:
    file = tmp_path / "prefect.yaml"
    if written is not None:
        file.write_text(written.replace("FLOW", FLOW))
    with pytest.raises(SystemExit) as stopped:
        serve.main(["--prefect-file", str(file)])
    assert re.search(f"{file}.*{told}", str(stopped.value), re.DOTALL)


def test_serve_takes_a_file_of_prefect_init(tmp_path: Path) -> None:
    file = tmp_path / "prefect.yaml"
    top = "name: octopusx\nprefect-version: 3.8.8\nbuild: null\npush: null\npull: null\n"
    file.write_text(
        top + "deployments: [{name: one, entrypoint: FLOW, work_pool: {name: videos}}]".replace("FLOW", FLOW)
    )
    assert [deployment.name for deployment in serve.served(file)] == ["one"]
