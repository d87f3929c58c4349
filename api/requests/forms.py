"""Turning JSON schemas of requests into such that make a good form in the Prefect UI, with errors at the fields.

The UI renders `anyOf` as tabs, so that an optional field would have tabs `integer` and `None`; here a field that is
left empty is simply not sent. It orders fields by `position`.

Prefect's server checks the values against the same schema when the form is sent. Of an `anyOf` it only says that the
value "is not valid under any of the given schemas". So here the `anyOf` of a request lets nearly everything pass, and
an `if` beside it, which the UI does not look at, has the rules of the family that `model` names: what it refuses is
told at the field. Such rules must let pass all that the models take. What is between fields, and whatever would have
to show a picture or a long text in an error, is left to the models, when the run begins and before anything is sent.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from pydantic import GetJsonSchemaHandler
from pydantic_core import CoreSchema

from prefect_octopusx.api.documented import ATTRIBUTES

__all__ = ["FamilyRules", "make_form"]

_FIRST = ("model", "prompt", "images", "aspect_ratio", "size", "resolution", "duration")
_LAST = ("allow_undocumented",)
_CHECKED = ("type", "enum", "const", "minimum", "maximum", "minLength", "pattern")


def make_form(schema: dict[str, Any]) -> None:
    """Change `schema` in place: optional fields become plain ones, pictures texts, and what is set most often is first.

    The form proposes the first of the known models.
    """
    properties: dict[str, dict[str, Any]] = schema.get("properties", {})
    schema["description"] = schema.get("description", "").partition(ATTRIBUTES)[0]  # the form shows each field's own
    order = [*_FIRST, *(name for name in properties if name not in {*_FIRST, *_LAST}), *_LAST]
    for name in order:
        if name in properties:
            properties[name] = properties.pop(name)
    _on_one_line(schema)
    for position, (name, field) in enumerate(properties.items()):
        if "anyOf" in field:
            (plain,) = [option for option in field.pop("anyOf") if option.get("type") != "null"]
            field.update(plain)
        if name == "images":
            field["items"] = {"type": "string"}
        if "const" in field:
            field["enum"] = [field["const"]]
        if field.get("default", ...) is None:
            del field["default"]
        _on_one_line(field)
        field["position"] = position
    if schema.get("additionalProperties"):
        # The form of other models: in a union it must let pass what is for another family, also without a model.
        del schema["required"], properties["model"]["minLength"]
    elif model := properties.get("model"):
        model["default"] = (model.get("enum") or model["examples"])[0]


class _Family(Protocol):
    """What is needed of a family's class."""

    family: str
    form_rules: Sequence[Mapping[str, Any]]
    model_config: Mapping[str, Any]


class FamilyRules:
    """Adds the rules of each family to `VideoRequest`, or `VideoRequest | None`, as the type of a flow's parameter.

    Args:
        families: The classes of the union, without the one for other models.
    """

    def __init__(self, families: Sequence[Any]) -> None:
        self._families: dict[str, _Family] = {family.model_config["title"]: family for family in families}

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler(core_schema)
        rules: dict[str, Any] = {"required": ["model"], "properties": {"model": {"minLength": 1}}}
        for option in schema["anyOf"]:
            form = handler.resolve_ref_schema(option)
            if family := self._families.get(form.get("title", "")):
                rules = {"if": _names(family), "then": _rules(family, form), "else": rules}
        custom = {"properties": {"family": {"const": "custom"}}, "required": ["family", "model"]}
        return schema | {"if": {"anyOf": [custom, {"type": "null"}]}, "else": rules}


def _names(family: _Family) -> dict[str, Any]:
    """Return the schema of requests whose model is one of the family's, however it is written."""
    prefix = "".join(f"[{letter.upper()}{letter}]" for letter in family.family)
    return {"properties": {"model": {"type": "string", "pattern": f"^{prefix}"}}, "required": ["model"]}


def _rules(family: _Family, form: Mapping[str, Any]) -> dict[str, Any]:
    required = form["required"]
    fields = {name: _rule(name, field, required) for name, field in form["properties"].items()}
    return {"allOf": [{"required": required, "properties": fields, "additionalProperties": False}, *family.form_rules]}


def _rule(name: str, field: Mapping[str, Any], required: Sequence[str]) -> dict[str, Any]:
    rule = {key: field[key] for key in _CHECKED if key in field}
    if name != "model" and any(str(choice).upper() != str(choice).lower() for choice in rule.get("enum", ())):
        del rule["enum"]  # some of these are taken in upper and in lower case
    return rule if name in required or "default" in field else {"if": {"type": "null"}, "else": rule}


def _on_one_line(schema: dict[str, Any]) -> None:
    if "description" in schema:
        schema["description"] = " ".join(schema["description"].split())
