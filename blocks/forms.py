"""What makes good fields of optional values in the forms of the Prefect UI, for flows and for blocks.

For `X | None = None` the UI has tabs `X` and `None`, and begins with the second: an empty field would do. It makes one
of a schema of just `X` without a default, and Prefect's server lets `null` pass for it all the same.
"""

import functools
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import GetJsonSchemaHandler, create_model
from pydantic_core import CoreSchema

__all__ = ["CanBeEmpty", "can_be_empty"]

_T = TypeVar("_T")


def can_be_empty(schema: dict[str, Any]) -> None:
    """Change the schema of a block's optional field in place, as its `json_schema_extra`.

    Choices keep the tab `None`, since null is none of them and could not be chosen again otherwise.
    """
    _simplify(schema)
    if schema.get("default", ...) is None:
        del schema["default"]


def _simplify(schema: dict[str, Any]) -> None:
    options = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    if len(options) == 1 and "type" in options[0] and "enum" not in options[0]:
        del schema["anyOf"]
        schema.update(options[0])


class _WithoutDefault(dict[str, Any]):
    """A schema that takes no `default` of null, which pydantic would add to that of a parameter."""

    def __setitem__(self, key: str, value: object) -> None:
        if (key, value) != ("default", None):
            super().__setitem__(key, value)


class _Plain:
    """Does for a flow's parameter what `can_be_empty` does for a block's field; Prefect leaves no other way."""

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = _WithoutDefault(handler(core_schema))
        if _is_left_alone():
            _simplify(schema)
        return schema


@functools.cache
def _is_left_alone() -> bool:
    """Return whether pydantic, as it is installed, takes a schema as it is given.

    With one that adds its default of null the form would send that, and to a schema of just `X` it would be wrong.
    """
    model = create_model("Model", field=(Annotated[Any, _Probe()], None))
    return "default" not in model.model_json_schema()["properties"]["field"]


class _Probe:
    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return _WithoutDefault(handler(core_schema))


CanBeEmpty: TypeAlias = Annotated[_T | None, _Plain()]
"""The type of a flow's parameter whose default is None: an empty field in the form."""
