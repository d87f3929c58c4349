"""`help()` on every public name: what it is for, what arguments and fields mean, what comes back, what goes wrong."""

import ast
import inspect
import pydoc
import re
import textwrap
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from prefect import Flow, Task
from pydantic import BaseModel

from prefect_octopusx import api, batches, blocks, doctor, flows, sandbox, storage, tasks

PACKAGES = [api, batches, blocks, doctor, flows, sandbox, storage, tasks]
VALUES = {"VideoRequest", "Destination", "OnUncertain", "LEASE", "Weekday"}
"""Aliases and constants, which can have no docstring at run time; editors and the reference show the one below."""
NAMES = [
    pytest.param(getattr(package, name), id=f"{package.__name__.rpartition('.')[2]}.{name}")
    for package in PACKAGES
    for name in package.__all__
    if name not in VALUES
]


def section(doc: str, *headings: str) -> str:
    """Return what stands below a heading of a docstring, dedented; empty where there is none."""
    found = re.search(rf"^(?:{'|'.join(headings)}):\n(.*?)(?=^\S|\Z)", doc, re.MULTILINE | re.DOTALL)
    return textwrap.dedent(found[1]) if found else ""


def entries(doc: str, *headings: str) -> dict[str, str]:
    return dict(re.findall(r"^(\w+): (\S.*)$", section(doc, *headings), re.MULTILINE))


def function_of(thing: Any) -> Any:  # noqa: ANN401 - any public name
    return thing.fn if isinstance(thing, Flow | Task) else thing if inspect.isfunction(thing) else None


def raised(function: Any) -> Iterator[str]:  # noqa: ANN401 - a function
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name):
            yield from re.findall(r"^[A-Z]\w+", node.exc.func.id)  # a class, not a function that makes an error


@pytest.mark.parametrize("thing", NAMES)
def test_help_is_worth_reading(thing: Any) -> None:  # noqa: ANN401 - any public name
    doc = inspect.getdoc(thing) or ""
    purpose = " ".join(doc.partition("\n\n")[0].split())
    assert re.match(r".{15,}\.", purpose), "says what it is for, in a sentence"
    shown = " ".join(pydoc.plain(pydoc.render_doc(thing)).replace("|", " ").split())
    assert purpose in shown, "and help() shows it"
    if (function := function_of(thing)) is not None:
        signature = inspect.signature(function)
        assert list(entries(doc, "Args")) == list(signature.parameters)
        gives = signature.return_annotation not in {None, "None"}
        assert not gives or section(doc, "Returns", "Yields") or re.search(r"\b[Rr]eturn|Yield", purpose)
        assert set(raised(function)) <= set(entries(doc, "Raises"))
    elif isinstance(thing, type) and not issubclass(thing, BaseException):
        assert [name for name in known_by(thing) if name not in entries(doc, "Args", "Attributes")] == []


def known_by(kind: type) -> list[str]:
    """Return what a class is made from, or made of."""
    if issubclass(kind, BaseModel):
        return list(kind.model_fields)
    if is_dataclass(kind):
        return [field.name for field in fields(kind) if not field.name.startswith("_")]
    if hasattr(kind, "_fields"):
        return list(kind._fields)
    own = vars(kind).get("__init__")
    is_made = inspect.isfunction(own) and not getattr(kind, "_is_protocol", False)
    return list(inspect.signature(own).parameters)[1:] if is_made else []


@pytest.mark.parametrize("name", sorted(VALUES))
def test_aliases_and_constants_are_explained_below_them(name: str) -> None:
    (package,) = [package for package in PACKAGES if name in package.__all__]
    for path in Path(str(package.__file__)).parent.rglob("*.py"):
        body = ast.parse(path.read_text()).body
        for node, below in pairwise(body):
            targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
            if [getattr(target, "id", None) for target in targets] == [name]:
                assert isinstance(below, ast.Expr)
                assert isinstance(below.value, ast.Constant)
                assert re.match(r".{15,}\.", str(below.value.value))
                return
    pytest.fail(f"{name} is defined nowhere")
