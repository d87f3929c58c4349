"""Scenes with a bucket: recorded once, then killed at each request."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.crashes.places import Bucket, bucket
from tests.crashes.relay import Blow, Call, Moment
from tests.crashes.scenes import UNHURRIED, Scene, scene

__all__ = ["blows_at", "bucket_scene", "record"]


@asynccontextmanager
async def bucket_scene(
    s3_url: str,
    scratch: Path,
    *,
    conditional_writes: bool = True,
    poster: bool = False,
    **given: Any,  # noqa: ANN401
) -> AsyncIterator[tuple[Scene, Bucket]]:
    """Set a scene with a bucket of its own."""
    with bucket(s3_url, conditional_writes=conditional_writes, poster=poster) as place:
        async with scene(place, scratch, s3=s3_url, **given) as made:
            yield made, place


async def record(made: Scene, place: Bucket, **job: Any) -> list[Call]:  # noqa: ANN401 - fields of the job
    """Return the requests of a run that nothing happens to."""
    made.relay.look = lambda: f"{place.digest()}\n{made.billed} billed"
    await made.work(**{"options": UNHURRIED, **job})
    made.check_stored()
    return sorted(made.relay.calls)


def blows_at(calls: list[Call]) -> list[Blow]:
    """Return where to kill a run: once in each state that it brings bucket and gateway into, and in the download.

    With `CRASHES=all`: before and after each request.
    """
    amid = [Blow(Moment.AMID, call) for call in calls if call.server == "files"]
    if os.environ.get("CRASHES") == "all":
        return amid + [Blow(moment, call) for call in calls for moment in (Moment.BEFORE, Moment.AFTER)]
    changes = [call for call, previous in zip(calls[1:], calls, strict=False) if call.left != previous.left]
    return [Blow(Moment.BEFORE, calls[0]), *amid, *(Blow(Moment.AFTER, call) for call in changes)]
