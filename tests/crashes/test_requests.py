"""Killed at any request, with videos in a bucket: paid once, stored once.

A killed process leaves nothing but what its requests have done. So it is enough to kill it once in each state that the
bucket and the gateway are in on the way, and half-way through the download. `CRASHES=all` kills it before and after
every single request all the same.
"""

from pathlib import Path

import pytest

from tests.crashes.buckets import blows_at, bucket_scene, record
from tests.crashes.comebacks import come_back
from tests.crashes.relay import Blow, Moment
from tests.crashes.scenes import at_once

pytestmark = pytest.mark.usefixtures("prefect_api")


async def test_killed_at_any_request(s3_url: str, tmp_path: Path) -> None:
    async def kill_and_come_back(blow: Blow) -> str:
        async with bucket_scene(s3_url, tmp_path / f"{blow.moment}-{blow.call.number}") as (killed, _):
            await killed.crash(blow)
            return await come_back(killed)

    async with bucket_scene(s3_url, tmp_path / "clean") as (clean, place):
        blows = blows_at(await record(clean, place))
    assert set(await at_once(blows, kill_and_come_back)) == {"", "submitting", "submitted", "completed"}


async def test_killed_while_the_poster_is_made(s3_url: str, tmp_path: Path) -> None:
    """The video is stored by then; the next run makes what is missing."""

    async def kill_and_come_back(blow: Blow) -> str:
        async with bucket_scene(s3_url, tmp_path / f"{blow.moment}-{blow.call.number}", poster=True) as (killed, _):
            await killed.crash(blow)
            return await come_back(killed)

    async with bucket_scene(s3_url, tmp_path / "clean", poster=True) as (clean, place):
        calls = await record(clean, place)
    (put,) = [call for call in calls if call.method == "PUT" and call.path.endswith("hero.jpg")]
    found = await at_once([Blow(moment, put) for moment in (Moment.BEFORE, Moment.AFTER)], kill_and_come_back)
    assert found == ["completed", "completed"]
