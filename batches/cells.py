"""What a row's columns are to the request it becomes: of which family, and what a cell of a CSV stands for."""

import functools
import re
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from prefect_octopusx.api.requests import FAMILIES, AnyFamily, CustomRequest, family_named
from prefect_octopusx.batches.values import parsed, unsuitable

__all__ = ["converted", "family_of", "is_sent", "pictures_of"]

_FIELDS = frozenset(field for family in FAMILIES for field in family.model_fields)
_WORDS = {"true": True, "yes": True, "false": False, "no": False}
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")

_Kind: TypeAlias = Literal["integer", "boolean", "text", "json"]


def family_of(row: Mapping[str, object]) -> AnyFamily | None:
    """Return the class of the request that a row becomes, as `VideoRequest` chooses it; None where that is unknown."""
    model = row.get("model")
    if row.get("family") == "custom":
        return CustomRequest
    if not isinstance(model, str) or not model.strip():
        return None
    return family_named(model)


def is_sent(column: str, family: AnyFamily | None, used: frozenset[str]) -> bool:
    """Tell whether a column is part of the request, or only there for the templates, which bring in `used`.

    To a model that no page lists everything is sent, so there a column that a template brings in counts as the
    request's where any family has such a field.
    """
    if column in {"name", "date"}:
        return False
    if family is None or column in family.model_fields or column not in used:
        return True
    return family is CustomRequest and column in _FIELDS


def converted(column: str, cell: str, family: AnyFamily | None) -> object:
    """Return what a cell stands for by the type of its field. What does not fit stays text, and the request says why.

    Raises:
        ValueError: It begins like a list and is none.
    """
    if column == "images":
        return pictures_of(cell)
    if family is None:
        return cell
    kind = _kinds(family).get(column, "json" if family is CustomRequest else "text")
    if kind == "integer" and _NUMBER.fullmatch(cell):
        return int(cell)
    if kind == "boolean":
        return _WORDS.get(cell.lower(), cell)
    return _json(cell) if kind == "json" else cell


def pictures_of(cell: str) -> object:
    """Return the pictures of a cell: separated by spaces or line breaks, or a list in JSON.

    Raises:
        ValueError: It begins like a list and is none.
    """
    if not cell.startswith("["):
        return cell.split()
    try:
        return parsed(cell)
    except ValueError as error:
        raise ValueError(f"it begins with [ but is not a list in JSON: {error}") from None


def _json(cell: str) -> Any:  # noqa: ANN401 - whatever JSON has
    try:
        value = parsed(cell)
    except ValueError:
        return cell
    return cell if unsuitable(value) else value


@functools.cache
def _kinds(family: AnyFamily) -> Mapping[str, _Kind]:
    kinds: dict[str, _Kind] = {}
    for name, schema in family.model_json_schema()["properties"].items():
        kinds[name] = schema["type"] if schema.get("type") in {"integer", "boolean"} else "text"
    return kinds
