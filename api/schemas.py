"""JSON schemas that are made once: at each flow that is declared, Prefect asks twice for those of its parameters."""

import copy
from typing import Any

from pydantic import GetJsonSchemaHandler
from pydantic_core import CoreSchema

__all__ = ["SchemaOnce"]

_MADE: dict[tuple[type, str], dict[str, Any]] = {}


class SchemaOnce:
    """A base of models that refer to no other models: the JSON schema of each is made once in a process."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /) -> dict[str, Any]:
        made = cls, handler.mode
        if made not in _MADE:
            _MADE[made] = handler(core_schema)
        return copy.deepcopy(_MADE[made])
