"""The matrix of faults: whatever goes wrong, it is told in words, nothing is lost, and nothing is billed twice.

Each fault lasts until the run has ended with what the row says. Then it is taken away, the same name is asked for
again, and in the end exactly one video is stored and paid for. What is tried again by itself also gets over a fault
that passes.
"""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from prefect_octopusx.api import OctopusXError
from prefect_octopusx.sandbox import Sandbox, SandboxSettings
from prefect_octopusx.storage import LocalStore, RecordState, VideoStore
from tests.clocks import Clock
from tests.faults.create_rows import CREATE_ROWS
from tests.faults.file_rows import FILE_ROWS
from tests.faults.query_rows import QUERY_ROWS
from tests.faults.table import Provocation, Row, told
from tests.faults.tls import trusted
from tests.faults.world import World

_PLACES = {"create": CREATE_ROWS, "query": QUERY_ROWS, "file": FILE_ROWS}
_SANE = 3000  # characters of an error


def _cases() -> Iterator[Any]:
    for place, rows in _PLACES.items():
        for row in rows:
            for number, by in enumerate(row.by, 1):
                for accepted in (True, False) if row.fate.billed == "perhaps" else (None,):
                    what = {True: ", accepted", False: ", not accepted", None: ""}[accepted]
                    yield pytest.param(place, row, by, accepted, id=f"{place}: {row.fault}, {number}{what}")


def _passing() -> Iterator[Any]:
    for place, rows in _PLACES.items():
        for row in rows:
            if row.fate.again == "yes":
                yield pytest.param(place, row.by[0], id=f"{place}: {row.fault}")


@pytest.fixture(scope="module", autouse=True)
def few_certificates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let no client read all the certificates of this machine."""
    file = tmp_path_factory.mktemp("tls") / "trusted.pem"
    file.write_bytes(trusted())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(file))
        yield


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def shared(clock: Clock) -> Iterator[Sandbox]:
    with Sandbox(SandboxSettings(generation=30, refresh=15, clock=clock)) as sandbox:
        yield sandbox


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
    fate = row.fate
    world.provoke(place, by, accepted=accepted)
    if row.sees:
        with pytest.raises(OctopusXError) as caught:
            await world.run()
        said = f"{type(caught.value).__name__}: {caught.value}"
        assert re.fullmatch(told(row.sees), said, re.DOTALL), said
        assert len(said) < _SANE
        assert not re.search(r"sk-sandbox|sig=|\0", said), said
        assert (world.tries(place) == 1) == (fate.again == "no") or place != "create"
    else:
        await world.run()
    left = await world.record()
    assert (left.state if left else "none") == fate.record
    assert world.billed == (fate.billed if accepted is None else "once" if accepted else "nothing")
    world.calm()
    record = await world.go_on(fate.then) if row.sees else await world.run()
    assert (record.state, record.task_id) == (RecordState.COMPLETED, world.task_id)
    assert (tmp_path / "videos" / "hero.mp4").read_bytes() == world.video()
    assert sorted(path.name for path in (tmp_path / "videos").rglob("*")) == [".pending", "hero.json", "hero.mp4"]
    assert world.paid == 1


@pytest.mark.parametrize(("place", "by"), list(_passing()))
async def test_a_fault_that_passes_is_got_over(world: World, place: str, by: Provocation) -> None:
    world.provoke(place, by, accepted=None, once=True)
    assert (await world.run()).state is RecordState.COMPLETED
    assert world.billed == "once"
    assert world.tries(place) > 1 or not world.gateway.tricks
