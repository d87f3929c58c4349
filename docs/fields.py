"""What the reference shows of a pydantic field: its default and its description, not the call that declares them."""

import ast

import griffe

__all__ = ["Fields"]


class Fields(griffe.Extension):
    """Reads `name: type = Field(default=..., description="...")`."""

    def on_attribute_instance(self, *, attr: griffe.Attribute, **_: object) -> None:
        """Take the default as the value, and the description as the docstring where there is none."""
        call = attr.value
        if not isinstance(call, griffe.ExprCall) or str(call.function) != "Field":
            return
        given = {one.name: one.value for one in call.arguments if isinstance(one, griffe.ExprKeyword)}
        default = given.get("default", "...")
        attr.value = None if str(default) == "..." else default
        if attr.docstring is None and "description" in given:
            attr.docstring = griffe.Docstring(ast.literal_eval(str(given["description"])), parent=attr)
