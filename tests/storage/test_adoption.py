"""Taking over a task that exists: what becomes of the record that the name has already."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from prefect_octopusx.api import ViduRequest
from prefect_octopusx.storage import DestinationError, NameTaken, RecordState, VideoRecord, VideoStore, adopt
from tests.clocks import Clock
from tests.storage.conftest import Place, mp4, record

CAT = ViduRequest(model="viduq3-pro", prompt="a cat chasing butterflies", duration=5)
DOG = ViduRequest(model="viduq3-pro", prompt="a dog chasing butterflies", duration=5)


async def left(store: VideoStore, state: RecordState, **fields: Any) -> VideoRecord:  # noqa: ANN401 - any field
    """Leave a record of `CAT`, and its mark if it is pending."""
    of_cat = {"model": CAT.model, "family": CAT.family, "request": CAT.recorded(), "digest": CAT.digest}
    made = record("fox", state=state, **(of_cat | fields))
    if state.is_pending:
        await store.mark("fox", made.claim)
    return (await store.create(made)).record


async def stored(store: VideoStore) -> VideoRecord:
    entry = await store.read("fox")
    assert entry
    return entry.record


async def claims(store: VideoStore) -> list[str]:
    return [mark.claim async for mark in store.pending()]


async def test_a_new_name_without_its_request(place: Place, clock: Clock) -> None:
    found = await adopt(place.store, "t-1", name="fox", flow_run_id="run-1", clock=clock, sleep=clock.sleep)
    assert found == await stored(place.store)
    assert (found.state, found.task_id, found.flow_run_id) == (RecordState.SUBMITTED, "t-1", "run-1")
    assert (found.model, found.family, found.request) == ("unknown", "unknown", {})
    assert found.submitted_at == datetime.fromtimestamp(clock.now, UTC)
    assert await claims(place.store) == [found.claim]


async def test_a_new_name_with_its_request(place: Place) -> None:
    found = await adopt(place.store, "t-1", name="fox", request=CAT)
    assert (found.model, found.request, found.digest) == (CAT.model, CAT.recorded(), CAT.digest)
    assert await claims(place.store) == [found.claim]


async def test_two_names_of_unknown_requests_differ_in_their_digest(place: Place) -> None:
    first, second = await adopt(place.store, "t-1", name="fox"), await adopt(place.store, "t-2", name="hen")
    assert first.digest != second.digest


@pytest.mark.parametrize("request_", [None, CAT])
@pytest.mark.parametrize("state", [RecordState.UNCERTAIN, RecordState.SUBMITTING])
async def test_an_undecided_create_gets_the_task(
    place: Place, clock: Clock, state: RecordState, request_: ViduRequest | None
) -> None:
    before = await left(place.store, state, error="no certain answer", error_code="x", lease=5)
    found = await adopt(place.store, "t-1", name="fox", request=request_, clock=clock, sleep=clock.sleep)
    assert found == await stored(place.store)
    assert found == before.moved(
        RecordState.SUBMITTED, task_id="t-1", submitted_at=before.claimed_at, error=None, error_code=None
    )
    assert await claims(place.store) == [before.claim]
    # A live claim is followed until its lease is over; what is uncertain is nobody's any more.
    assert (sum(clock.slept) >= 4) is (state is RecordState.SUBMITTING)


async def test_a_live_create_is_followed_to_its_own_end(place: Place) -> None:
    before = await left(place.store, RecordState.SUBMITTING)
    entry = await place.store.read("fox")
    assert entry
    looked = 0

    async def sleep(_: float) -> None:
        nonlocal looked, entry
        looked += 1
        assert entry
        if looked == 2:
            await place.store.replace(entry, before.moved(RecordState.SUBMITTED, task_id="t-1"))

    found = await adopt(place.store, "t-1", name="fox", sleep=sleep)
    assert (looked, found.task_id, found.claim) == (2, "t-1", before.claim)
    assert await stored(place.store) == found


async def test_a_live_create_that_got_another_task_keeps_the_name(place: Place) -> None:
    before = await left(place.store, RecordState.SUBMITTING)
    entry = await place.store.read("fox")
    assert entry

    async def sleep(_: float) -> None:
        await place.store.replace(entry, before.moved(RecordState.SUBMITTED, task_id="t-2"))

    with pytest.raises(NameTaken, match=r"'fox' stands for task t-2 .*not for t-1.*another name"):
        await adopt(place.store, "t-1", name="fox", sleep=sleep)


@pytest.mark.parametrize("request_", [None, CAT, DOG])
@pytest.mark.parametrize("state", [RecordState.RELEASED, RecordState.REFUSED, RecordState.FAILED])
async def test_what_is_over_without_a_video_goes_into_the_history(
    place: Place, state: RecordState, request_: ViduRequest | None
) -> None:
    task_id = "t-0" if state is RecordState.FAILED else None
    before = await left(place.store, state, task_id=task_id, error="why")
    found = await adopt(place.store, "t-1", name="fox", request=request_)
    assert found == await stored(place.store)
    assert (found.state, found.task_id, found.error) == (RecordState.SUBMITTED, "t-1", None)
    assert [(one.state, one.task_id, one.error) for one in found.earlier] == [(state, task_id, "why")]
    assert found.digest == (request_ or CAT).digest
    assert found.request == (request_ or CAT).recorded()
    assert found.claim != before.claim
    assert await claims(place.store) == [found.claim]


@pytest.mark.parametrize("state", [RecordState.SUBMITTED, RecordState.COMPLETED, RecordState.FAILED])
@pytest.mark.parametrize("task_id", ["t-1", "alt-1"])
async def test_the_same_task_again_changes_nothing(place: Place, state: RecordState, task_id: str) -> None:
    before = await left(place.store, state, task_id="t-1", alt_ids=["alt-1"])
    if state is RecordState.COMPLETED:
        place.put("fox.mp4", mp4())
    marks = await claims(place.store)
    assert await adopt(place.store, task_id, name="fox") == before == await stored(place.store)
    assert await claims(place.store) == marks


async def test_a_stored_video_whose_file_is_gone_is_not_called_stored(place: Place) -> None:
    await left(place.store, RecordState.COMPLETED, task_id="t-1")
    with pytest.raises(DestinationError, match=r"fox\.mp4 is gone.*remove fox\.json, and then run `adopt_video`"):
        await adopt(place.store, "t-1", name="fox")


@pytest.mark.parametrize("state", [RecordState.SUBMITTED, RecordState.COMPLETED])
async def test_the_name_of_another_task_is_not_given(place: Place, state: RecordState) -> None:
    before = await left(place.store, state, task_id="t-2")
    marks = await claims(place.store)
    with pytest.raises(NameTaken, match=r"stands for task t-2 .*not for t-1") as caught:
        await adopt(place.store, "t-1", name="fox", request=CAT)
    assert caught.value.task_id == "t-1"
    assert await stored(place.store) == before
    assert await claims(place.store) == marks


async def test_an_undecided_create_of_another_request_keeps_the_name(place: Place) -> None:
    before = await left(place.store, RecordState.UNCERTAIN)
    with pytest.raises(NameTaken, match="already stands for another request"):
        await adopt(place.store, "t-1", name="fox", request=DOG)
    assert await stored(place.store) == before


async def test_a_file_that_no_record_explains_is_left_alone(place: Place) -> None:
    place.put("fox.mp4", mp4())
    with pytest.raises(NameTaken, match="no record explains it"):
        await adopt(place.store, "t-1", name="fox")
    assert place.files() == ["fox.mp4"]


async def test_of_two_at_once_one_gets_the_name(place: Place) -> None:
    results = await asyncio.gather(
        adopt(place.store, "t-1", name="fox"), adopt(place.store, "t-2", name="fox"), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["NameTaken", "VideoRecord"]
    found = await stored(place.store)
    assert found in results
    assert found.claim in await claims(place.store)


async def test_the_same_task_adopted_twice_at_once_is_one_record(place: Place) -> None:
    first, second = await asyncio.gather(*(adopt(place.store, "t-1", name="fox") for _ in range(2)))
    assert first == second == await stored(place.store)


@pytest.mark.parametrize("name", ["../fox", "fox.mp4", ""])
async def test_names_that_can_not_be(place: Place, name: str) -> None:
    with pytest.raises(ValueError, match=r"^name: "):
        await adopt(place.store, "t-1", name=name)
