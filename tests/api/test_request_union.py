"""`VideoRequest`: finding the family, its errors, its JSON, its form, and its use as a flow's parameter."""

import json
import pickle
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect import flow
from prefect.exceptions import ParameterTypeError
from prefect.utilities.callables import parameter_schema
from pydantic import BaseModel, TypeAdapter, ValidationError

from prefect_octopusx.api import requests
from prefect_octopusx.api.requests import (
    CustomRequest,
    GrokRequest,
    JimengRequest,
    RemixRequest,
    SoraRequest,
    VeoRequest,
    VideoRequest,
    ViduRequest,
)

UNION: TypeAdapter[Any] = TypeAdapter(VideoRequest)
MODELS: tuple[type[BaseModel], ...] = (
    JimengRequest,
    ViduRequest,
    VeoRequest,
    SoraRequest,
    GrokRequest,
    CustomRequest,
)


@pytest.mark.parametrize(
    ("data", "kind", "family"),
    [
        ({"model": "jimeng-video-2.0"}, JimengRequest, "jimeng"),
        ({"model": "viduq1"}, ViduRequest, "vidu"),
        ({"model": "veo9-anything"}, VeoRequest, "veo"),
        ({"model": "sora-2-pro"}, SoraRequest, "sora"),
        ({"model": "grok-video-3"}, GrokRequest, "grok"),
        ({"model": "kling-3"}, CustomRequest, "custom"),
        ({"model": "viduq3-turbo", "family": "custom"}, CustomRequest, "custom"),
    ],
)
def test_the_model_names_the_family(data: dict[str, Any], kind: type[Any], family: str) -> None:
    request: Any = UNION.validate_python(data | {"prompt": "x"})
    assert type(request) is kind, request
    assert request.family == family
    assert "family" not in request.body()
    assert UNION.validate_python(request) is request
    assert kind.model_validate(request) is request
    again = UNION.validate_json(request.model_dump_json())
    assert type(again) is kind
    assert again == request


@pytest.mark.parametrize("model", ["viduq3-por", "ViduQ3-pro"])
def test_a_typo_lists_the_models_of_its_family_and_the_way_out(model: str) -> None:
    with pytest.raises(ValidationError) as caught:
        UNION.validate_python({"model": model, "prompt": "x"})
    (error,) = caught.value.errors()
    assert error["loc"] == ("model",)
    assert "'viduq3-pro', 'viduq2-pro-fast'" in error["msg"]
    assert f"(given: '{model}')" in error["msg"]
    assert "CustomRequest" in error["msg"]


@pytest.mark.parametrize("data", [{"prompt": "x"}, {"model": None}, {"model": " "}, {"model": 3}])
def test_without_a_model_all_families_are_listed(data: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        UNION.validate_python(data)
    (error,) = caught.value.errors()
    assert error["loc"] == ("model",)
    for name in (
        "`model`",
        "Jimeng (jimeng-video-3.0",
        "viduq3-pro",
        "veo…",
        "sora-2",
        "grok-video-3",
        "CustomRequest",
    ):
        assert name in error["msg"]


@pytest.mark.parametrize("data", ["a prompt", 5, None, [], RemixRequest])
def test_what_is_no_request_is_refused(data: object) -> None:
    with pytest.raises(ValidationError, match="an object with `model`"):
        UNION.validate_python(data)


def test_a_request_is_immutable_and_survives_pickling() -> None:
    request = ViduRequest(model="viduq3-pro", prompt="x", duration=5)
    custom = CustomRequest.model_validate({"model": "kling-3", "cfg": {"a": None}})
    for each in (request, custom):
        again = pickle.loads(pickle.dumps(each))  # noqa: S301 - our own bytes
        assert again == each
        assert again.digest == each.digest
    with pytest.raises(ValidationError, match="frozen"):
        request.seed = 1


CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXT = st.text(CHARACTERS, min_size=1, max_size=40).filter(str.strip)
URLS = st.lists(st.sampled_from(["https://h/a.png", "https://h/b.jpg?s=1", "http://u:p@h:80/c"]), max_size=2)
REQUESTS = st.one_of(
    st.builds(
        JimengRequest,
        model=st.sampled_from(["jimeng-video-3.0", "jimeng-video-2.0"]),
        prompt=TEXT,
        images=URLS,
        aspect_ratio=st.sampled_from(["16:9", "21:9"]),
        size=st.sampled_from(["720P", "1080p"]),
    ),
    st.builds(
        ViduRequest,
        model=st.sampled_from(["viduq3-pro", "viduq2-turbo", "viduq1"]),
        prompt=TEXT,
        images=URLS,
        audio=st.booleans(),
        bgm=st.none() | st.booleans(),
        duration=st.none() | st.integers(1, 10),
        seed=st.none() | st.integers(),
        resolution=st.none() | st.sampled_from(["540p", "720P", "1080p"]),
        payload=st.none() | st.text(CHARACTERS, max_size=20),
        meta_data=st.none() | st.dictionaries(TEXT, st.integers()).map(json.dumps),
        wm_position=st.none() | st.integers(1, 4),
    ),
    st.builds(
        VeoRequest,
        model=st.just("veo3.1-fast"),
        prompt=TEXT,
        images=URLS,
        orientation=st.sampled_from([None, "portrait", "landscape"]),
    ),
    st.builds(
        SoraRequest,
        model=st.just("sora-2"),
        prompt=TEXT,
        images=URLS,
        duration=st.sampled_from([10, 15, 25]),
        style=st.sampled_from([None, "anime"]),
    ),
    st.builds(
        CustomRequest,
        model=TEXT.filter(lambda model: model.strip() != ""),
        prompt=st.none() | TEXT,
        images=URLS,
        cfg=st.recursive(st.none() | st.booleans() | st.integers() | TEXT, lambda inner: st.lists(inner, max_size=3)),
    ),
)


@given(REQUESTS)
def test_a_request_survives_json(request: Any) -> None:  # noqa: ANN401 - any of the requests
    """Prefect stores a flow's parameters as JSON and makes the request from them again."""
    again = UNION.validate_json(request.model_dump_json())
    assert type(again) is type(request)
    assert again == request
    assert again.body() == request.body()
    assert again.digest == request.digest
    assert json.loads(json.dumps(request.recorded())) == request.recorded()


class TestForm:
    """The Prefect UI makes the Run form from the JSON schema."""

    @pytest.mark.parametrize("model", [*MODELS, RemixRequest])
    def test_every_field_is_titled_described_and_plain(self, model: type[BaseModel]) -> None:
        schema = model.model_json_schema()
        assert schema["description"].endswith(".")
        assert "$defs" not in schema
        for position, (name, field) in enumerate(schema["properties"].items()):
            assert field["title"], name
            assert field["description"].endswith("."), name
            assert "\n" not in field["description"], name
            assert field["type"] in {"string", "integer", "boolean", "array"}, name
            assert field["position"] == position, name
            assert "anyOf" not in field, name
            assert field.get("default", 0) is not None, name

    def test_titles_are_the_tabs(self) -> None:
        titles = [model.model_json_schema()["title"] for model in MODELS]
        assert titles == ["Jimeng", "Vidu", "Veo", "Sora", "Grok", "Other model"]

    def test_limits_and_choices_are_in_it(self) -> None:
        fields = ViduRequest.model_json_schema()["properties"]
        assert fields["prompt"]["maxLength"] == 2000
        assert fields["payload"]["maxLength"] == 1_048_576
        assert fields["duration"]["minimum"] == 1
        assert (fields["wm_position"]["minimum"], fields["wm_position"]["maximum"]) == (1, 4)
        assert fields["resolution"]["enum"] == ["360p", "540p", "720p", "1080p"]
        assert fields["images"]["items"] == {"type": "string"}
        assert fields["images"]["maxItems"] == 2
        assert list(fields)[:3] == ["model", "prompt", "images"]
        assert list(fields)[-1] == "allow_undocumented"
        with_doubt = [model for model in MODELS if "allow_undocumented" in model.model_json_schema()["properties"]]
        assert with_doubt == [JimengRequest, ViduRequest]

    def test_no_family_is_a_field_except_the_mark_of_other_models(self) -> None:
        with_family = [model for model in MODELS if "family" in model.model_json_schema()["properties"]]
        assert with_family == [CustomRequest]
        assert CustomRequest.model_json_schema()["properties"]["family"]["enum"] == ["custom"]

    def test_the_union_is_plain(self) -> None:
        """A discriminated union renders as a raw JSON box."""
        schema = parameter_schema(_make).model_dump()
        names = [PurePosixPath(option["$ref"]).name for option in schema["properties"]["request"]["anyOf"]]
        assert names == [model.__name__ for model in MODELS]
        assert "discriminator" not in json.dumps(schema)
        assert "oneOf" not in json.dumps(schema)
        assert all(schema["definitions"][name]["properties"]["model"] for name in names)


def _make(request: VideoRequest) -> str:
    return request.digest


class TestAsFlowParameter:
    """A flow takes a request as it takes any parameter."""

    def test_json_becomes_a_request(self) -> None:
        parameters = flow(_make).validate_parameters({"request": {"model": "viduq1", "prompt": "x"}})
        assert parameters["request"] == ViduRequest(model="viduq1", prompt="x")

    def test_a_request_stays_itself(self) -> None:
        request = CustomRequest.model_validate({"model": "viduq1", "cfg": 1})
        assert flow(_make).validate_parameters({"request": request})["request"] == request

    def test_only_one_family_complains(self) -> None:
        with pytest.raises(ParameterTypeError) as caught:
            flow(_make).validate_parameters({"request": {"model": "viduq1", "prompt": "x", "duration": 99}})
        message = str(caught.value)
        assert "request.duration: `duration` is 1 to 10 s (given: 99)" in message
        assert "Sora" not in message
        assert "Jimeng" not in message

    def test_what_prefect_keeps_is_the_request_again(self) -> None:
        request = GrokRequest(model="grok-video-3", prompt="x", images=["https://h/a.png?s=1"])
        kept = flow(_make).serialize_parameters({"request": request})
        assert kept == {
            "request": {
                "model": "grok-video-3",
                "prompt": "x",
                "images": ["https://h/a.png?s=1"],
                "aspect_ratio": "16:9",
                "size": "720P",
            }
        }
        assert flow(_make).validate_parameters(kept)["request"] == request


def test_the_public_names_are_pinned() -> None:
    assert set(requests.__all__) == {
        *(model.__name__ for model in MODELS), "RemixRequest", "VideoRequest", "FAMILIES", "AnyFamily", "family_named",
    }  # fmt: skip
