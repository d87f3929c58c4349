"""Killed at any request, with videos in a real S3 server that checks signatures: OpenStack Swift."""

from functools import partial
from pathlib import Path

import pytest

from tests.crashes.buckets import blows_at, bucket_scene, record
from tests.crashes.comebacks import come_back
from tests.crashes.relay import Blow
from tests.crashes.scenes import at_once
from tests.swift.server import Swift

pytestmark = pytest.mark.usefixtures("prefect_api")


async def test_killed_at_any_request(swift: Swift, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without conditional writes, which Swift does not have: the next run does what is left to do all the same."""
    swift.be_default(monkeypatch)
    swift_scene = partial(bucket_scene, swift.endpoint, conditional_writes=False)

    async def kill_and_come_back(blow: Blow) -> str:
        async with swift_scene(tmp_path / f"{blow.moment}-{blow.call.number}") as (killed, _):
            await killed.crash(blow)
            return await come_back(killed)

    async with swift_scene(tmp_path / "clean") as (clean, place):
        blows = blows_at(await record(clean, place))
    assert set(await at_once(blows, kill_and_come_back)) == {"", "submitting", "submitted", "completed"}
