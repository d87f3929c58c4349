"""Paid once: who may send, what is written when, and what the next run makes of what it finds."""

import asyncio
from pathlib import Path

import pytest

from prefect_octopusx.api import RateLimited, SubmissionUncertain, TaskState, VideoFailed, VideoTask, ViduRequest
from prefect_octopusx.sandbox import Fault, Sandbox
from prefect_octopusx.storage import (
    DestinationError,
    LocalStore,
    NameTaken,
    RecordConflict,
    RecordState,
    complete,
    fail,
    submit,
)
from tests.storage.sending import CAT, DOG, Posts, Send, abandoned


async def test_the_record_tells_what_was_asked_for_and_what_came_back(send: Send, sandbox: Sandbox) -> None:
    record = await send(flow_run_id="run-1")
    assert record.state is RecordState.SUBMITTED
    assert record.task_id == sandbox.jobs[0].id
    assert record.request == CAT.body()
    assert (record.digest, record.model, record.family) == (CAT.digest, "viduq3-pro", "vidu")
    assert record.flow_run_id == "run-1"
    assert record == await send.stored()


async def test_the_same_name_again_sends_nothing(send: Send, posts: Posts) -> None:
    first = await send()
    assert await send() == first
    async with send.store.writer("hero") as video:
        await video.write(b"as if it were one")
        await video.commit()
    assert await complete(send.store, first, uri="u", size=1, sha256="s", clock=send.clock) == await send()
    assert (posts.sent, posts.billed) == (1, 1)


async def test_many_at_once_send_once_and_get_the_same_record(send: Send, posts: Posts) -> None:
    # With the true clock: a turned one would let the claim grow old while the create is still on its way.
    records = await asyncio.gather(*(submit(send.store, send.client, CAT, name="hero") for _ in range(8)))
    assert len({record.task_id for record in records}) == 1
    assert (posts.sent, posts.billed) == (1, 1)


async def test_the_same_name_for_another_request_is_refused(send: Send, posts: Posts) -> None:
    await send()
    with pytest.raises(NameTaken, match=r"'hero' already stands for another request.*of its own"):
        await send(DOG)
    assert posts.sent == 1


async def test_a_video_that_no_record_explains_is_not_overwritten(send: Send, posts: Posts, tmp_path: Path) -> None:
    store = send.store = LocalStore(tmp_path / "foreign")
    store.folder.mkdir()
    (store.folder / "hero.mp4").write_bytes(b"somebody's work")
    with pytest.raises(NameTaken, match="no record explains it"):
        await send()
    assert (store.folder / "hero.mp4").read_bytes() == b"somebody's work"
    assert posts.sent == 0


@pytest.mark.parametrize("name", ["", "../hero", "/hero", "a//b", "hero.mp4", "he ro", ".hero", "x" * 300])
async def test_names_that_can_not_be(send: Send, posts: Posts, name: str) -> None:
    with pytest.raises(ValueError, match=r"^name: "):
        await send(name=name)
    assert posts.sent == 0


@pytest.mark.parametrize("name", ["hero", "2026/11/21-cat", "小猫", "a.b_c-d"])
async def test_names_that_can_be(send: Send, name: str) -> None:
    assert (await send(name=name)).name == name


async def test_what_did_not_get_through_is_sent_by_the_next_run(send: Send, posts: Posts, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault("create_rate_limited"))
    with pytest.raises(RateLimited):
        await send()
    released = await send.stored()
    assert released.state is RecordState.RELEASED
    assert "busy" in str(released.error)
    record = await send()
    assert record.state is RecordState.SUBMITTED
    assert [attempt.state for attempt in record.earlier] == [RecordState.RELEASED]
    assert (posts.sent, posts.billed) == (2, 1)


async def test_a_claim_counts_from_when_it_is_written(send: Send) -> None:
    """A run that followed another for long must not look dead when its own turn comes."""
    await abandoned(send)
    began = send.clock()
    record = await send(on_uncertain="resubmit")
    assert record.claimed_at.timestamp() == send.clock() - send.store.settling > began


async def test_a_completed_record_without_its_video_says_so(send: Send, posts: Posts) -> None:
    await complete(send.store, await send(), uri="u", size=1, sha256="s")
    with pytest.raises(DestinationError, match=r"says that it is stored, but .*hero\.mp4 is gone"):
        await send()
    assert posts.sent == 1


async def test_a_claim_left_by_a_killed_run_is_followed_and_then_uncertain(send: Send, posts: Posts) -> None:
    dead = await abandoned(send)
    began = send.clock()
    with pytest.raises(SubmissionUncertain, match=r"while it sent the create.*viduq3-pro"):
        await send()
    assert 60 <= send.clock() - began <= 64
    assert posts.sent == 0
    assert await send.stored() == dead.moved(RecordState.UNCERTAIN, error=(await send.stored()).error)
    record = await send(on_uncertain="resubmit")
    assert record.state is RecordState.SUBMITTED
    assert posts.billed == 1


@pytest.mark.parametrize("days", [-1, 1])
async def test_a_worker_with_a_wrong_clock_neither_waits_for_ever_nor_not_at_all(send: Send, days: int) -> None:
    """The age of a claim is told by the store; the clock of whoever wrote it does not matter."""
    await abandoned(send)
    send.clock.now += days * 86400
    began = send.clock()
    with pytest.raises(SubmissionUncertain):
        await send()
    assert 60 <= send.clock() - began <= 64


async def test_a_cancelled_run_still_writes_down_what_is_paid_for(send: Send, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault("create_slow", delay=0.3))
    run = asyncio.create_task(send())
    while not sandbox.ledger:
        await asyncio.sleep(0.01)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    record = await send.stored()
    assert record.state is RecordState.SUBMITTED
    assert record.task_id == sandbox.jobs[0].id


async def test_a_record_that_is_gone_can_not_be_completed(send: Send, tmp_path: Path) -> None:
    record = await send()
    send.store = LocalStore(tmp_path / "another place")
    with pytest.raises(NameTaken, match="somebody removed it"):
        await complete(send.store, record, uri="u", size=1, sha256="s")


async def test_a_late_word_on_an_earlier_task_does_not_touch_the_new_one(send: Send, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault("create_failed_inline"))
    with pytest.raises(VideoFailed):
        await send()
    failed = await send.stored()
    record = await send(retry_failed=True)
    late = VideoTask(id=str(failed.task_id), state=TaskState.FAILED, error="too late")
    with pytest.raises(
        RecordConflict, match=f"stands for task {record.task_id} at this destination, not for task {failed.task_id}"
    ):
        await fail(send.store, failed, late)
    with pytest.raises(RecordConflict):
        await complete(send.store, failed, uri="u", size=1, sha256="s")
    assert await send.stored() == record


async def test_soft_rules_warn_once_however_often_it_is_sent(
    send: Send, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.add_fault(Fault("create_rate_limited"))
    doubtful = ViduRequest(model="viduq3-pro", prompt="x", voice_id="v")
    with pytest.raises(RateLimited):
        await send(doubtful)
    await send(doubtful)
    assert sum("voice_id" in record.getMessage() for record in caplog.records) == 1


def test_no_secret_gets_into_a_record() -> None:
    request = ViduRequest(
        model="viduq2-pro",
        prompt="x",
        images=["https://user:pw@img.example.com/first.png?X-Amz-Signature=SECRET"],
        watermark=True,
        wm_url="https://img.example.com/mark.png?sig=SECRET",
    )
    assert "SECRET" not in str(request.recorded())
    assert "pw@" not in str(request.recorded())
