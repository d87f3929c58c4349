"""The stored videos of a batch on one page: pictures that lead to them, or names alone where there are no pictures."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from prefect.artifacts import acreate_markdown_artifact

from prefect_octopusx.api import OctopusXError
from prefect_octopusx.batches import VideoResult
from prefect_octopusx.storage import Link, VideoStore, has_poster
from prefect_octopusx.tasks.markup import anchor, heading, picture, shown
from prefect_octopusx.tasks.progress import artifact_key
from prefect_octopusx.tasks.steps import Logger
from prefect_octopusx.tasks.video_report import told

__all__ = ["show_contact_sheet"]

_MOST = 200  # videos; a browser fetches all their pictures at once
_COLUMNS = 3  # the UI's column of text is about 600 pixels wide
_WIDTH = 180  # pixels of a picture
_AT_ONCE = 8  # looks for posters
_PATIENCE = 120.0  # seconds


class _Cell(NamedTuple):
    name: str
    video: Link
    poster: Link | None


async def show_contact_sheet(store: VideoStore, name: str, results: Sequence[VideoResult], *, logger: Logger) -> None:
    """Write the stored videos of a batch as a markdown artifact `contact-sheet-NAME`, if a browser can reach them.

    Trouble is logged, never raised.
    """
    stored = [result for result in results if result.is_stored]
    try:
        async with asyncio.timeout(_PATIENCE):
            cells = await _cells(store, stored[:_MOST])
            if cells:
                await acreate_markdown_artifact(
                    _page(name, cells, total=len(stored)),
                    key=artifact_key(name, kind="contact-sheet"),
                    description=f"Stored videos: {len(stored)}",
                )
    except Exception as trouble:  # noqa: BLE001 - what the videos came to matters more than how it looks
        logger.warning("%s: the contact sheet can't be shown: %s", name, told(trouble))


async def _cells(store: VideoStore, stored: Sequence[VideoResult]) -> list[_Cell]:
    seats = asyncio.Semaphore(_AT_ONCE)

    async def cell(result: VideoResult) -> _Cell | None:
        async with seats:
            video = await store.link(result.name)
            return _Cell(result.name, video, await _poster(store, result, video)) if video else None

    return [found for found in await asyncio.gather(*map(cell, stored)) if found]


async def _poster(store: VideoStore, result: VideoResult, video: Link) -> Link | None:
    if not store.poster or not video.is_file:
        return None
    try:
        return await store.link(result.name, ".jpg") if await has_poster(store, result.name, result.sha256) else None
    except OctopusXError:
        return None  # the name alone leads there as well


def _page(name: str, cells: Sequence[_Cell], *, total: int) -> str:
    """Return the page: a heading, and HTML without a blank line."""
    where = " in the AWS console" if cells[0].video.kind == "console" else ""
    told = f"{total} stored {'video' if total == 1 else 'videos'}; the links lead to them{where}."
    if total > len(cells):
        told += f" Here are the first {len(cells)}; the results manifest has all."
    until = min((cell.video.until for cell in cells if cell.video.until), default=None)
    if until:
        told += (
            f" The links are presigned and last until {until:%Y-%m-%d %H:%M} UTC at the latest: until then, whoever "
            "has one can fetch the file."
        )
    parts = [f"<p>{told}</p>"]
    if any(cell.poster for cell in cells):
        rows = [cells[start : start + _COLUMNS] for start in range(0, len(cells), _COLUMNS)]
        table = ["".join(f"<td>{_pictured(cell)}</td>" for cell in row) for row in rows]
        parts += ["<table>", "<tbody>", *(f"<tr>{row}</tr>" for row in table), "</tbody>", "</table>"]
    else:
        parts += ["<ul>", *(f"<li>{anchor(cell.video.url, shown(cell.name))}</li>" for cell in cells), "</ul>"]
    return heading(name) + "\n".join(parts)


def _pictured(cell: _Cell) -> str:
    name = anchor(cell.video.url, shown(cell.name))
    if cell.poster is None:
        return name
    return f"{anchor(cell.video.url, picture(cell.poster.url, cell.name, width=_WIDTH))}<br>{name}"
