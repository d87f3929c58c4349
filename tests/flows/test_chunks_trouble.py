"""A batch that is made by other runs, some of which crash, or are cancelled, or fail; and one that is retried."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from prefect.states import AwaitingRetry, Cancelled, Crashed

from prefect_octopusx.batches import BatchFailed, BatchResult
from prefect_octopusx.flows import batch_chunks, generate_videos
from prefect_octopusx.flows.chunks import Chunks
from prefect_octopusx.sandbox import Fault
from tests.flows.deployed import Deployed, Left, Studio
from tests.flows.launches import Launch, again

pytestmark = [
    pytest.mark.usefixtures("prefect_api", "retries_at_once"),
    pytest.mark.parametrize("studio", [0.2], indirect=True, ids=[""]),
]

Again = Callable[[Deployed], Awaitable[BatchResult]]


@pytest.fixture
def launch(studio: Studio) -> Launch:
    return Launch(studio)


@pytest.fixture
def much_later(monkeypatch: pytest.MonkeyPatch) -> Again:
    """Let the parent look when no automation will start a crashed run again any more."""

    async def look(parent: Deployed) -> BatchResult:
        with monkeypatch.context() as patched:
            patched.setattr(batch_chunks, "_now", lambda: datetime.now(UTC) + timedelta(minutes=3))
            return await again(parent)

    return look


async def test_what_crashes_is_made_by_another_run(launch: Launch, studio: Studio, much_later: Again) -> None:
    parent = await launch.parent(4)
    await parent.leave()
    dead, alive = await launch.chunks(parent)
    await launch.make(alive)
    await Deployed(generate_videos, dead.id).set(Crashed(message="no heartbeat"))
    with pytest.raises(Left):  # it may start again by itself
        await again(parent)
    assert len(await launch.chunks(parent)) == 2
    with pytest.raises(Left):
        await much_later(parent)
    (other,) = (run for run in await launch.chunks(parent) if run.id not in {dead.id, alive.id})
    assert other.name == "cats-chunks/2-001"
    assert list(other.parameters["requests"]) == ["cat-0", "cat-1"]
    await launch.make(other)
    assert (await much_later(parent)).stored == 4
    assert studio.posts == 4


async def test_what_crashes_again_and_again_is_given_up(launch: Launch, studio: Studio, much_later: Again) -> None:
    parent = await launch.parent(1)
    await parent.leave()
    for number in (1, 2, 3):
        run = (await launch.chunks(parent))[-1]
        assert run.name == f"cats-chunks/{number}-001"
        await Deployed(generate_videos, run.id).set(Crashed(message="no heartbeat"))
        if number < 3:
            with pytest.raises(Left):
                await much_later(parent)
    with pytest.raises(BatchFailed, match="cats-chunks/3-001' ended Crashed: no heartbeat"):
        await much_later(parent)
    assert studio.posts == 0


async def test_what_a_person_cancels_is_not_made_by_another_run(launch: Launch, studio: Studio) -> None:
    parent = await launch.parent(4)
    await parent.leave()
    cancelled, other = await launch.chunks(parent)
    await Deployed(generate_videos, cancelled.id).set(Cancelled(message="by Ann"))
    await launch.make(other)
    with pytest.raises(BatchFailed, match=r"cat-0 \(not_created\), cat-1 \(not_created\).*ended Cancelled: by Ann"):
        await again(parent)
    assert studio.posts == 2


async def test_one_that_starts_again_by_itself_is_waited_for(launch: Launch, studio: Studio) -> None:
    parent = await launch.parent(2)
    await parent.leave()
    (chunk,) = await launch.chunks(parent)
    run = Deployed(generate_videos, chunk.id)
    await run.set(Crashed())
    with pytest.raises(Left):
        await again(parent)
    await run.set(AwaitingRetry())
    with pytest.raises(Left):
        await again(parent)
    await launch.make(chunk)
    result = await again(parent)
    assert (result.stored, result.created, studio.posts, len(await launch.chunks(parent))) == (2, 2, 2, 1)


async def test_a_retry_of_the_batch_waits_for_what_its_first_try_began(launch: Launch, studio: Studio) -> None:
    parent = await launch.parent(4)
    await parent.leave()
    first, second = await launch.chunks(parent)
    await parent.set(Crashed())
    await launch.make(first)
    await Deployed(generate_videos, second.id).set(Cancelled())
    await parent.set(AwaitingRetry())
    await parent.leave()
    (other,) = (run for run in await launch.chunks(parent) if run.id not in {first.id, second.id})
    assert list(other.parameters["requests"]) == ["cat-2", "cat-3"]
    await launch.make(other)
    result = await again(parent)
    assert (result.stored, result.created, studio.posts) == (4, 4, 4)


async def test_why_a_video_is_not_made_is_told_as_its_run_does(launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = await launch.parent(1)
    await parent.leave()
    (run,) = await launch.chunks(parent)
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("OCTOPUSX_API_KEY", "sk-revoked")
        await launch.make(run)
    with pytest.raises(BatchFailed, match="does not accept the API key"):
        await again(parent)


async def test_it_waits_on_while_prefect_does_not_answer(
    launch: Launch, studio: Studio, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(batch_chunks, "_EVERY", 0.1)
    parent = await launch.parent(1)
    await parent.leave()
    (run,) = await launch.chunks(parent)
    await launch.make(run)
    asks = Chunks.going
    answers = iter([httpx.ConnectError("All connection attempts failed")])

    async def going(self: Chunks, **options: datetime) -> object:
        if (trouble := next(answers, None)) is not None:
            raise trouble
        return await asks(self, **options)

    monkeypatch.setattr(Chunks, "going", going)
    assert (await again(parent)).stored == studio.posts == 1
    assert "Prefect does not tell how the chunks stand" in caplog.text


async def test_a_retried_redrive_goes_on(launch: Launch, studio: Studio) -> None:
    """At its end it rewrites the results that it reads its list from."""
    studio.sandbox.add_fault(Fault("video_failed"))
    first = await launch.parent(2, deployment=None, wait="process")
    with pytest.raises(BatchFailed):
        await first.start()
    redrive = await launch.redrive("cats")
    await redrive.leave()
    (run,) = await launch.chunks(redrive)
    studio.sandbox.add_fault(Fault("create_402"))
    await launch.make(run)
    with pytest.raises(BatchFailed):
        await again(redrive)
    await redrive.set(AwaitingRetry())
    await redrive.leave()
    (other,) = (one for one in await launch.chunks(redrive) if one.id != run.id)
    await launch.make(other)
    assert (await again(redrive)).stored == 1
