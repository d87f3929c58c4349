"""Many videos at once: all are made, one that fails stops no other, and a second run does what is missing."""

import asyncio
import hashlib
import itertools
from pathlib import Path

import boto3
import pytest

from prefect_octopusx.batches import BatchFailed, ManifestError
from prefect_octopusx.blocks import LocalDestination, OctopusXCredentials, S3Destination
from prefect_octopusx.flows import generate_videos
from prefect_octopusx.sandbox import Fault, Sandbox
from prefect_octopusx.storage import RecordState
from tests.flows.batches import Batches, cats
from tests.flows.main_job import stored
from tests.flows.ways_on import DOG

pytestmark = pytest.mark.usefixtures("prefect_api", "retries_at_once")


async def test_all_are_made_and_told(batch_anywhere: Batches) -> None:
    result = await batch_anywhere(cats(6))
    assert (result.stored, result.failed, result.created, batch_anywhere.billed) == (6, 0, 6, 6)
    lines = await batch_anywhere.lines()
    assert list(lines) == [f"cat-{n}" for n in range(6)]
    for name, line in lines.items():
        record = await batch_anywhere.record(name)
        data = stored(record, batch_anywhere.destination)
        assert line["state"] == "completed"
        assert (line["uri"], line["attempts"], line["task_id"]) == (record.uri, 1, record.task_id)
        assert (line["bytes"], line["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
        assert 0 < line["seconds"] < 60
        assert "error" not in line
    assert result.uri
    assert result.uri.endswith("launch-results.jsonl")


async def test_run_again_it_does_only_what_is_missing(batch_anywhere: Batches) -> None:
    await batch_anywhere(cats(3))
    asked = len(batch_anywhere.sandbox.requests)
    result = await batch_anywhere(cats(3))
    assert (result.stored, result.created) == (3, 0)
    assert len(batch_anywhere.sandbox.requests) == asked  # the gateway is not even asked
    result = await batch_anywhere(cats(5))
    assert (result.stored, result.created, batch_anywhere.billed) == (5, 2, 5)
    assert list(await batch_anywhere.lines()) == [f"cat-{n}" for n in range(5)]


async def test_run_again_it_removes_what_a_killed_run_left_of_stored_ones(batch_anywhere: Batches) -> None:
    await batch_anywhere(cats(2))
    store = await batch_anywhere.destination.store()
    await store.mark("cat-1", (await batch_anywhere.record("cat-1")).claim)  # as if it had been killed just before
    await store.mark("other", "0" * 32)
    assert (await batch_anywhere(cats(2))).created == 0
    assert [mark.name async for mark in store.pending()] == ["other"]


async def test_one_that_fails_stops_no_other(batch: Batches) -> None:
    batch.sandbox.add_fault(Fault("video_failed", match="cat-1."))
    batch.sandbox.add_fault(Fault("create_invalid_request", match="cat-2."))
    batch.sandbox.add_fault(Fault("create_lost_reply", match="cat-3."))
    with pytest.raises(BatchFailed) as failed:
        await batch(cats(6))
    for part in (
        "3 of 6 videos stored",
        "1 failed",
        "1 refused",
        "1 uncertain",
        "cat-1 (failed)",
        "launch-results.jsonl",
    ):
        assert part in str(failed.value)
    lines = await batch.lines()
    assert [line["state"] for line in lines.values()] == [
        "completed", "failed", "refused", "uncertain", "completed", "completed",
    ]  # fmt: skip
    assert "task" in lines["cat-1"]["error"]
    assert "adopt_video" in lines["cat-3"]["error"]
    assert batch.posts == 6


@pytest.mark.parametrize("kind", ["create_model_not_found", "create_build_request_failed"])
async def test_what_is_mostly_in_vain_is_sent_three_times(batch: Batches, kind: str) -> None:
    """As `generate_video` does, not seven times: a thousand rows with a mistyped model would hold it up for hours."""
    batch.sandbox.add_fault(Fault(kind, times=None))
    with pytest.raises(BatchFailed):
        await batch(cats(1))
    assert batch.posts == 3


async def test_run_again_the_failed_ones_are_not_paid_for_unasked(batch: Batches) -> None:
    batch.sandbox.add_fault(Fault("video_failed", match="cat-1."))
    batch.sandbox.add_fault(Fault("create_lost_reply", match="cat-2."))
    for _ in range(2):
        with pytest.raises(BatchFailed):
            await batch(cats(3))
    assert batch.posts == 3
    result = await batch(cats(3), retry_failed=True, on_uncertain="resubmit")
    assert (result.stored, result.created, batch.posts) == (3, 2, 5)
    assert (await batch.lines())["cat-1"]["attempts"] == 2


async def test_how_many_may_fail_is_for_the_user_to_say(batch: Batches) -> None:
    batch.sandbox.add_fault(Fault("video_failed", match="cat-1."))
    assert (await batch(cats(4), fail_if_failed_ratio=0.25)).failed_ratio == 0.25
    assert (await batch.state(cats(4), fail_if_failed_ratio=0.24)).is_failed()


async def test_a_name_that_stands_for_another_request_is_told_and_left_alone(batch: Batches) -> None:
    await batch(cats(2))
    before = await batch.record("cat-1")
    state = await batch.state(cats(3) | {"cat-1": DOG})
    assert state.is_failed()
    assert "cat-1 (not_created)" in str(state.message)
    lines = await batch.lines()
    assert "stands for another request" in lines["cat-1"]["error"]
    assert "task_id" not in lines["cat-1"]  # that is another video's
    assert lines["cat-2"]["state"] == "completed"
    assert (await batch.record("cat-1"), batch.billed) == (before, 3)


async def test_what_others_submitted_is_waited_for_and_stored(batch: Batches) -> None:
    batch.sandbox.add_fault(Fault("video_slow", match="cat-0.", delay=3))
    with pytest.raises(BatchFailed, match=r"cat-0 \(submitted\)"):
        await batch(cats(2), deadline=0.5)
    assert "longer `deadline`" in (await batch.lines())["cat-0"]["error"]
    result = await batch(cats(2))
    assert (result.stored, result.created, batch.posts) == (2, 0, 2)


async def test_two_runs_of_one_list_at_once_pay_once(batch: Batches) -> None:
    results = await asyncio.gather(batch(cats(8)), batch(cats(8)), batch(cats(8)))
    assert [result.stored for result in results] == [8, 8, 8]
    assert sum(result.created for result in results) == 8
    assert (batch.posts, batch.billed) == (8, 8)


async def test_no_more_are_in_the_making_than_allowed(batch: Batches) -> None:
    await batch(cats(8), max_in_flight=2)
    records = [await batch.record(f"cat-{n}") for n in range(8)]
    for one in records:
        assert one.submitted_at
        others = [other for other in records if other.submitted_at and other.completed_at and other is not one]
        assert sum(other.submitted_at < one.submitted_at < other.completed_at for other in others) <= 1


async def test_no_more_are_transferred_at_once_than_allowed(batch: Batches) -> None:
    """All five are ready at the same time; the server takes half a second for each."""
    batch.sandbox.add_fault(Fault("file_slow", times=None, delay=0.5))
    await batch(cats(5), transfers=1)
    times = sorted(trace.time for trace in batch.sandbox.requests if trace.path.endswith(".mp4"))
    assert len(times) == 5
    assert all(later - earlier >= 0.5 for earlier, later in itertools.pairwise(times))


async def test_a_manifest_in_the_bucket_is_made(
    s3_destination: S3Destination, credentials: OctopusXCredentials, sandbox: Sandbox
) -> None:
    """It is read from there with the destination's own endpoint and keys."""
    batch = Batches(s3_destination, credentials, sandbox)
    store = await s3_destination.store()
    manifest = b'{"name": "{date}-{city}", "model": "viduq3-pro", "prompt": "{weekday} in {city}", "city": "Oslo"}\n'
    uri = await store.write_file("plans/cities.jsonl", manifest)
    result = await batch(name=None, manifest=uri, scheduled="2026-12-01T09:00:00")
    assert result.name == "cities"
    assert [(one.name, one.state, one.place) for one in result.results] == [("2026-12-01-Oslo", "completed", "line 1")]
    assert (await batch.record("2026-12-01-Oslo")).request["prompt"] == "tuesday in Oslo"
    assert list(await batch.lines("cities")) == ["2026-12-01-Oslo"]


async def test_the_same_list_in_another_format_is_the_same_list(batch: Batches) -> None:
    examples = Path(__file__).parents[2] / "examples"
    for created, manifest in zip((5, 0, 0), ("launch.csv", "launch.jsonl", "launch.yaml"), strict=True):
        result = await batch(name=None, manifest=str(examples / manifest))
        assert (result.name, result.stored, result.created) == ("launch", 5, created)
    assert batch.posts == 5


async def test_all_faults_are_told_before_anything_is_paid(batch: Batches, tmp_path: Path) -> None:
    manifest = tmp_path / "launch.csv"
    manifest.write_text(
        "name,model,prompt,duration\nfirst,viduq3-pro,a cat,5\na/../b,viduq3-pro,a dog,5\nlast,viduq3-pro,a cow,500\n"
    )
    with pytest.raises(ManifestError) as refused:
        await batch(name=None, manifest=str(manifest))
    assert [(fault.place, fault.column) for fault in refused.value.faults] == [("row 3", "name"), ("row 4", "duration")]
    with pytest.raises(ManifestError) as refused:
        await batch({"../up": DOG, "fine": DOG, "film.mp4": DOG})
    assert [fault.name for fault in refused.value.faults] == ["../up", "film.mp4"]
    assert not batch.sandbox.requests


async def test_a_list_is_needed_and_only_one() -> None:
    for given in ({}, {"manifest": "x.csv", "requests": cats(1)}):
        with pytest.raises(ValueError, match="one of `manifest` and `requests`"):
            await generate_videos(**given)
    with pytest.raises(ValueError, match="defaults, scheduled"):
        await generate_videos(requests=cats(1), defaults={"duration": 5})


async def test_a_manifest_whose_name_can_be_no_batchs_is_told(batch: Batches, tmp_path: Path) -> None:
    manifest = tmp_path / "my list (final).jsonl"
    manifest.write_text('{"name": "a", "model": "viduq3-pro", "prompt": "x"}')
    with pytest.raises(ValueError, match=r"batch's name.*`name`"):
        await batch(name=None, manifest=str(manifest))
    with pytest.raises(ValueError, match="batch's name"):
        await batch(name="x" * 175, manifest=str(manifest))  # the results' file name is longer
    assert (await batch(name="final", manifest=str(manifest))).stored == 1


async def test_what_can_not_be_stored_is_not_paid_for_any_more(batch: Batches) -> None:
    """The first one is paid for already, and waits for the destination to be mended."""
    batch.sandbox.add_fault(Fault("video_slow", match="cat-0.", delay=1))
    run = asyncio.create_task(batch(cats(4), max_in_flight=1, fail_if_failed_ratio=1.0))
    while not batch.billed:
        await asyncio.sleep(0.02)
    assert isinstance(batch.destination, LocalDestination)
    in_the_way = batch.destination.folder / "cat-0.mp4"
    in_the_way.mkdir()
    result = await run
    assert [one.state for one in result.results] == ["submitted", *["not_created"] * 3]
    assert "within a day" in str(result.results[0].error)
    assert "not sent" in str(result.results[3].error)
    assert batch.posts == 1
    in_the_way.rmdir()
    again = await batch(cats(4))
    assert (again.stored, again.created, batch.billed) == (4, 3, 4)


async def test_where_the_destination_is_gone_in_the_middle_no_task_id_is_lost(
    s3_destination: S3Destination, credentials: OctopusXCredentials, sandbox: Sandbox
) -> None:
    batch = Batches(s3_destination, credentials, sandbox)
    sandbox.add_fault(Fault("video_slow", times=None, delay=1))
    run = asyncio.create_task(batch(cats(3), fail_if_failed_ratio=1.0))
    records = [f"clips/cat-{n}.json" for n in range(3)]
    bucket = boto3.resource("s3", endpoint_url=s3_destination.endpoint_url).Bucket(s3_destination.bucket)
    async with asyncio.timeout(30):
        while batch.billed < 3 or len([key for key in bucket.objects.all() if key.key in records]) < 3:
            await asyncio.sleep(0.05)
        while not all(b"task_id" in bucket.Object(key).get()["Body"].read() for key in records):
            await asyncio.sleep(0.05)
    bucket.objects.delete()
    bucket.delete()
    result = await run
    assert [one.state for one in result.results] == ["unknown"] * 3
    assert sorted(str(one.task_id) for one in result.results) == sorted(job.id for job in sandbox.jobs)
    assert result.uri is None


async def test_an_empty_list_is_nothing_to_do(batch: Batches) -> None:
    assert (await batch({})).results == ()
    assert not batch.sandbox.requests


async def test_a_video_in_the_making_is_finished_by_the_next_run_after_a_cancellation(batch: Batches) -> None:
    batch.sandbox.add_fault(Fault("video_slow", times=None, delay=2))
    run = asyncio.create_task(batch(cats(4)))
    while batch.billed < 4:
        await asyncio.sleep(0.02)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert {(await batch.record(f"cat-{n}")).state for n in range(4)} == {RecordState.SUBMITTED}
    result = await batch(cats(4))
    assert (result.stored, batch.posts) == (4, 4)
