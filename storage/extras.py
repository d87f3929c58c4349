"""What lies beside a stored video for people: its poster `NAME.jpg`, and `NAME.html`, a page that plays it.

Made once the record is completed, and again where they are missing. Each tells the SHA-256 of its video: so one that
lies there already is not made again, that of an earlier video under the name is replaced, and a file of somebody else's
that has such a name stays as it is.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from html import escape
from typing import Any, Literal, NamedTuple

from prefect_octopusx.api.errors import OctopusXError
from prefect_octopusx.storage.decoding import NotDecodable, VideoFacts, VideoLook, has_decoder, look_into
from prefect_octopusx.storage.records import VideoRecord
from prefect_octopusx.storage.store import VideoStore

__all__ = ["Extras", "add_extras", "has_poster"]

_MARK = b"prefect-octopusx "
_OF_A_VIDEO = re.compile(_MARK + rb"[0-9a-f]{64}\b")
_HEAD = 2048  # bytes, in which the mark is
# Two, also where a thousand videos become ready at once: decoding takes a core, and reading waits for the store.
_PATIENCE = 120.0  # seconds for a look, most of which is reading from the store
_DECODERS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="poster")


class Extras(NamedTuple):
    """What lies beside a stored video.

    Attributes:
        facts: What the file tells of itself; None where there is no decoder, or it can't decode it.
        poster: Whether a poster does.
        player: Whether a page that plays it does.
    """

    facts: VideoFacts | None = None
    poster: bool = False
    player: bool = False


async def add_extras(
    store: VideoStore, record: VideoRecord, *, logger: "logging.Logger | logging.LoggerAdapter[Any]"
) -> Extras:
    """Make what the store wants beside a completed video and does not have yet.

    Trouble is logged as a warning, never raised: the video is stored, and that matters more.

    Args:
        store: Where the video is.
        record: Its record, completed.
        logger: Where trouble is told.

    Returns:
        What lies beside it now.
    """
    facts, poster, player = None, False, False
    if store.poster:
        try:
            facts, poster = await _add_poster(store, record, logger)
        except (OctopusXError, NotDecodable, OSError) as error:
            logger.warning("%s: its poster could not be made: %s", record.name, error)
    if store.player:
        try:
            player = await _add_player(store, record, facts, poster=poster, logger=logger)
        except (OctopusXError, OSError) as error:
            logger.warning("%s: its player could not be made: %s", record.name, error)
    return Extras(facts, poster, player)


async def has_poster(store: VideoStore, name: str, sha256: str | None) -> bool:
    """Tell whether the poster of this very video lies beside it.

    Args:
        store: Where the video is.
        name: Its name.
        sha256: That of the video, in hex.

    Returns:
        False also for a poster of an earlier video under this name.

    Raises:
        DestinationError: The store can't be used.
    """
    return await asyncio.to_thread(_lies_there, store, name, ".jpg", sha256 or "") == "ours"


async def _add_poster(
    store: VideoStore, record: VideoRecord, logger: "logging.Logger | logging.LoggerAdapter[Any]"
) -> tuple[VideoFacts | None, bool]:
    found = await asyncio.to_thread(_lies_there, store, record.name, ".jpg", record.sha256 or "")
    if found == "other":
        logger.warning("%s: %s is not its poster; left as it is", record.name, store.uri(record.name, ".jpg"))
    if not has_decoder():
        return None, found == "ours"
    wanted = found in {"none", "old"}
    look = await _in_turn(partial(_look, store, record.name, wanted))
    if look.jpeg is not None:
        await store.write_beside(record.name, ".jpg", _marked(look.jpeg, record))
    return look.facts, found == "ours" or wanted


async def _in_turn(look: Callable[[], VideoLook]) -> VideoLook:
    """Wait for one of the few threads, however long, and then for its look, but not for ever."""
    loop = asyncio.get_running_loop()
    begun = asyncio.Event()

    def begin() -> VideoLook:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(begun.set)
        return look()

    looking = loop.run_in_executor(_DECODERS, begin)
    await begun.wait()
    try:
        async with asyncio.timeout(_PATIENCE):
            return await looking
    except TimeoutError:
        raise NotDecodable("reading it back took too long") from None


def _look(store: VideoStore, name: str, frame: bool) -> VideoLook:
    file = store.open(name)
    if file is None:
        raise NotDecodable("the video is not there any more")
    with file:
        return look_into(file, frame=frame)


_State = Literal["none", "ours", "old", "other"]


def _lies_there(store: VideoStore, name: str, suffix: Literal[".jpg", ".html"], sha256: str) -> _State:
    """Tell whose file lies beside a video."""
    file = store.open(name, suffix)
    if file is None:
        return "none"
    with file:
        head = file.read(_HEAD)
    if sha256 and _MARK + sha256.encode() in head:
        return "ours"
    return "old" if _OF_A_VIDEO.search(head) else "other"


def _marked(jpeg: bytes, record: VideoRecord) -> bytes:
    """Return a JPEG with a comment, after its first marker, that tells its video."""
    text = _MARK + str(record.sha256).encode()
    return jpeg[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2) + text + jpeg[2:]


async def _add_player(
    store: VideoStore,
    record: VideoRecord,
    facts: VideoFacts | None,
    *,
    poster: bool,
    logger: "logging.Logger | logging.LoggerAdapter[Any]",
) -> bool:
    found = await asyncio.to_thread(_lies_there, store, record.name, ".html", record.sha256 or "")
    if found == "other":
        logger.warning("%s: %s is not its player; left as it is", record.name, store.uri(record.name, ".html"))
        return False
    if found != "ours":
        await store.write_beside(record.name, ".html", _page(record, facts, poster=poster).encode())
    return True


def _page(record: VideoRecord, facts: VideoFacts | None, *, poster: bool) -> str:
    """Return a page that plays the video beside it, alone: no script, nothing from elsewhere."""
    title = escape(record.name)
    file = escape(record.name.rpartition("/")[2])
    picture = f' poster="{file}.jpg"' if poster else ""
    told = [escape(record.model)]
    if facts:
        told.append(f"{facts.width} × {facts.height}")  # noqa: RUF001 - the sign that people know
        told += [f"{facts.seconds:.1f} s"] if facts.seconds else []
    if record.completed_at:
        told.append(f"{record.completed_at:%Y-%m-%d %H:%M} UTC")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="generator" content="{_MARK.decode()}{record.sha256}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font-family: system-ui, sans-serif; }}
body {{ max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
video {{ max-width: 100%; max-height: 75vh; background: #000; }}
</style>
</head>
<body>
<h1>{title}</h1>
<video controls preload="metadata"{picture} src="{file}.mp4"></video>
<p>{" · ".join(told)}</p>
</body>
</html>
"""
