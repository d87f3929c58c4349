"""Reading manifests in tests."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from ruamel.yaml import YAML

from prefect_octopusx.batches import ManifestError, VideoItem, read_manifest

__all__ = ["WHEN", "as_csv", "as_jsonl", "as_yaml", "faults", "message", "one", "videos"]

WHEN = datetime(2026, 12, 1, 9, 5, tzinfo=UTC)  # a Tuesday


def videos(data: str | bytes, where: str = "a.jsonl", **defaults: Any) -> list[VideoItem]:  # noqa: ANN401
    content = data.encode() if isinstance(data, str) else data
    return read_manifest(content, where=where, defaults=defaults).videos(WHEN)


def one(row: Mapping[str, Any], **defaults: Any) -> VideoItem:  # noqa: ANN401
    """Return the video of a manifest with one row, which may lack what does not matter."""
    (item,) = videos(as_jsonl([row]), **{"name": "x", "model": "viduq3-pro", "prompt": "a cat"} | defaults)
    return item


def faults(data: str | bytes, where: str = "a.jsonl", **defaults: Any) -> list[tuple[str, str, str]]:  # noqa: ANN401
    """Return place, column and message of all faults."""
    with pytest.raises(ManifestError) as raised:
        videos(data, where, **defaults)
    return [(fault.place, fault.column, fault.message) for fault in raised.value.faults]


def message(row: Mapping[str, Any], **defaults: Any) -> str:  # noqa: ANN401
    """Return the one fault of a manifest with one row."""
    base = {"name": "x", "model": "viduq3-pro", "prompt": "a cat"}
    ((_, _, found),) = faults(as_jsonl([row]), **base | defaults)
    return found


def as_jsonl(rows: Sequence[Mapping[str, Any]], defaults: Mapping[str, Any] | None = None) -> str:
    lines = [{"defaults": defaults}] if defaults else []
    return "".join(f"{json.dumps(row)}\n" for row in [*lines, *rows])


def as_yaml(rows: Sequence[Mapping[str, Any]], defaults: Mapping[str, Any] | None = None) -> str:
    stream = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.dump({"defaults": defaults, "videos": list(rows)} if defaults else list(rows), stream)
    return stream.getvalue()


def as_csv(rows: Sequence[Mapping[str, Any]], delimiter: str = ",") -> str:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, columns, delimiter=delimiter)
    writer.writeheader()
    writer.writerows([{column: _cell(value) for column, value in row.items()} for row in rows])
    return stream.getvalue()


def _cell(value: object) -> object:
    return value if value is None or isinstance(value, str) else json.dumps(value)
