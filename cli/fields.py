"""The fields of the requests as options: made from the request models, so that they are written in one place only."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import make_dataclass
from typing import Annotated, Any

from cyclopts import Group, Parameter
from pydantic import TypeAdapter

from prefect_octopusx.api import VideoRequest
from prefect_octopusx.api.requests import FAMILIES
from prefect_octopusx.batches.cells import converted, family_of
from prefect_octopusx.batches.values import parsed
from prefect_octopusx.cli.options import key_value

__all__ = ["FIELDS", "Fields", "field_options", "request_of", "values_of"]

FIELDS = Group("Fields of the request", help="Which of them a model takes: docs, Requests.", sort_key=2)
_ELSEWHERE = {"model", "prompt", "images"}
_TYPES = {"integer": int, "boolean": bool}


def _described() -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """Return each field with the families that have it, and the field's JSON schema there."""
    found: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for family in FAMILIES:
        for name, schema in family.model_json_schema()["properties"].items():
            if name not in _ELSEWHERE:
                found.setdefault(name, []).append((str(family.model_config["title"]), schema))
    return found


def _help(variants: list[tuple[str, dict[str, Any]]]) -> str:
    about = re.split(r"[;.:] |\.$", variants[0][1]["description"])[0]
    values = [f"{title} {', '.join(map(str, schema['enum']))}" if "enum" in schema else title
              for title, schema in variants]  # fmt: skip
    return f"{about}. {'; '.join(values)}."


def _option(variants: list[tuple[str, dict[str, Any]]]) -> Any:  # noqa: ANN401 - a type, made here
    kind = _TYPES.get(variants[0][1].get("type", ""), str)
    return Annotated[kind | None, Parameter(group=FIELDS, help=_help(variants))]


Fields = make_dataclass(
    "Fields",
    [(name, _option(variants), None) for name, variants in _described().items()],
    frozen=True,
    kw_only=True,
    namespace={"__module__": __name__},  # cyclopts takes no class of a standard module apart
)
"""One optional attribute for each field of any family."""


def field_options(fields: object) -> dict[str, Any]:
    """Return what was given of `Fields`."""
    return {name: value for name, value in vars(fields).items() if value is not None} if fields else {}


def request_of(
    prompt: str | None, model: str, images: Iterable[str], fields: Mapping[str, Any], further: Iterable[str]
) -> VideoRequest:
    """Return the request, checked.

    Args:
        prompt: What the video shows.
        model: The model's name.
        images: Pictures: URLs and paths.
        fields: Those that have an option of their own.
        further: Any others, as `field=value`.

    Raises:
        Refused: Something is no `field=value`.
        ValidationError: The request can't be sent; each error names its field.
    """
    data: dict[str, Any] = {"model": model, **fields}
    if prompt is not None:
        data["prompt"] = prompt
    if pictures := list(images):
        data["images"] = pictures
    texts = dict(key_value("--set", given) for given in further)
    family = family_of(data | texts)
    data |= {name: converted(name, text, family) for name, text in texts.items()}
    adapter: TypeAdapter[VideoRequest] = TypeAdapter(VideoRequest)
    return adapter.validate_python(data)


def values_of(option: str, given: Iterable[str]) -> dict[str, Any]:
    """Return `field=value` pairs of a list's defaults, where a value is JSON if it can be, else text.

    Raises:
        Refused: Something is no `field=value`.
    """
    values: dict[str, Any] = {}
    for name, text in (key_value(option, one) for one in given):
        try:
            values[name] = parsed(text)
        except ValueError:
            values[name] = text
    return values
