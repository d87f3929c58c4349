"""Whatever a run dies at: every pending record is in the index, and the next run finds its way."""

from collections.abc import Awaitable, Callable
from itertools import count

import pytest

from prefect_octopusx.api import (
    InvalidRequest,
    OctopusXClient,
    OctopusXError,
    SubmissionUncertain,
    TaskState,
    VideoFailed,
    VideoTask,
    ViduRequest,
)
from prefect_octopusx.sandbox import Fault, Sandbox
from prefect_octopusx.storage import (
    RecordState,
    VideoRecord,
    VideoStore,
    adopt,
    fail,
    pending_videos,
    save,
    settle_if_dead,
    submit,
)
from tests.clocks import Clock
from tests.storage.around import Killed, Mortal
from tests.storage.conftest import Place, mp4, pieces

CAT = ViduRequest(model="viduq3-pro", prompt="a cat chasing butterflies", duration=5)
DOG = ViduRequest(model="viduq3-pro", prompt="a dog chasing butterflies", duration=5)


class Life:
    """What a run does under one name."""

    def __init__(self, client: OctopusXClient, sandbox: Sandbox) -> None:
        self.client = client
        self.sandbox = sandbox

    async def submit(
        self, store: VideoStore, name: str, fault: str = "", request: ViduRequest = CAT, **options: object
    ) -> VideoRecord:
        if fault:
            self.sandbox.add_fault(Fault(fault))
        try:
            clock = Clock()
            return await submit(
                store,
                self.client,
                request,
                name=name,
                clock=clock,
                sleep=clock.sleep,
                **options,  # type: ignore[arg-type]
            )
        finally:
            self.sandbox.clear_faults()

    async def left(self, store: VideoStore, name: str, fault: str, error: type[OctopusXError]) -> None:
        with pytest.raises(error):
            await self.submit(store, name, fault)

    async def nothing(self, store: VideoStore, name: str) -> None:
        """Leave nothing."""

    async def failed(self, store: VideoStore, name: str) -> None:
        await self.left(store, name, "create_failed_inline", VideoFailed)

    async def refused(self, store: VideoStore, name: str) -> None:
        await self.left(store, name, "create_policy_violation", InvalidRequest)

    async def released(self, store: VideoStore, name: str) -> None:
        await self.left(store, name, "create_rate_limited", OctopusXError)

    async def uncertain(self, store: VideoStore, name: str) -> None:
        await self.left(store, name, "create_closed", SubmissionUncertain)

    async def dead(self, store: VideoStore, name: str) -> None:
        with pytest.raises(Killed):
            await self.submit(Mortal(store, 3, after=False), name)

    async def whole(self, store: VideoStore, name: str) -> None:
        await self.store(store, await self.submit(store, name, on_uncertain="resubmit", retry_failed=True))

    async def corrected(self, store: VideoStore, name: str) -> None:
        await self.store(store, await self.submit(store, name, request=DOG))

    async def unlucky(self, store: VideoStore, name: str) -> None:
        record = await self.submit(store, name)
        await fail(store, record, VideoTask(id=str(record.task_id), state=TaskState.FAILED))

    async def adopted(self, store: VideoStore, name: str) -> None:
        await self.store(store, await adopt(store, "t-elsewhere", name=name))

    async def settled(self, store: VideoStore, name: str) -> None:
        entry = await store.read(name)
        assert entry
        record = await settle_if_dead(store, entry._replace(age=entry.record.lease))
        assert record.state is RecordState.UNCERTAIN

    async def store(self, store: VideoStore, record: VideoRecord) -> None:
        await save(store, record, pieces(mp4()), declared_length=None, content_type="video/mp4")


async def check_index(place: Place, name: str) -> dict[str, VideoRecord]:
    """Check by looking at what is there that the record, if it is pending, has its mark; return it if it is."""
    marks = {mark[:2] async for mark in place.store.pending()}
    file = f"{name}.json"
    record = VideoRecord.from_json(place.get(file), where=file) if file in place.files() else None
    if record is None or not record.state.is_pending:
        return {}
    assert (name, record.claim) in marks, record.state
    return {name: record}


Step = Callable[[Life, VideoStore, str], Awaitable[None]]


LIVES: dict[str, tuple[Step, Step, int]] = {
    "first": (Life.nothing, Life.whole, 6),
    "retry_failed": (Life.failed, Life.whole, 7),
    "corrected": (Life.refused, Life.corrected, 7),
    "released": (Life.released, Life.whole, 7),
    "resubmit": (Life.uncertain, Life.whole, 7),
    "dead": (Life.dead, Life.whole, 7),
    "settled": (Life.dead, Life.settled, 1),
    "fail": (Life.nothing, Life.unlucky, 5),
    "refused": (Life.nothing, Life.refused, 4),
    "busy": (Life.nothing, Life.released, 4),
    "uncertain": (Life.nothing, Life.uncertain, 3),
    "adopt": (Life.nothing, Life.adopted, 5),
    "adopt failed": (Life.failed, Life.adopted, 5),
    "adopt uncertain": (Life.uncertain, Life.adopted, 4),
}
# One of each kind is enough for the bucket, whose requests take longer.
ON_S3 = ("first", "resubmit", "adopt failed")


@pytest.mark.parametrize(
    ("place", "life_of"), [("local", name) for name in LIVES] + [("moto", name) for name in ON_S3], indirect=["place"]
)
async def test_no_pending_record_is_without_its_mark(
    place: Place, client: OctopusXClient, sandbox: Sandbox, life_of: str
) -> None:
    life = Life(client, sandbox)
    before, then, fewest = LIVES[life_of]
    for at in count(1):
        killed = 0
        for after in (False, True):
            name = f"life-{at}-{'after' if after else 'before'}"
            await before(life, place.store, name)
            mortal = Mortal(place.store, at, after=after)
            try:
                await then(life, mortal, name)
            except Killed:
                killed += 1
            pending = await check_index(place, name)
            found = {entry.record.name: entry.record async for entry in pending_videos(place.store)}
            assert found == pending
            assert await check_index(place, name) == pending, "reading the index lost something"
            for mark in [mark async for mark in place.store.pending()]:  # so that the next life is checked alone
                await place.store.unmark(mark.name, mark.claim)
        if not killed:
            break
    assert at > fewest, mortal.changes


async def test_after_any_death_the_next_run_stores_the_video_and_pays_once(
    place: Place, client: OctopusXClient, sandbox: Sandbox
) -> None:
    """Only a death between claim and written id asks a person, who looks whether there is a task."""
    life = Life(client, sandbox)
    for at, after in [(at, after) for at in range(1, 7) for after in (False, True)]:
        name = f"life-{at}-{after}"
        sandbox.reset()
        mortal = Mortal(place.store, at, after=after)
        with pytest.raises(Killed):
            await life.store(mortal, await life.submit(mortal, name))
        try:
            record = await life.submit(place.store, name)
        except SubmissionUncertain:
            assert (at, after) in {(2, True), (3, False)}
            if made := sandbox.jobs:
                record = await adopt(place.store, made[0].id, name=name)
            else:
                record = await life.submit(place.store, name, on_uncertain="resubmit")
        await life.store(place.store, record)
        assert sum(not charge.refunded for charge in sandbox.ledger) == 1
        entry = await place.store.read(name)
        assert entry
        assert entry.record.state is RecordState.COMPLETED
        assert [file for file in place.files() if name in file and not file.startswith(".pending")] == [
            f"{name}.json",
            f"{name}.mp4",
        ]
