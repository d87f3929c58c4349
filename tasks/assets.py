"""Videos as Prefect assets: what each is called, what it was made from, and the event that says it is there.

A task that is decorated with `@materialize` would tell of a video each time it succeeds, also where it found it stored.
So it is told where the record is completed, by the code of Prefect's that does it at the end of such a task.
"""

import hashlib
import os
import re
from pathlib import Path
from typing import Any

from prefect.assets import Asset, AssetProperties
from prefect.context import AssetContext
from prefect.states import Completed
from pydantic import ValidationError

from prefect_octopusx.storage import VideoRecord
from prefect_octopusx.tasks.markup import plain

__all__ = ["asset_key", "tell_materialized", "video_asset"]

_BY = "octopusx"
_LONGEST_KEY = 512  # characters, as Prefect has it
_LONGEST_PROMPT = 300  # characters
_SCHEME = re.compile(r"[a-z][a-z0-9]*://")
_ODD = re.compile(r"[^\w:/.\-]+")


def video_asset(record: VideoRecord) -> Asset:
    """Return a stored video as a Prefect asset, for the lineage of what is made from it.

    Pass it to a task of your own: `@materialize(...)` has `asset_deps`, and so has `with_options` of every task.

    Args:
        record: The record of a completed video, as flows and tasks return it.

    Returns:
        The asset. Its key is the video's address, `s3://bucket/prefix/NAME.mp4` or `file:///folder/NAME.mp4`; where
        Prefect takes that for no key, as with a space in a folder's name, it has dashes there, and a digest behind.

    Raises:
        ValueError: The video is not stored yet.
    """
    if record.uri is None:
        raise ValueError(f"record: {record.name} is {record.state}; it is an asset once it is stored")
    prompt = _prompt(record)
    about = f"Video by {record.model}" + (f": {prompt}" if prompt else "")
    return Asset(key=asset_key(record.uri), properties=AssetProperties(name=record.name, description=about))


def asset_key(location: str) -> str:
    """Return the key by which Prefect knows what lies at a path or an address.

    Args:
        location: A path, or a URI with a scheme, without a query.
    """
    uri = location if _SCHEME.match(location) else f"file://{_absolute(location)}"
    try:
        return Asset(key=uri).key
    except ValidationError:
        digest = hashlib.sha256(uri.encode()).hexdigest()[:8]
        return f"{_ODD.sub('-', uri)[: _LONGEST_KEY - 9]}-{digest}"


def _absolute(path: str) -> str:
    return os.path.abspath(Path(path).expanduser())  # noqa: PTH100 - `resolve` would give a link's target another key


def tell_materialized(record: VideoRecord) -> None:
    """Tell Prefect that this run has stored a video, and what that depends on. Sent in the background.

    It depends on its reference pictures, and on what the task run around this code does: `asset_deps` in its options,
    and assets that its inputs come from.
    """
    asset = video_asset(record)
    around = AssetContext.get()
    told = AssetContext(
        downstream_assets={asset},
        direct_asset_dependencies=set(around.direct_asset_dependencies) if around else set(),
        upstream_assets=_pictures(record) | (around.upstream_assets if around else set()),
        materialized_by=_BY,
    )
    told.add_asset_metadata(asset.key, _metadata(record))
    told.emit_events(Completed())


def _pictures(record: VideoRecord) -> set[Asset]:
    """Return the reference pictures that have an address: those that were sent along have none.

    A record has them without their queries: what is signed is the way to the picture, not the picture.
    """
    given = record.request.get("images")
    images = [str(image) for image in given] if isinstance(given, list | tuple) else []
    return {Asset(key=asset_key(image)) for image in images if image.startswith(("http://", "https://"))}


def _metadata(record: VideoRecord) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "model": record.model,
        "prompt": _prompt(record),
        "task_id": record.task_id,
        "name": record.name,
        "bytes": record.size,
        "sha256": record.sha256,
        "attempts": len(record.earlier) + 1,
        "request_digest": record.digest,
    }
    if record.submitted_at is not None and record.completed_at is not None:
        facts["seconds"] = round((record.completed_at - record.submitted_at).total_seconds(), 3)
    return {name: value for name, value in facts.items() if value is not None}


def _prompt(record: VideoRecord) -> str | None:
    prompt = record.request.get("prompt")
    if not isinstance(prompt, str):
        return None
    prompt = plain(prompt)
    return prompt if len(prompt) <= _LONGEST_PROMPT else f"{prompt[:_LONGEST_PROMPT]}…"
