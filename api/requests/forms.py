"""Turning a request's JSON schema into one that makes a good form in the Prefect UI.

The UI renders `anyOf` as tabs, so that an optional field would have tabs `integer` and `None`; here a field that is
left empty is simply not sent. It orders fields by `position`.
"""

from typing import Any

from prefect_octopusx.api.documented import ATTRIBUTES

__all__ = ["make_form"]


def make_form(schema: dict[str, Any]) -> None:
    """Change `schema` in place: optional fields become plain ones, pictures texts, and every field gets a position."""
    properties: dict[str, dict[str, Any]] = schema.get("properties", {})
    if "allow_undocumented" in properties:
        properties["allow_undocumented"] = properties.pop("allow_undocumented")
    schema["description"] = schema.get("description", "").partition(ATTRIBUTES)[0]  # the form shows each field's own
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


def _on_one_line(schema: dict[str, Any]) -> None:
    if "description" in schema:
        schema["description"] = " ".join(schema["description"].split())
