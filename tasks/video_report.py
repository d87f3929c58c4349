"""What a person finds of a stored video on the page of its run: a picture, links, the facts."""

import asyncio
import json
from collections.abc import Iterable, Iterator
from typing import Any

from prefect.artifacts import acreate_markdown_artifact

from prefect_octopusx.api import OctopusXError
from prefect_octopusx.blocks import Destination
from prefect_octopusx.storage import Extras, Link, VideoRecord, VideoStore, add_extras
from prefect_octopusx.storage.store import Suffix
from prefect_octopusx.tasks.events import open_store
from prefect_octopusx.tasks.markup import anchor, heading, human_bytes, human_seconds, picture, shown, table
from prefect_octopusx.tasks.progress import artifact_key
from prefect_octopusx.tasks.steps import Logger

__all__ = ["dress", "in_words", "lasting_links", "report", "report_found", "told"]

_PATIENCE = 120.0  # seconds; what is nice to have holds up no run for longer
_PROMPT = 1200  # characters
_MOST_FIELDS = 20
_LABELS = {
    "duration": "Duration",
    "resolution": "Resolution",
    "size": "Size",
    "aspect_ratio": "Aspect ratio",
    "seed": "Seed",
    "audio": "Audio",
    "off_peak": "Off-peak",
    "images": "Images",
}
"""How fields of requests are called here, in this order; others follow under their own names."""


def in_words(record: VideoRecord) -> str:
    """Return what a completed video is in a few words, without anything that a user wrote."""
    size = human_bytes(record.size) if record.size is not None else "of unknown size"
    if record.submitted_at is None or record.completed_at is None:
        return f"Stored, {size}"
    waited = (record.completed_at - record.submitted_at).total_seconds()
    return f"Stored, {size}, {human_seconds(waited)} after it was submitted"


async def dress(store: VideoStore, record: VideoRecord, *, logger: Logger) -> Extras:
    """Put poster and player beside a completed video, as its destination says. Trouble is logged, never raised."""
    try:
        return await add_extras(store, record, logger=logger)
    except Exception as trouble:  # noqa: BLE001 - a paid video does not fail because it has no picture
        logger.warning("%s: its poster or player could not be made: %s", record.name, told(trouble))
        return Extras()


async def report_found(destination: Destination | None, record: VideoRecord, *, logger: Logger) -> None:
    """Do what `report` does for a video that was stored before this run."""
    try:
        store = await open_store(destination)
    except Exception as trouble:  # noqa: BLE001 - as above
        logger.warning("%s: its artifact can't be written: %s", record.name, told(trouble))
    else:
        await report(store, record, logger=logger)


async def report(store: VideoStore, record: VideoRecord, *, logger: Logger) -> None:
    """Put poster and player beside a completed video, and show it in a markdown artifact `stored-NAME`.

    Trouble is logged, never raised.
    """
    extras = await dress(store, record, logger=logger)
    try:
        async with asyncio.timeout(_PATIENCE):
            await acreate_markdown_artifact(
                await _page(store, record, extras),
                key=artifact_key(record.name, kind="stored"),
                description=in_words(record),
            )
    except Exception as trouble:  # noqa: BLE001 - as above
        logger.warning("%s: its artifact can't be written: %s", record.name, told(trouble))


def told(trouble: Exception) -> str:
    """Return what went wrong: our own words, or its kind; Prefect's own may repeat the page, with its links."""
    if isinstance(trouble, TimeoutError):
        return "it took too long"
    return str(trouble) if isinstance(trouble, OctopusXError) else type(trouble).__name__


async def lasting_links(store: VideoStore, names: Iterable[str]) -> dict[str, str]:
    """Return the addresses of stored videos by name, for a table; none if they are presigned, or can't be told."""
    found = {}
    try:
        for name in names:
            link = await store.link(name)
            if link is None or link.until is not None:
                return {}
            found[name] = link.url
    except OctopusXError:
        return {}  # the table matters more
    return found


async def _page(store: VideoStore, record: VideoRecord, extras: Extras) -> str:
    """Return the page: a heading, and HTML without a blank line."""
    suffixes: list[Suffix] = [".mp4", ".json", ".jpg", ".html"]
    video, beside, poster, player = [await store.link(record.name, suffix) for suffix in suffixes]
    parts = []
    plays = player if extras.player and player and player.kind == "public" else None
    if extras.poster and poster and poster.is_file:
        image = picture(poster.url, f"A frame of {record.name}", width=_width(extras))
        target = plays or video
        parts.append(f"<p>{anchor(target.url, image) if target else image}</p>")
    links = [_worded(video, "Open the video")] if video else []
    links += [anchor(plays.url, "Play it on a page")] if plays else []
    links += [_worded(beside, "Open its record")] if beside else []
    if links:
        parts.append(f"<p>{' · '.join(links)}</p>")
    if video and video.until:
        parts.append(
            f"<p>The links are presigned and last until {video.until:%Y-%m-%d %H:%M} UTC at the latest: until then, "
            "whoever has one can fetch the file.</p>"
        )
    parts.append(table(list(_facts(store, record, extras))))
    # Below the table, which it would make wider than a narrow window.
    parts.append(f"<p><b>SHA-256</b><br><code>{shown(record.sha256 or '')}</code></p>")
    return heading(record.name) + "\n".join(parts)


def _worded(link: Link, words: str) -> str:
    return anchor(link.url, f"{words} in the AWS console" if link.kind == "console" else words)


def _width(extras: Extras) -> int:
    upright = extras.facts is not None and extras.facts.height > extras.facts.width
    return 270 if upright else 480


def _facts(store: VideoStore, record: VideoRecord, extras: Extras) -> Iterator[tuple[str, str]]:
    """Yield labels and values, which are HTML."""
    request = dict(record.request)
    prompt = request.pop("prompt", None)
    request.pop("model", None)
    yield "Model", shown(record.model)
    if prompt:
        yield "Prompt", shown(str(prompt), longest=_PROMPT)
    request = {name: value for name, value in request.items() if value not in (None, "", [], {})}
    known = [name for name in _LABELS if name in request]
    others = [name for name in request if name not in _LABELS]
    for name in [*known, *others][:_MOST_FIELDS]:
        yield _LABELS.get(name, name), _value(name, request[name])
    if extras.facts:
        yield "In the file", shown(_file_in_words(extras))
    if record.submitted_at and record.completed_at:
        waited = (record.completed_at - record.submitted_at).total_seconds()
        times = f"{record.submitted_at:%Y-%m-%d %H:%M:%S} to {record.completed_at:%Y-%m-%d %H:%M:%S} UTC"
        yield "Waited", f"{human_seconds(waited)}, {times}"
    yield "Stored at", f"<code>{shown(record.uri or store.uri(record.name), longest=1500)}</code>"
    if extras.player:
        yield "Player", f"<code>{shown(store.uri(record.name, '.html'), longest=1500)}</code>"
    if record.size is not None:
        yield "Bytes", f"{human_bytes(record.size)} ({record.size:,} bytes)"
    yield "Task", f"<code>{shown(record.task_id or '')}</code>"
    yield "Attempts", str(len(record.earlier) + 1)


def _value(name: str, value: Any) -> str:  # noqa: ANN401 - whatever a request has
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "duration" and isinstance(value, int | float):
        return f"{value} s"
    if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
        return "<br>".join(shown(part) for part in value[:10])
    return shown(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))


def _file_in_words(extras: Extras) -> str:
    facts = extras.facts
    if facts is None:
        return ""
    parts = [f"{facts.width} × {facts.height} pixels"]  # noqa: RUF001 - the sign that people know
    parts += [f"{facts.seconds:.1f} s"] if facts.seconds else []
    parts += [f"{facts.fps:.3g} frames a second"] if facts.fps else []
    parts.append("with sound" if facts.has_audio else "without sound")
    return ", ".join(parts)
