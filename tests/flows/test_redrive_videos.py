"""Only what a batch did not store is tried again: the failed, or the uncertain with consent."""

from typing import Any

import pytest

from prefect_octopusx.api import ViduRequest
from prefect_octopusx.batches import BatchFailed, BatchResult, ResultsInvalid
from prefect_octopusx.flows import redrive_videos
from prefect_octopusx.sandbox import Fault
from tests.flows.batches import Batches, cats

pytestmark = pytest.mark.usefixtures("prefect_api", "retries_at_once")


async def redrive(batch: Batches, what: str = "failed", **options: Any) -> BatchResult:  # noqa: ANN401
    return await redrive_videos("launch", what, **(batch.options | options))  # type: ignore[arg-type] # one of two


async def leave_trouble(batch: Batches) -> None:
    """Run a batch of seven of which one failed, one was refused, one is uncertain and one is held back."""
    batch.sandbox.add_fault(Fault("video_failed", match="cat-1."))
    batch.sandbox.add_fault(Fault("create_invalid_request", match="cat-2."))
    batch.sandbox.add_fault(Fault("create_lost_reply", match="cat-3.", billed=False))
    with pytest.raises(BatchFailed):
        await batch(cats(7), max_new_videos=6)
    assert batch.posts == 6


async def test_the_failed_are_made_and_the_others_kept(batch_anywhere: Batches) -> None:
    await leave_trouble(batch_anywhere)
    result = await redrive(batch_anywhere)
    assert [one.name for one in result.results] == ["cat-1", "cat-2"]
    assert (result.stored, result.created, batch_anywhere.posts) == (2, 2, 8)
    lines = await batch_anywhere.lines()
    assert [line["state"] for line in lines.values()] == [
        "completed", "completed", "completed", "uncertain", "completed", "completed", "not_created",
    ]  # fmt: skip


async def test_the_uncertain_are_sent_again_when_a_person_says_so(batch: Batches) -> None:
    await leave_trouble(batch)
    result = await redrive(batch, "uncertain")
    assert [(one.name, one.state) for one in result.results] == [("cat-3", "completed")]
    assert batch.posts == 7
    assert (await batch.lines())["cat-1"]["state"] == "failed"


async def test_twice_the_same_is_once_the_same(batch: Batches) -> None:
    await leave_trouble(batch)
    await redrive(batch)
    assert (await redrive(batch)).results == ()
    assert batch.posts == 8


async def test_a_plan_and_a_limit_are_kept(batch: Batches) -> None:
    await leave_trouble(batch)
    await redrive(batch, dry_run=True)
    assert batch.posts == 6
    result = await redrive(batch, max_new_videos=1)
    assert (result.created, result.held, batch.posts) == (1, 1, 7)


async def test_what_a_limit_held_back_is_for_the_next_redrive(batch: Batches) -> None:
    batch.sandbox.add_fault(Fault("video_failed", times=3))
    await batch.state(cats(3))
    assert (await redrive(batch, max_new_videos=1)).held == 2
    assert (await redrive(batch)).created == 2
    assert [line["state"] for line in (await batch.lines()).values()] == ["completed"] * 3


async def test_what_was_not_ready_in_time_is_stored_for_nothing(batch: Batches) -> None:
    batch.sandbox.add_fault(Fault("video_slow", match="cat-0.", delay=2))
    await batch.state(cats(2), deadline=0.3)
    assert (await redrive(batch)).created == 0
    assert ((await batch.record("cat-0")).state, batch.posts) == ("completed", 2)


async def test_a_request_that_could_not_be_kept_is_told(batch: Batches) -> None:
    """Its picture's address is signed: the results manifest holds no such thing."""
    request = ViduRequest(model="viduq2-pro", prompt="secret.", images=["https://example.com/a.png?signature=SECRET"])
    batch.sandbox.add_fault(Fault("video_failed", times=2, match="secret."))
    await batch.state(cats(1) | {"secret": request, "other": request})
    assert "SECRET" not in str(await batch.lines())
    with pytest.raises(ResultsInvalid, match=r"secret, other: .*could not be kept.*retry_failed"):
        await redrive(batch)
    assert batch.posts == 3


async def test_without_results_it_is_told_where_they_were_looked_for(batch: Batches) -> None:
    with pytest.raises(ResultsInvalid, match=r"there is no launch-results\.jsonl at"):
        await redrive(batch)


async def test_results_that_are_none_are_told_with_the_line(batch: Batches) -> None:
    store = await batch.destination.store()
    await store.write_file("launch-results.jsonl", b'{"name": "a", "state": "failed", "model": "m"}\n{"name": 3}\n')
    with pytest.raises(ResultsInvalid, match=r"launch-results\.jsonl, line 2: name"):
        await redrive(batch)
