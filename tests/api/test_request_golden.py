"""The golden requests: the valid ones go on the wire as they are, the others are refused with every problem named."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from prefect_octopusx.api.requests import RemixRequest, VideoRequest

GOLDEN = {path.stem: json.loads(path.read_text("utf-8")) for path in Path(__file__).parent.glob("golden/req_*.json")}
# What the page requires and this package fills in.
FILLED_IN: dict[str, dict[str, Any]] = {"req_jimeng_missing_images": {"images": []}}
VALID = sorted(name for name, case in GOLDEN.items() if case["expect"]["valid"] or name in FILLED_IN)
INVALID = sorted(GOLDEN.keys() - VALID)
# The fields that are warned of: the golden files do not name them, nor that a ratio beside a picture may not count.
WARNED = {"req_sora_warn_25s": ["duration"], "req_vidu_image_full": ["aspect_ratio"]}
# A problem that is repaired instead of reported.
NORMALISED = "size: wrong case"


def validated(case: dict[str, Any]) -> Any:  # noqa: ANN401 - a union and a remix
    adapter: TypeAdapter[Any] = TypeAdapter(RemixRequest if case["path"].endswith("remix") else VideoRequest)
    return adapter.validate_python(case["body"])


def test_all_golden_requests_are_here() -> None:
    assert len(GOLDEN) == 17


@pytest.mark.parametrize("name", VALID)
def test_a_valid_request_goes_on_the_wire_as_it_is(name: str) -> None:
    request = validated(GOLDEN[name])
    assert request.body() == GOLDEN[name]["body"] | FILLED_IN.get(name, {})


@pytest.mark.parametrize("name", VALID)
def test_a_valid_request_warns_as_expected(name: str) -> None:
    found = [re.findall(r"`(\w+)`", warning)[0] for warning in validated(GOLDEN[name]).warnings()]
    assert found == WARNED.get(name, [])


def test_every_warning_of_a_golden_file_is_expected() -> None:
    warned = {name for name, case in GOLDEN.items() if any("warn: " in each for each in case["expect"]["problems"])}
    assert warned <= WARNED.keys()


@pytest.mark.parametrize("name", INVALID)
def test_every_problem_of_an_invalid_request_is_reported(name: str) -> None:
    with pytest.raises(ValidationError) as caught:
        validated(GOLDEN[name])
    reported = {str(error["loc"][0]) for error in caught.value.errors()}
    problems = [each for each in GOLDEN[name]["expect"]["problems"] if not each.startswith(NORMALISED)]
    fields = [set(problem.replace(":", " ").split()[0].split("/")) for problem in problems]
    assert all(reported & field for field in fields), (reported, problems)
    assert len(caught.value.errors()) == len(problems)
