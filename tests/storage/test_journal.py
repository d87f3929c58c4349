"""Paid once: who may send, what is written when, and what the next run makes of what it finds."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from prefect_octopusx.api import (
    InvalidRequest,
    OctopusXClient,
    RateLimited,
    SubmissionUncertain,
    TaskState,
    VideoFailed,
    VideoTask,
    ViduRequest,
)
from prefect_octopusx.blocks import LocalDestination, S3Destination
from prefect_octopusx.sandbox import Fault, Sandbox
from prefect_octopusx.storage import (
    DestinationError,
    DestinationUnavailable,
    Entry,
    LocalStore,
    NameTaken,
    RecordConflict,
    RecordNotWritten,
    RecordState,
    VideoRecord,
    VideoStore,
    complete,
    fail,
    submit,
)
from tests.clocks import Clock

CAT = ViduRequest(model="viduq3-pro", prompt="a cat chasing butterflies", duration=5)
DOG = ViduRequest(model="viduq3-pro", prompt="a dog chasing butterflies", duration=5)


@pytest.fixture
async def store(destination: S3Destination | LocalDestination) -> VideoStore:
    return await destination.store()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def posts(sandbox: Sandbox) -> "Posts":
    return Posts(sandbox)


class Posts:
    """Counts what was sent and what was billed."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    @property
    def sent(self) -> int:
        return sum(trace.method == "POST" for trace in self._sandbox.requests)

    @property
    def billed(self) -> int:
        return sum(not charge.refunded for charge in self._sandbox.ledger)


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[OctopusXClient]:
    async with OctopusXClient(api_key=sandbox.key, base_url=sandbox.url, create_timeout=3) as opened:
        yield opened


@pytest.fixture
def send(store: VideoStore, client: OctopusXClient, clock: Clock) -> "Send":
    return Send(store, client, clock)


class Send:
    """Submits under one name, as a run does."""

    def __init__(self, store: VideoStore, client: OctopusXClient, clock: Clock) -> None:
        self.store = store
        self.client = client
        self.clock = clock

    async def __call__(self, request: ViduRequest = CAT, *, name: str = "hero", **options: Any) -> VideoRecord:  # noqa: ANN401
        return await submit(
            self.store, self.client, request, name=name, clock=self.clock, sleep=self.clock.sleep, **options
        )

    async def stored(self) -> VideoRecord:
        entry = await self.store.read("hero")
        assert entry is not None
        return entry.record


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


async def test_what_the_api_refused_is_sent_again_only_if_asked(send: Send, posts: Posts, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault("create_policy_violation"))
    for _ in range(2):
        with pytest.raises(InvalidRequest, match="refused"):
            await send()
    assert posts.sent == 1
    refused = await send.stored()
    assert refused.state is RecordState.REFUSED
    record = await send(retry_failed=True)
    assert [(attempt.state, attempt.error) for attempt in record.earlier] == [(RecordState.REFUSED, refused.error)]
    assert (posts.sent, posts.billed) == (2, 1)


async def test_a_refused_name_may_stand_for_a_corrected_request(send: Send, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault("create_policy_violation"))
    with pytest.raises(InvalidRequest):
        await send()
    assert (await send(DOG)).digest == DOG.digest


UNCERTAIN = ["create_lost_reply", "create_reset", "create_closed", "create_html_504", "create_no_id", "create_slow"]


@pytest.mark.parametrize("kind", UNCERTAIN)
async def test_what_got_no_certain_answer_is_never_sent_again_by_itself(
    send: Send, posts: Posts, sandbox: Sandbox, kind: str
) -> None:
    sandbox.add_fault(Fault(kind))
    with pytest.raises(SubmissionUncertain, match=r"dashboard.*resubmit"):
        await send()
    assert (await send.stored()).state is RecordState.UNCERTAIN
    for _ in range(2):
        with pytest.raises(SubmissionUncertain, match=r"hero: No certain answer .* sent .* UTC.*dashboard"):
            await send()
    assert posts.sent == 1
    assert posts.billed <= 1


async def test_a_person_may_send_it_again(send: Send, posts: Posts, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault("create_closed"))
    with pytest.raises(SubmissionUncertain):
        await send()
    record = await send(on_uncertain="resubmit")
    assert record.state is RecordState.SUBMITTED
    assert [attempt.state for attempt in record.earlier] == [RecordState.UNCERTAIN]
    assert posts.billed == 1
    assert (await send(on_uncertain="resubmit")).task_id == record.task_id  # what is certain is not sent again
    assert posts.sent == 2


async def test_sending_again_is_for_the_same_request(send: Send, posts: Posts, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault("create_lost_reply"))
    with pytest.raises(SubmissionUncertain):
        await send()
    with pytest.raises(NameTaken):
        await send(DOG, on_uncertain="resubmit")
    assert posts.sent == 1


async def test_another_request_does_not_wait_for_a_claim_that_is_not_its_own(send: Send) -> None:
    await abandoned(send)
    with pytest.raises(NameTaken):
        await send(DOG)
    assert not send.clock.slept


async def test_consent_to_send_again_is_not_for_each_retry_of_the_same_run(
    send: Send, posts: Posts, sandbox: Sandbox
) -> None:
    sandbox.add_fault(Fault("create_closed", times=None))
    with pytest.raises(SubmissionUncertain):
        await send(flow_run_id="first")
    for _ in range(3):
        with pytest.raises(SubmissionUncertain):
            await send(flow_run_id="second", on_uncertain="resubmit")
    assert posts.sent == 2


async def test_consent_stays_spent_whatever_others_do_meanwhile(send: Send, posts: Posts, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault("create_closed", times=None))
    for run, sent in (("first", 1), ("second", 2), ("third", 3), ("second", 3), ("third", 3), ("second", 3)):
        with pytest.raises(SubmissionUncertain):
            await send(flow_run_id=run, on_uncertain="stop" if run == "first" else "resubmit")
        assert posts.sent == sent


async def test_a_claim_counts_from_when_it_is_written(send: Send) -> None:
    """A run that followed another for long must not look dead when its own turn comes."""
    await abandoned(send)
    began = send.clock()
    record = await send(on_uncertain="resubmit")
    assert record.claimed_at.timestamp() == send.clock() > began


async def test_a_store_that_refuses_every_write_ends(send: Send, failing: "Failing") -> None:
    failing.creates = iter([RecordConflict("hero was written by somebody else first.")] * 100)
    with pytest.raises(DestinationError, match="may not honour conditional writes"):
        await send()


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


async def abandoned(send: Send) -> VideoRecord:
    """Leave what a run leaves that is killed between its claim and its create."""
    claimed_at = datetime.fromtimestamp(send.clock(), UTC)
    left = VideoRecord(
        name="hero",
        state=RecordState.SUBMITTING,
        model=CAT.model,
        family=CAT.family,
        request=CAT.recorded(),
        digest=CAT.digest,
        claimed_at=claimed_at,
    )
    await send.store.create(left)
    return left


async def test_failed_at_once(send: Send, posts: Posts, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault("create_failed_inline"))
    with pytest.raises(VideoFailed, match="retry_failed"):
        await send()
    failed = await send.stored()
    assert failed.state is RecordState.FAILED
    assert failed.task_id
    with pytest.raises(VideoFailed, match=failed.task_id):
        await send()
    assert posts.sent == 1
    again = await send(retry_failed=True)
    assert again.state is RecordState.SUBMITTED
    assert again.task_id != failed.task_id
    assert again.earlier[0].task_id == failed.task_id
    assert (posts.sent, posts.billed) == (2, 1)


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


class Failing(LocalStore):
    """A folder whose writes fail when told so."""

    replaces: Iterator[Exception | None] = iter(())
    creates: Iterator[Exception | None] = iter(())
    reads: Iterator[Exception | None] = iter(())
    late = False

    async def read(self, name: str) -> Entry | None:
        trouble = next(self.reads, None)
        if trouble is not None:
            raise trouble
        return await super().read(name)

    async def replace(self, entry: Entry, record: VideoRecord) -> Entry:
        trouble = next(self.replaces, None)
        if trouble is not None:
            raise trouble
        return await super().replace(entry, record)

    async def create(self, record: VideoRecord) -> Entry:
        trouble = next(self.creates, None)
        if trouble is not None:
            if self.late:
                await super().create(record)
            raise trouble
        return await super().create(record)


@pytest.fixture
def failing(send: Send, tmp_path: Path) -> Failing:
    store = Failing(tmp_path / "failing")
    send.store = store
    return store


AWAY = DestinationUnavailable("the bucket does not answer")


async def test_an_id_that_is_paid_for_is_written_as_soon_as_the_destination_is_back(
    send: Send, failing: Failing, posts: Posts
) -> None:
    failing.replaces = iter([AWAY, AWAY, None])
    record = await send()
    assert record == await send.stored()
    assert send.clock.slept == [1, 2]
    assert posts.billed == 1


async def test_an_id_that_can_not_be_written_is_in_the_error(
    send: Send, failing: Failing, sandbox: Sandbox, posts: Posts
) -> None:
    failing.replaces = iter([AWAY] * 20)
    with pytest.raises(RecordNotWritten, match=r"is paid for.*Note this task id") as caught:
        await send()
    assert caught.value.task_id == sandbox.jobs[0].id
    assert not caught.value.resend_safe
    failing.replaces = iter(())
    with pytest.raises(SubmissionUncertain):
        await send()
    assert posts.billed == 1


async def test_a_claim_whose_write_seemed_to_fail_is_ours(send: Send, failing: Failing, posts: Posts) -> None:
    failing.creates = iter([AWAY])
    failing.late = True
    assert (await send()).state is RecordState.SUBMITTED
    assert posts.billed == 1


async def test_a_destination_that_is_away_from_the_start_is_told_at_once(
    send: Send, failing: Failing, posts: Posts
) -> None:
    failing.reads = iter([AWAY])
    with pytest.raises(DestinationUnavailable):
        await send()
    assert not send.clock.slept
    assert posts.sent == 0


async def test_a_destination_that_stays_away_stops_before_anything_is_sent(
    send: Send, failing: Failing, posts: Posts
) -> None:
    failing.creates = iter([AWAY] * 20)
    with pytest.raises(DestinationUnavailable) as caught:
        await send()
    assert caught.value.resend_safe
    assert posts.sent == 0


async def test_the_refusal_is_told_even_if_it_can_not_be_noted(send: Send, failing: Failing, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault("create_quota"))
    failing.replaces = iter([DestinationError("forbidden now")])
    with pytest.raises(Exception, match="quota is too low"):
        await send()


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
