"""The matrix of faults: whatever goes wrong, it is told in words, nothing is lost, and nothing is billed twice.

Each fault lasts until the run has ended with what the row says. Then it is taken away, the same name is asked for
again, and in the end exactly one video is stored and paid for. What is tried again by itself also gets over a fault
that passes.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from prefect_octopusx.sandbox import Sandbox
from prefect_octopusx.storage import LocalStore, RecordState, VideoStore
from tests.clocks import Clock
from tests.faults.create_rows import CREATE_ROWS
from tests.faults.file_rows import FILE_ROWS
from tests.faults.query_rows import QUERY_ROWS
from tests.faults.table import Provocation, Row
from tests.faults.world import World, live_through

_PLACES = {"create": CREATE_ROWS, "query": QUERY_ROWS, "file": FILE_ROWS}


def _cases() -> Iterator[Any]:
    for place, rows in _PLACES.items():
        for row in rows:
            for number, by in enumerate(row.by, 1):
                for accepted in _both(number) if row.fate.billed == "perhaps" else (None,):
                    what = {True: ", accepted", False: ", not accepted", None: ""}[accepted]
                    yield pytest.param(place, row, by, accepted, id=f"{place}: {row.fault}, {number}{what}")


def _both(number: int) -> tuple[bool, ...]:
    """Let the first way to provoke a fault be accepted and not, the others one of them in turn."""
    return (True, False) if number == 1 else (number % 2 == 0,)


def _passing() -> Iterator[Any]:
    for place, rows in _PLACES.items():
        for row in rows:
            if row.fate.again == "yes":
                yield pytest.param(place, row.by[0], id=f"{place}: {row.fault}")


@pytest.fixture
async def world(shared: Sandbox, clock: Clock, tmp_path: Path) -> AsyncIterator[World]:
    async def folder(_: AsyncExitStack) -> VideoStore:
        return LocalStore(tmp_path / "videos", poster=False)

    shared.reset()
    async with World(shared, clock).open(folder) as opened:
        yield opened


@pytest.mark.parametrize(("place", "row", "by", "accepted"), list(_cases()))
async def test_a_fault_that_stays_until_it_is_taken_away(
    world: World, place: str, row: Row, by: Provocation, accepted: bool | None, tmp_path: Path
) -> None:
    await live_through(world, place, row, by, accepted)
    assert (tmp_path / "videos" / "hero.mp4").read_bytes() == world.video()
    assert sorted(path.name for path in (tmp_path / "videos").rglob("*")) == [".pending", "hero.json", "hero.mp4"]
    assert world.paid == 1


@pytest.mark.parametrize(("place", "by"), list(_passing()))
async def test_a_fault_that_passes_is_got_over(world: World, place: str, by: Provocation) -> None:
    world.provoke(place, by, accepted=None, once=True)
    assert (await world.run()).state is RecordState.COMPLETED
    assert world.billed == "once"
    assert world.tries(place) > 1 or not world.gateway.tricks
