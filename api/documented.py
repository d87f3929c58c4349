"""Letting `help` show what a model's fields mean: pydantic keeps that where only schemas find it."""

from typing import TypeVar

from pydantic import BaseModel

__all__ = ["ATTRIBUTES", "fields_in_help"]

ATTRIBUTES = "\n\nAttributes:\n"

_Model = TypeVar("_Model", bound=BaseModel)


def fields_in_help(model: type[_Model]) -> type[_Model]:
    """Add the descriptions of a model's fields to its docstring.

    Args:
        model: A pydantic model.

    Returns:
        The same model, to be used as a decorator.
    """
    fields = {name: " ".join((field.description or "").split()) for name, field in model.model_fields.items()}
    about = (model.__doc__ or "").partition(ATTRIBUTES)[0].rstrip()
    model.__doc__ = about + ATTRIBUTES + "\n".join(f"    {name}: {text}" for name, text in fields.items()) + "\n"
    return model
