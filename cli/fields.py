"""The fields of the requests as options: made from the request models, so that they are written in one place only."""

import re
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import make_dataclass
from typing import Annotated, Any

from cyclopts import Group, Parameter
from pydantic import TypeAdapter

from prefect_octopusx.api import VideoRequest
from prefect_octopusx.api.requests import FAMILIES
from prefect_octopusx.batches.cells import converted, family_of
from prefect_octopusx.batches.values import parsed, unsuitable
from prefect_octopusx.cli.exits import Refused
from prefect_octopusx.cli.options import key_value

__all__ = ["FIELDS", "Fields", "field_options", "request_of", "values_of"]

FIELDS = Group("Fields of the request", help="Which of them a model takes: docs, Requests.", sort_key=2)
_ELSEWHERE = {"model", "prompt", "images"}
_TYPES = {"integer": int, "boolean": bool}
_SCHEMAS = [family.model_json_schema()["properties"] for family in FAMILIES]
_KNOWN = frozenset(name for schemas in _SCHEMAS for name in schemas)
_TEXTS = frozenset(name for name in _KNOWN if all(one.get(name, {}).get("type", "string") == "string"
                                                  for one in _SCHEMAS))  # fmt: skip


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
    """Return the request, checked. A field that is text wherever it is known stays the text that was typed.

    Args:
        prompt: What the video shows.
        model: The model's name.
        images: Pictures: URLs and paths.
        fields: Those that have an option of their own.
        further: Any others, as `field=value`.

    Raises:
        Refused: Something is no `field=value`, or a field is given twice.
        ValidationError: The request can't be sent; each error names its field.
    """
    data: dict[str, Any] = {"model": model, **fields}
    if prompt is not None:
        data["prompt"] = prompt
    if pictures := list(images):
        data["images"] = pictures
    texts = _by_field("--set", further, taken=data)
    family = family_of(data | texts)
    for name, text in texts.items():
        try:
            data[name] = text if name in _TEXTS else converted(name, text, family)
        except ValueError as error:
            raise Refused(f"--set {name}: {error}") from None
    adapter: TypeAdapter[VideoRequest] = TypeAdapter(VideoRequest)
    return adapter.validate_python(data)


def values_of(option: str, given: Iterable[str]) -> dict[str, Any]:
    """Return `field=value` pairs of a list's defaults, where a value is JSON if it can be, else text.

    A field that is text wherever it is known stays the text that was typed.

    Raises:
        Refused: Something is no `field=value`, a field is given twice, or a value can't be sent.
    """
    values: dict[str, Any] = {}
    for name, text in _by_field(option, given).items():
        values[name] = text
        if name not in _TEXTS:
            with suppress(ValueError):
                values[name] = parsed(text)
        if problem := unsuitable(values[name]):
            raise Refused(f"{option} {name}: {problem}")
    return values


def _by_field(option: str, given: Iterable[str], taken: Collection[str] = ()) -> dict[str, str]:
    texts: dict[str, str] = {}
    for typed, text in (key_value(option, one) for one in given):
        spelled = typed.replace("-", "_")
        name = spelled if spelled in _KNOWN else typed
        if name in texts or name in taken:
            raise Refused(f"{option} {name}: the field is given twice")
        texts[name] = text
    return texts
