"""deployments/work-pools: the values fit Prefect's own templates, and what comes of them fits Kubernetes and ECS."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import boto3
import kubernetes_validate
import pytest
from botocore.validate import ParamValidator
from jsonschema import Draft202012Validator
from prefect.utilities.templating import apply_values
from prefect.workers.utilities import get_default_base_job_template_for_infrastructure_type

from tests.deployments.scripts import script

pools = script("work-pools/template.py")


@pytest.fixture
async def template(prefect_api: str, kind: str) -> dict[str, Any]:  # noqa: ARG001 - it only has to run
    found = await get_default_base_job_template_for_infrastructure_type(kind)
    assert found is not None
    return found


@pytest.fixture
def job(template: dict[str, Any], kind: str) -> Callable[[], dict[str, Any]]:
    """Return what a worker makes of the template for a run without variables of its own."""

    def made() -> dict[str, Any]:
        filled = pools.filled(template, pools.values(kind))
        defaults = {name: one["default"] for name, one in filled["variables"]["properties"].items() if "default" in one}
        defaults["name"] = "hero"
        found: dict[str, Any] = apply_values(filled["job_configuration"], defaults)
        return found

    return made


@pytest.mark.parametrize("kind", pools.TYPES)
def test_the_values_are_of_variables_that_the_type_has(kind: str, template: dict[str, Any]) -> None:
    before = deepcopy(template)
    filled = pools.filled(template, pools.values(kind))
    assert template == before
    schema = filled["variables"]
    assert set(schema["properties"]) == set(before["variables"]["properties"])
    given = pools.values(kind)["variables"]
    Draft202012Validator(schema).validate(given)
    assert {name: schema["properties"][name]["default"] for name in given} == given


@pytest.mark.parametrize("kind", ["docker", "kubernetes", "ecs"])
def test_a_run_in_a_container_hears_of_sigterm(kind: str, job: Callable[[], dict[str, Any]]) -> None:  # noqa: ARG001
    made = job()
    assert made["env"]["PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR"] == "reschedule"


@pytest.mark.parametrize("kind", ["kubernetes"])
def test_the_kubernetes_job_is_valid_and_has_the_time_to_end(kind: str, job: Callable[[], dict[str, Any]]) -> None:  # noqa: ARG001
    manifest = job()["job_manifest"]
    pod = manifest["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == 240
    assert pod["serviceAccountName"] == "octopusx-videos"
    for stray in ("parallelism", "completions"):  # Prefect's own template has them a level too deep
        pod.pop(stray)
    # What the worker fills in itself.
    manifest["metadata"]["labels"] = {}
    (container,) = pod["containers"]
    container |= {
        "env": [{"name": name, "value": value} for name, value in container["env"].items()],
        "args": ["prefect"],
    }
    kubernetes_validate.validate(manifest, "1.34", strict=True)
    pod["terminationGracePeriod"] = 240
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, "1.34", strict=True)


@pytest.mark.parametrize("kind", ["ecs"])
def test_the_ecs_task_is_one_that_aws_takes(kind: str, job: Callable[[], dict[str, Any]]) -> None:  # noqa: ARG001
    made = job()
    task = made["task_definition"] | {"cpu": str(made["task_definition"]["cpu"]), "family": "hero"}
    task["memory"] = str(task["memory"])
    (container,) = task["containerDefinitions"]
    assert container["stopTimeout"] == 120
    assert container["image"] == pools.values("ecs")["variables"]["image"]
    shape = boto3.client("ecs", "eu-central-1").meta.service_model.operation_model("RegisterTaskDefinition").input_shape
    report = ParamValidator().validate(task, shape)
    assert not report.has_errors(), report.generate_report()
    assert made["task_run_request"]["overrides"]["taskRoleArn"].startswith("arn:aws:iam::")


@pytest.mark.parametrize("kind", ["process"])
def test_a_misspelt_variable_is_refused(kind: str, template: dict[str, Any]) -> None:  # noqa: ARG001
    with pytest.raises(ValueError, match=r"no variable enviroment\. There are: .*working_dir"):
        pools.filled(template, {"variables": {"enviroment": {}}})
    with pytest.raises(ValueError, match="variable means nothing here"):
        pools.filled(template, {"variable": {"env": {}}})
