"""The schemas of flows' parameters: Prefect's UI makes the Run form of them, and its server checks the values."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from prefect import Flow
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools.validation import ValidationError, validate

from prefect_octopusx import flows
from tests.api.test_request_golden import GOLDEN, VALID

FLOWS = [found for name in flows.__all__ if isinstance(found := getattr(flows, name), Flow)]
SCHEMAS = {flow.name: parameter_schema(flow).model_dump() for flow in FLOWS}
JIMENG = {"model": "jimeng-video-3.0", "prompt": "a cat"}
VIDU = {"model": "viduq3-pro", "prompt": "a cat"}


def server_check(parameters: dict[str, Any], flow: str = "generate-video") -> None:
    """Check as Prefect's server does when a run is asked for."""
    validate(parameters, SCHEMAS[flow], raise_on_error=True)


def refusal(request: object) -> str:
    with pytest.raises(ValidationError) as caught:
        server_check({"request": request})
    return str(caught.value)


def fields(flow: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from SCHEMAS[flow]["properties"].items()


@pytest.mark.parametrize("flow", SCHEMAS)
def test_every_parameter_explains_itself(flow: str) -> None:
    assert len(list(fields(flow))) > 3
    for name, field in fields(flow):
        assert field["title"] == name
        assert field["description"].endswith("."), name
        assert "as in `generate_" not in field["description"].lower(), f"{name}: this form does not show the other"
    assert "oneOf" not in json.dumps(SCHEMAS[flow])
    assert "discriminator" not in json.dumps(SCHEMAS[flow])


@pytest.mark.parametrize("flow", SCHEMAS)
def test_what_can_be_empty_is_an_empty_field(flow: str) -> None:
    """Tabs are for families and kinds of blocks, and where "no limit" is told from the default."""
    with_tabs = {name for name, field in fields(flow) if "anyOf" in field}
    assert with_tabs <= {"request", "destination", "credentials", "max_lateness"}
    assert ("max_lateness" in with_tabs) == (flow == "generate-due-videos")
    nulls = {name for name, field in fields(flow) if field.get("default", 0) is None}
    assert nulls == ({"request"} if flow == "adopt-video" else set())


@pytest.mark.parametrize("flow", SCHEMAS)
def test_null_is_as_good_as_empty(flow: str) -> None:
    """Runs may be asked for by code, or from the parameters of an earlier one."""
    required = {"request": VIDU, "manifest": "a.csv", "task_id": "1", "name": "a", "batch": "b"}
    schema = SCHEMAS[flow]
    parameters = {name: required[name] for name in schema["required"]}
    server_check(parameters, flow)
    optional = [name for name, field in fields(flow) if name not in parameters and "default" not in field]
    assert "credentials" in optional
    server_check(parameters | dict.fromkeys(optional), flow)


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (
            JIMENG | {"aspect_ratio": "4:5"},
            "'request.aspect_ratio'. Failure reason: '4:5' is not one of ['16:9'",
        ),
        (JIMENG | {"duration": 0}, "'request.duration'. Failure reason: 0 is less than the minimum of 1"),
        ({"model": "jimeng-video-3.0"}, "'prompt' is a required property"),
        (VIDU | {"duration": 30}, "'request.duration'. Failure reason: 30 is greater than the maximum of 10"),
        (VIDU | {"duration": 17, "allow_undocumented": True}, "17 is greater than the maximum of 16"),
        (
            VIDU | {"model": "viduq1", "duration": 11, "allow_undocumented": True},
            "11 is greater than the maximum of 10",
        ),
        (VIDU | {"duration": "five"}, "'request.duration'. Failure reason: 'five' is not of type 'integer'"),
        (VIDU | {"wm_position": 5}, "'request.wm_position'. Failure reason: 5 is greater than the maximum of 4"),
        (VIDU | {"model": "viduq4"}, "'request.model'. Failure reason: 'viduq4' is not one of ['viduq3-pro'"),
        (VIDU | {"size": "720P"}, "('size' was unexpected)"),
        ({"model": "viduq3-pro"}, "'prompt' is a required property"),
        ({"prompt": "a cat"}, "'model' is a required property"),
        ({"family": "custom"}, "'model' is a required property"),
        (
            {"model": "grok-video-3", "prompt": "x", "duration": 7},
            "request.duration'. Failure reason: 7 is not one of",
        ),
    ],
)
def test_what_is_wrong_is_told_at_its_field(request_: dict[str, Any], told: str) -> None:
    message = refusal(request_)
    assert told in message
    assert "not valid under any of the given schemas" not in message


@pytest.mark.parametrize("name", [name for name in VALID if "remix" not in name])
def test_no_request_is_refused_that_the_flow_takes(name: str) -> None:
    server_check({"request": GOLDEN[name]["body"]})


@pytest.mark.parametrize(
    "request_",
    [
        VIDU | {"duration": 16, "allow_undocumented": True},
        VIDU | {"resolution": "720P", "aspect_ratio": None, "duration": None, "wm_url": None},
        {"model": "viduq3-pro", "is_rec": True, "images": ["https://example.com/a.png"]},
        JIMENG | {"size": "1080p"},
        {"model": "viduq9", "family": "custom", "duration": 99},
        {"model": "kling-3", "cfg": {"a": None}},
    ],
)
def test_what_the_flow_takes_in_other_ways_is_let_pass_too(request_: dict[str, Any]) -> None:
    server_check({"request": request_})
    flows.generate_video.validate_parameters({"request": request_})


def test_each_form_proposes_a_model() -> None:
    forms = SCHEMAS["generate-video"]["definitions"]
    proposed = {name: forms[name]["properties"]["model"].get("default") for name in forms if name.endswith("Request")}
    assert proposed == {
        "JimengRequest": "jimeng-video-3.0",
        "ViduRequest": "viduq3-pro",
        "VeoRequest": "veo3.1-fast",
        "SoraRequest": "sora-2",
        "GrokRequest": "grok-video-3",
        "CustomRequest": None,
    }
    assert forms["ViduRequest"]["properties"]["audio"]["default"] is False
