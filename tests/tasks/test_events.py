"""What Prefect is told of videos: every flow tells each thing once, and no more than others may know."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from prefect.exceptions import EventTooLarge

from prefect_octopusx.api import SubmissionUncertain, VideoFailed, ViduRequest
from prefect_octopusx.blocks import LocalDestination, OctopusXCredentials
from prefect_octopusx.flows import adopt_video, collect_videos, generate_video, generate_videos
from prefect_octopusx.sandbox import Fault, Sandbox
from prefect_octopusx.storage import RecordState
from tests.tasks.told import Told

pytestmark = pytest.mark.usefixtures("prefect_api", "retries_at_once")

SECRET = "canary-7d1f"
CAT = ViduRequest(
    model="viduq3-pro", prompt="a cat chasing butterflies", images=[f"https://pictures.test/cat.png?sig={SECRET}"]
)


@pytest.fixture
async def told(prefect_api: str, tmp_path: Path) -> AsyncIterator[Told]:  # noqa: ARG001 - it only has to run
    async with Told.listening("octopusx.", about=f"octopusx.video.{tmp_path}/videos/") as listening:
        yield listening


@pytest.fixture
def given(credentials: OctopusXCredentials, tmp_path: Path) -> dict[str, Any]:
    return {"destination": LocalDestination(folder=tmp_path / "videos", poster=False), "credentials": credentials}


async def generate(given: dict[str, Any], name: str = "a/hero", **options: Any) -> Any:  # noqa: ANN401
    return await generate_video(CAT, name=name, poll_interval=0.05, **given, **options)


async def test_events_tell_the_facts_and_no_secrets(told: Told, given: dict[str, Any], sandbox: Sandbox) -> None:
    record = await generate(given)
    submitted, completed = await told.events()
    assert (submitted.event, completed.event) == ("octopusx.video.submitted", "octopusx.video.completed")
    folder = str(given["destination"].folder)
    assert dict(completed.resource.items()) == {
        "prefect.resource.id": f"octopusx.video.{folder}/a/hero.mp4",
        "prefect.resource.name": "a/hero",
        "octopusx.model": "viduq3-pro",
        "octopusx.family": "vidu",
        "octopusx.state": "completed",
        "octopusx.destination": folder,
    }
    facts = json.loads(record.model_dump_json(include={"task_id", "size", "sha256", "uri", "submitted_at"}))
    assert completed.payload.items() >= facts.items()
    assert completed.payload["seconds"] == pytest.approx(
        (record.completed_at - record.submitted_at).total_seconds(), abs=0.001
    )
    assert completed.payload["attempts"] == 1
    for event, task in ((submitted, "create"), (completed, "save")):
        assert event.resource_in_role["flow"].name == "generate-video"
        assert event.resource_in_role["flow-run"].name == "a/hero (viduq3-pro)"
        assert event.resource_in_role["task-run"].name == f"{task} viduq3-pro a/hero"
        text = event.model_dump_json()
        for hidden in (SECRET, sandbox.key, "butterflies", "sig=", "pictures.test"):
            assert hidden not in text


async def test_what_is_done_or_followed_is_not_told_again(told: Told, given: dict[str, Any]) -> None:
    await asyncio.gather(generate(given), generate(given))
    await generate(given)
    assert await told.names() == ["a/hero submitted", "a/hero completed"]


async def test_what_is_submitted_here_and_collected_there(told: Told, given: dict[str, Any], sandbox: Sandbox) -> None:
    await generate(given, wait="none")
    sandbox.add_fault(Fault("video_failed"))
    await generate(given, "lost", wait="none")
    await asyncio.sleep(0.3)  # until both are over
    for _ in range(2):
        await collect_videos(requests_per_minute=6000, **given)
    told_of = await told.names()
    assert told_of[:2] == ["a/hero submitted", "lost submitted"]
    assert sorted(told_of[2:]) == ["a/hero completed", "lost failed"]


async def test_a_failed_video_says_why(told: Told, given: dict[str, Any], sandbox: Sandbox) -> None:
    reason = f"no cats, see https://pictures.test/why?sig={SECRET}"
    sandbox.add_fault(Fault("video_failed_object", reason=reason))
    both = await asyncio.gather(generate(given), generate(given), return_exceptions=True)
    assert [type(error) for error in both] == [VideoFailed] * 2
    with pytest.raises(VideoFailed):
        await generate(given)
    _, failed = await told.events()
    assert failed.event == "octopusx.video.failed"
    assert "no cats" in failed.payload["error"]
    assert failed.payload["error_code"]
    assert SECRET not in failed.model_dump_json()


async def test_an_uncertain_video_is_submitted_once_somebody_finds_it(
    told: Told, given: dict[str, Any], sandbox: Sandbox
) -> None:
    sandbox.add_fault(Fault("create_lost_reply"))
    for _ in range(2):
        with pytest.raises(SubmissionUncertain):
            await generate(given)
    assert await told.names() == ["a/hero uncertain"]
    (charge,) = sandbox.ledger
    await adopt_video(charge.task_id, "a/hero", poll_interval=0.05, **given)
    assert await told.names() == ["a/hero submitted", "a/hero completed"]


async def test_a_video_of_other_tools_is_told_of_as_well(told: Told, given: dict[str, Any], sandbox: Sandbox) -> None:
    async with given["credentials"].client() as client:
        theirs = await client.create_video(CAT)
    for _ in range(2):
        await adopt_video(theirs.id, "theirs", poll_interval=0.05, **given)
    assert await told.names() == ["theirs submitted", "theirs completed"]
    assert len(sandbox.ledger) == 1


async def test_a_batch_tells_of_each_video_once_whatever_is_retried(
    told: Told, given: dict[str, Any], sandbox: Sandbox
) -> None:
    for kind in ("create_rate_limited", "query_500", "file_truncated", "file_reset"):
        sandbox.add_fault(Fault(kind))
    requests = {name: CAT.model_copy(update={"prompt": name}) for name in ("one", "two", "three")}
    result = await generate_videos(requests=requests, requests_per_minute=6000, poll_interval=0.1, name="b", **given)
    assert result.stored == 3
    told_of = await told.names()
    assert sorted(told_of) == sorted(f"{name} {what}" for name in requests for what in ("submitted", "completed"))


async def test_an_event_that_can_not_be_told_fails_nothing(
    told: Told, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise EventTooLarge(2_000_000, 1_500_000)  # the one error that Prefect raises; a real one stops its own events

    monkeypatch.setattr("prefect_octopusx.tasks.events.emit_event", refuse)
    record = await generate(given)
    assert record.state is RecordState.COMPLETED
    assert await told.names() == []
