"""Killed at any request, with videos in a bucket: paid once, stored once.

A killed process leaves nothing but what its requests have done. So it is enough to kill it after every request that
changes something, and half-way through the download: any other point leaves the same as one of these. `CRASHES=all`
kills it before and after every single request all the same.
"""

import os
from functools import partial
from pathlib import Path

import pytest

from tests.crashes.comebacks import come_back
from tests.crashes.places import bucket
from tests.crashes.relay import Blow, Call, Moment
from tests.crashes.scenes import UNHURRIED, at_once, scene

pytestmark = pytest.mark.usefixtures("prefect_api")


async def test_killed_at_any_request(s3_url: str, tmp_path: Path) -> None:
    calls = await record(s3_url, tmp_path)
    found = await at_once(blows(calls), partial(kill_and_come_back, s3_url=s3_url, folder=tmp_path))
    assert set(found) == {"", "submitting", "submitted", "completed"}


async def record(s3_url: str, folder: Path) -> list[Call]:
    """Return the requests of a run that nothing happens to."""
    with bucket(s3_url) as place:
        async with scene(place, folder / "clean", s3=s3_url) as clean:
            await clean.work(options=UNHURRIED)
            clean.check_stored()
            return clean.relay.calls


def blows(calls: list[Call]) -> list[Blow]:
    amid = [Blow(Moment.AMID, call) for call in calls if call.server == "files"]
    if os.environ.get("CRASHES") == "all":
        return amid + [Blow(moment, call) for call in calls for moment in (Moment.BEFORE, Moment.AFTER)]
    return [Blow(Moment.BEFORE, calls[0]), *amid, *(Blow(Moment.AFTER, call) for call in calls if call.changes)]


async def kill_and_come_back(blow: Blow, *, s3_url: str, folder: Path) -> str:
    with bucket(s3_url) as place:
        async with scene(place, folder / f"{blow.moment}-{blow.call.number}", s3=s3_url) as killed:
            await killed.crash(blow)
            return await come_back(killed)
