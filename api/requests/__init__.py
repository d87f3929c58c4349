"""Requests for a video: one model a family, checked before money is spent."""

from collections.abc import Mapping
from typing import Annotated, TypeAlias

from pydantic import ValidatorFunctionWrapHandler, WrapValidator

from prefect_octopusx.api.requests.base import CUSTOM_HINT
from prefect_octopusx.api.requests.custom import CustomRequest
from prefect_octopusx.api.requests.grok import GrokRequest, RemixRequest
from prefect_octopusx.api.requests.jimeng import JimengRequest
from prefect_octopusx.api.requests.messages import Problem, refusal, rule, shown
from prefect_octopusx.api.requests.sora import SoraRequest
from prefect_octopusx.api.requests.veo import VeoRequest
from prefect_octopusx.api.requests.vidu import ViduRequest

__all__ = [
    "FAMILIES",
    "AnyFamily",
    "CustomRequest",
    "GrokRequest",
    "JimengRequest",
    "RemixRequest",
    "SoraRequest",
    "VeoRequest",
    "VideoRequest",
    "ViduRequest",
    "family_named",
]

AnyFamily: TypeAlias = type[JimengRequest | ViduRequest | VeoRequest | SoraRequest | GrokRequest | CustomRequest]
FAMILIES: tuple[type[JimengRequest | ViduRequest | VeoRequest | SoraRequest | GrokRequest], ...] = (
    JimengRequest,
    ViduRequest,
    VeoRequest,
    SoraRequest,
    GrokRequest,
)


def _of_its_family(data: object, _all: ValidatorFunctionWrapHandler) -> object:
    """Validate `data` as the one family that its `model` names, so that only that family's errors are reported."""
    if isinstance(data, (*FAMILIES, CustomRequest)):
        return data
    if not isinstance(data, Mapping):
        raise rule(f"a request is an object with `model`, `prompt` and so on (given: {shown(data)})")
    return _family(data).model_validate(dict(data))


def _family(data: Mapping[str, object]) -> AnyFamily:
    if data.get("family") == CustomRequest.model_fields["family"].default:
        return CustomRequest
    model = data.get("model")
    if not isinstance(model, str) or not model.strip():
        missing = "`model` is missing" if "model" not in data else f"`model` must be a name (given: {shown(model)})"
        raise refusal("VideoRequest", [Problem(("model",), f"{missing}: {_known_models()}; {CUSTOM_HINT}", "missing")])
    return family_named(model)


def family_named(model: str) -> AnyFamily:
    """Return the class of the requests for a model, by its name."""
    return next((family for family in FAMILIES if model.lower().startswith(family.family)), CustomRequest)


def _known_models() -> str:
    names = []
    for family in FAMILIES:
        schema = family.model_json_schema()["properties"]["model"]
        names.append(f"{family.model_config['title']} ({', '.join(schema.get('enum', ['veo…']))})")
    return "; ".join(names)


# A plain union: the Prefect UI renders it as tabs, and a discriminated one as a raw JSON box.
VideoRequest: TypeAlias = Annotated[
    JimengRequest | ViduRequest | VeoRequest | SoraRequest | GrokRequest | CustomRequest,
    WrapValidator(_of_its_family),
]
"""A request of any family. What is not an instance yet is read as the family that its `model` names."""
