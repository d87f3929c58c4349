"""Killed at any request that matters, with videos in a real S3 server that checks signatures: OpenStack Swift.

`CRASHES=all` kills at every request.
"""

import os
from functools import partial
from pathlib import Path

import pytest

from tests.crashes.buckets import blows_at, bucket_scene, record
from tests.crashes.comebacks import come_back
from tests.crashes.relay import Blow, Moment
from tests.crashes.scenes import at_once
from tests.swift.server import Swift

pytestmark = pytest.mark.usefixtures("prefect_api")

EVERY = os.environ.get("CRASHES") == "all"


def is_of_a_file(blow: Blow) -> bool:
    """Tell whether a blow leaves a record, a video or a create in another state; `test_requests.py` has the others."""
    return blow.moment is not Moment.AMID and blow.call.path.endswith((".json", ".mp4", "/create"))


async def test_killed_at_any_request(swift: Swift, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without conditional writes, which Swift does not have: the next run does what is left to do all the same."""
    swift.be_default(monkeypatch)
    swift_scene = partial(bucket_scene, swift.endpoint, conditional_writes=False)

    async def kill_and_come_back(blow: Blow) -> str:
        async with swift_scene(tmp_path / f"{blow.moment}-{blow.call.number}") as (killed, _):
            await killed.crash(blow)
            return await come_back(killed)

    async with swift_scene(tmp_path / "clean") as (clean, place):
        blows = [blow for blow in blows_at(await record(clean, place)) if EVERY or is_of_a_file(blow)]
    assert set(await at_once(blows, kill_and_come_back)) == {"", "submitting", "submitted", "completed"}
