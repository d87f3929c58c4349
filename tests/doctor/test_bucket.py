"""A bucket, and what is wrong with it."""

import threading
import time
from typing import Any

import pytest

from prefect_octopusx.api import ViduRequest
from prefect_octopusx.blocks import OctopusXCredentials, S3Destination
from prefect_octopusx.doctor import Verdict, diagnose
from prefect_octopusx.doctor.bucket import Bucket
from prefect_octopusx.storage import submit
from tests.doctor.conftest import Look, spoil
from tests.storage.conftest import Bucket as Made
from tests.storage.conftest import Fault, Proxy

CHECKS = ["destination-write", "destination-conditions", "bucket-multipart", "bucket-listing", "bucket-clock"]


def at(made: Made, **options: Any) -> S3Destination:  # noqa: ANN401 - any option
    return S3Destination(**{"bucket": made.name, "prefix": "clips", "endpoint_url": made.endpoint, **options})


def refusing(proxy: Proxy, header: str, code: str, status: int = 501) -> None:
    """Let the store refuse every request with this header."""
    take = proxy.take

    def refuse(line: str, headers: dict[str, str]) -> Fault | None:
        return take(line, headers) or (Fault("", status, code) if header in headers else None)

    proxy.take = refuse  # type: ignore[method-assign]


async def test_a_good_bucket_passes_and_nothing_is_left_in_it(bucket: Made) -> None:
    destination = at(bucket, storage_class="STANDARD_IA", tags={"team": "launch"})
    diagnosis = await diagnose(destination, only=[*CHECKS, "folder-space"])
    assert {check.name: check.verdict for check in diagnosis.checks} == {
        "destination": Verdict.OK,
        **dict.fromkeys(CHECKS, Verdict.OK),
        "folder-space": Verdict.SKIPPED,
    }
    assert (bucket.objects(), bucket.uploads()) == ([], [])


async def test_a_bucket_that_is_missing_is_told_once(bucket: Made) -> None:
    diagnosis = await diagnose(at(bucket, bucket="not-there"), only=CHECKS)
    write = diagnosis.of("destination-write")
    assert write.found.endswith("the bucket 'not-there' does not exist")
    assert write.mend == "Create it or correct `bucket`."
    assert [check.name for check in diagnosis.checks if check.verdict is Verdict.FAILED] == ["destination-write"]
    assert diagnosis.of("bucket-multipart").found == "destination-write failed"


async def test_a_bucket_that_is_away_fails() -> None:
    diagnosis = await diagnose(S3Destination(bucket="videos", endpoint_url="http://127.0.0.1:9"), only=CHECKS)
    assert "the endpoint can't be reached" in diagnosis.of("destination-write").found


async def test_a_right_that_is_missing_is_named(bucket: Made, proxy: Proxy) -> None:
    proxy.faults = [Fault("DELETE", 403, "AccessDenied")]
    diagnosis = await diagnose(at(bucket, endpoint_url=proxy.endpoint), only=["destination-write"])
    assert "DeleteObject" in diagnosis.of("destination-write").found
    assert "s3:DeleteObject" in diagnosis.of("destination-write").mend


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
async def test_a_storage_class_that_archives_is_no_fault(bucket: Made, storage_class: str) -> None:
    diagnosis = await diagnose(at(bucket, storage_class=storage_class), only=["bucket-multipart"])
    assert diagnosis.of("destination-write").verdict is Verdict.OK
    assert diagnosis.of("bucket-multipart").verdict is Verdict.OK


@pytest.mark.parametrize("check", ["destination-write", "bucket-checksums", "bucket-listing"])
async def test_an_object_whose_put_lost_its_answer_is_removed(bucket: Made, proxy: Proxy, check: str) -> None:
    name = check.rpartition("-")[2]
    take = proxy.take

    def lose(line: str, headers: dict[str, str]) -> Fault | None:
        fault = take(line, headers)
        return Fault("") if line.startswith("PUT ") and line.partition("?")[0].endswith(f"/{name}") else fault

    proxy.take = lose  # type: ignore[method-assign]
    found = (await diagnose(at(bucket, endpoint_url=proxy.endpoint), only=[check])).of(check)
    assert (found.verdict, "the connection broke" in found.found) == (Verdict.FAILED, True), found
    assert found.mend == "Trying again may help."
    assert bucket.objects() == []


async def test_what_ends_after_its_time_is_removed_and_told(bucket: Made, proxy: Proxy) -> None:
    held = threading.Event()
    proxy.faults = [Fault("/write", hold=held)]  # its first request, the put
    threading.Timer(1.5, held.set).start()
    diagnosis = await diagnose(at(bucket, endpoint_url=proxy.endpoint), only=["destination-write"], timeout=0.7)
    found = diagnosis.of("destination-write").found
    assert f"no end within 0.7 s; it may have left something in s3://{bucket.name}/clips/.doctor/" in found
    assert any(line.startswith("DELETE ") for line in proxy.lines)
    assert bucket.objects() == []


async def test_a_store_that_refuses_conditions_fails(bucket: Made, proxy: Proxy) -> None:
    refusing(proxy, "If-None-Match", "NotImplemented")
    destination = at(bucket, endpoint_url=proxy.endpoint)
    diagnosis = await diagnose(destination, only=["destination-conditions"])
    found = diagnosis.of("destination-conditions")
    assert found.verdict is Verdict.FAILED
    assert "refuses IfNoneMatch (HTTP 501)" in found.found
    assert "`conditional_writes` to false" in found.mend
    assert bucket.objects() == []


def test_a_store_that_ignores_conditions_fails(bucket: Made) -> None:
    session = bucket.new_session()

    def drop(request: Any, **_: object) -> None:  # noqa: ANN401 - botocore's
        del request.headers["If-None-Match"]

    session.events.register("before-sign.s3.PutObject", drop)
    found = Bucket(bucket.options(session_factory=lambda: session)).conditions()
    assert (found.verdict, "ignores IfNoneMatch" in found.found) == (Verdict.FAILED, True)
    assert bucket.objects() == []


async def test_a_store_that_is_said_to_have_no_conditions_warns(bucket: Made) -> None:
    diagnosis = await diagnose(at(bucket, conditional_writes=False), only=["destination-conditions"])
    assert diagnosis.of("destination-conditions").verdict is Verdict.WARNING
    assert (diagnosis.passed(), diagnosis.passed(strict=True)) == (True, False)


async def test_a_store_without_uploads_in_parts_fails(bucket: Made, proxy: Proxy) -> None:
    proxy.faults = [Fault("?uploads", 501, "NotImplemented")]
    diagnosis = await diagnose(at(bucket, endpoint_url=proxy.endpoint), only=["bucket-multipart"])
    assert "CreateMultipartUpload" in diagnosis.of("bucket-multipart").found
    assert diagnosis.of("bucket-multipart").verdict is Verdict.FAILED


async def test_a_part_that_is_refused_leaves_no_upload(bucket: Made, proxy: Proxy) -> None:
    proxy.faults = [Fault("partNumber=1", 403, "AccessDenied")]
    diagnosis = await diagnose(at(bucket, endpoint_url=proxy.endpoint), only=["bucket-multipart"])
    assert "UploadPart" in diagnosis.of("bucket-multipart").found
    assert bucket.uploads() == []


async def test_a_store_that_checks_nothing_warns_and_one_that_does_passes(bucket: Made, proxy: Proxy) -> None:
    diagnosis = await diagnose(at(bucket), only=["bucket-checksums"])  # moto checks none
    assert diagnosis.of("bucket-checksums").verdict is Verdict.WARNING
    assert bucket.objects() == []
    proxy.faults = [Fault("/checksums", 400, "BadDigest")]
    diagnosis = await diagnose(at(bucket, endpoint_url=proxy.endpoint), only=["bucket-checksums"])
    assert diagnosis.of("bucket-checksums").found == "a wrong CRC32 was refused"


async def test_a_store_that_is_not_asked_to_check_is_skipped(bucket: Made) -> None:
    diagnosis = await diagnose(at(bucket, checksum_algorithm=None), only=["bucket-checksums"])
    assert diagnosis.of("bucket-checksums").verdict is Verdict.SKIPPED


async def test_a_list_that_may_not_be_read_fails(bucket: Made, proxy: Proxy) -> None:
    proxy.faults = [Fault("list-type=2", 403, "AccessDenied")]
    diagnosis = await diagnose(at(bucket, endpoint_url=proxy.endpoint), only=["bucket-listing"])
    assert "s3:ListBucket" in diagnosis.of("bucket-listing").mend
    assert bucket.objects() == []


@pytest.mark.parametrize(
    ("seconds", "verdict", "told"),
    [(-100, Verdict.WARNING, "behind the bucket"), (1000, Verdict.FAILED, "ahead of the bucket")],
)
async def test_a_clock_that_is_wrong_is_told(bucket: Made, seconds: float, verdict: Verdict, told: str) -> None:
    diagnosis = await diagnose(at(bucket), only=["bucket-clock"], clock=lambda: time.time() + seconds)
    assert diagnosis.of("bucket-clock").verdict is verdict
    assert told in diagnosis.of("bucket-clock").found


async def test_the_saved_block_is_what_flows_use(look: Look, bucket: Made) -> None:
    del look
    await at(bucket).asave("default", overwrite=True)
    try:
        found = (await diagnose(only=["destination"])).of("destination")
        again = (await diagnose("s3-destination/default", only=["destination"])).of("destination")
    finally:
        await S3Destination.adelete("default")
    assert found.found == f"s3://{bucket.name}/clips (the block s3-destination/default)"
    assert again.found == found.found


@pytest.mark.parametrize("asked_for", [None, "s3-destination/default"])
async def test_a_block_that_cannot_be_read_is_named(look: Look, bucket: Made, asked_for: str | None) -> None:
    del look
    await at(bucket).asave("default", overwrite=True)
    try:
        await spoil("s3-destination", {"bucket": "x"})
        found = (await diagnose(asked_for, only=["destination"])).of("destination")
    finally:
        await S3Destination.adelete("default")
    assert found.found.startswith("the block s3-destination/default can't be read (bucket: ")
    assert found.mend.splitlines()[-1] == 'await S3Destination(...).asave("default", overwrite=True)'


async def test_a_block_that_is_not_saved_fails(look: Look) -> None:
    found = await look("destination", "local-destination/archive")
    assert (found.verdict, found.found) == (Verdict.FAILED, "there is no saved block local-destination/archive")
    assert 'LocalDestination(...).asave("archive")' in found.mend


async def test_videos_that_nobody_collected_are_told(
    look: Look, bucket: Made, credentials: OctopusXCredentials
) -> None:
    request = ViduRequest(model="viduq3-pro", prompt="a cat")
    async with credentials.client() as client:
        await submit(await at(bucket).store(), client, request, name="cat")
    young = await look("pending-videos", at(bucket))
    assert (young.verdict, young.found) == (Verdict.OK, "of 1 pending videos none is older than a day")
    old = await look("pending-videos", at(bucket), later=90_000)
    assert (old.verdict, old.found) == (
        Verdict.WARNING,
        "1 of 1 pending videos are older than a day: cat (submitted)",
    )
    assert "collect_videos" in old.mend
