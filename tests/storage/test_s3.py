"""What only a bucket has: answers that get lost, parts on their way, options of objects."""

import asyncio
import base64
import hashlib
import logging
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.loaders import JSONFileLoader

from prefect_octopusx.storage.errors import DestinationError, DestinationUnavailable, RecordConflict
from prefect_octopusx.storage.records import RecordState
from prefect_octopusx.storage.s3 import ChecksumAlgorithm, S3Options, S3Store
from prefect_octopusx.storage.s3_upload import part_size_at
from prefect_octopusx.storage.transfer import transfer
from tests.storage.conftest import MIB, Bucket, Fault, Proxy, mp4, pieces, record

PART = 5 * MIB
COMPLETE = "POST /{bucket}/videos/fox.mp4?uploadId"


async def send(store: S3Store, length: int) -> None:
    await transfer(store, "fox", pieces(mp4(length), MIB), declared_length=None, content_type=None)


async def test_a_write_whose_answer_was_lost_is_recognised(bucket: Bucket, proxy: Proxy) -> None:
    store = S3Store(bucket.options(endpoint_url=proxy.endpoint))
    proxy.faults = [Fault("PUT"), Fault("PUT")]
    created = await store.create(record())
    assert sum(line.startswith("PUT") for line in proxy.lines) == 3
    assert await store.read("clips/fox") == created
    proxy.faults = [Fault("PUT")]
    replaced = await store.replace(created, created.record.moved(RecordState.SUBMITTED, task_id="t-1"))
    assert await store.read("clips/fox") == replaced


async def test_somebody_else_s_write_is_not_taken_for_ours(bucket: Bucket, proxy: Proxy) -> None:
    winner = await S3Store(bucket.options()).create(record())
    store = S3Store(bucket.options(endpoint_url=proxy.endpoint))
    proxy.faults = [Fault("PUT")]
    with pytest.raises(RecordConflict, match=f"s3://{bucket.name}/videos/clips/fox.json"):
        await store.create(record())
    assert (await store.read("clips/fox") or winner)[:2] == winner[:2]


async def test_a_write_that_meets_another_is_tried_again(bucket: Bucket, proxy: Proxy) -> None:
    store = S3Store(bucket.options(endpoint_url=proxy.endpoint))
    conflict = Fault("PUT", 409, "ConditionalRequestConflict")
    proxy.faults = [conflict] * 2
    assert (await store.create(record())).version
    proxy.faults = [conflict] * 4
    with pytest.raises(DestinationUnavailable, match="other writes"):
        await store.create(record("hen"))


async def test_options_of_a_video_and_its_record(bucket: Bucket) -> None:
    store = S3Store(
        bucket.options(
            storage_class="STANDARD_IA",
            server_side_encryption="aws:kms",
            sse_kms_key_id="key-1",
            tags={"team": "a b", "cost": "x=1 + y"},
            part_size=PART,
        )
    )
    await store.create(record("fox"))
    for length in (1000, PART + 1):
        await send(store, length)
        video = bucket.client.head_object(Bucket=bucket.name, Key="videos/fox.mp4")
        assert video["ContentType"] == "video/mp4"
        assert video["StorageClass"] == "STANDARD_IA"
        assert video["ServerSideEncryption"] == "aws:kms"
        tags = bucket.client.get_object_tagging(Bucket=bucket.name, Key="videos/fox.mp4")["TagSet"]
        assert {tag["Key"]: tag["Value"] for tag in tags} == {"team": "a b", "cost": "x=1 + y"}
    stored = bucket.client.head_object(Bucket=bucket.name, Key="videos/fox.json")
    assert stored["ContentType"] == "application/json"
    assert stored["ServerSideEncryption"] == "aws:kms"
    assert "StorageClass" not in stored
    assert not bucket.client.get_object_tagging(Bucket=bucket.name, Key="videos/fox.json")["TagSet"]


@pytest.mark.parametrize(
    ("algorithm", "digest"),
    [
        ("CRC32", lambda data: zlib.crc32(data).to_bytes(4)),
        ("SHA1", lambda data: hashlib.sha1(data, usedforsecurity=False).digest()),
        ("SHA256", lambda data: hashlib.sha256(data).digest()),
        (None, None),
    ],
)
async def test_the_server_is_told_the_checksum(
    bucket: Bucket, proxy: Proxy, algorithm: ChecksumAlgorithm | None, digest: Callable[[bytes], bytes] | None
) -> None:
    store = S3Store(bucket.options(endpoint_url=proxy.endpoint, checksum_algorithm=algorithm, part_size=PART))
    created = await store.create(record("fox"))
    await send(store, PART + 1)
    assert bucket.get("videos/fox.mp4") == mp4(PART + 1)
    bodies = [created.record.to_json(), mp4(PART + 1)[:PART], mp4(PART + 1)[PART:]]
    puts = [headers for line, headers in zip(proxy.lines, proxy.headers, strict=True) if line.startswith("PUT")]
    given = {value for headers in puts for name, value in headers.items() if name.lower().startswith("x-amz-checksum-")}
    assert given == ({base64.b64encode(digest(body)).decode() for body in bodies} if digest else set())
    assert not any("trailer" in name.lower() for headers in puts for name in headers)
    assert all("prefect-octopusx" in headers["User-Agent"] for headers in puts)


def test_ten_thousand_parts_hold_the_largest_object() -> None:
    assert sum(part_size_at(number, PART) for number in range(1, 10_001)) >= 5 * 1024**4
    assert {part_size_at(number, PART) for number in range(1, 4_500)} == {PART}


@pytest.mark.parametrize("given", [{"concurrency": 0}, {"part_size": MIB}])
def test_options_out_of_range(given: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(given))):
        S3Options(bucket="b", **given)  # type: ignore[arg-type]


async def test_one_client_is_made_by_the_given_factory(bucket: Bucket) -> None:
    made: list[boto3.Session] = []

    def session() -> boto3.Session:
        made.append(bucket.new_session())
        return made[-1]

    store = S3Store(bucket.options(session_factory=session))
    await asyncio.gather(*(store.read(f"fox-{n}") for n in range(8)))
    assert len(made) == 1


async def test_no_more_parts_are_on_their_way_than_allowed(bucket: Bucket, proxy: Proxy) -> None:
    store = S3Store(bucket.options(endpoint_url=proxy.endpoint, part_size=PART, concurrency=2))
    hold = threading.Event()
    proxy.faults = [Fault("partNumber", hold=hold)] * 5
    work = asyncio.create_task(send(store, 5 * PART))
    await proxy.saw("partNumber", 2)
    await asyncio.sleep(0.2)
    assert sum("partNumber" in line for line in proxy.lines) == 2
    hold.set()
    await work
    assert bucket.get("videos/fox.mp4") == mp4(5 * PART)


@pytest.mark.parametrize("step", ["?uploads", "partNumber=1"])
async def test_a_cancellation_waits_for_what_is_on_its_way_then_aborts(bucket: Bucket, proxy: Proxy, step: str) -> None:
    store = S3Store(bucket.options(endpoint_url=proxy.endpoint, part_size=PART))
    hold = threading.Event()
    proxy.faults = [Fault(step, hold=hold)]
    work = asyncio.create_task(send(store, 3 * PART))
    await proxy.saw(step)
    for _ in range(3):  # an impatient one, too
        work.cancel()
        await asyncio.sleep(0.05)
    assert not work.done()
    hold.set()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert proxy.lines[-1].startswith("DELETE")
    assert bucket.uploads() == []
    assert bucket.objects() == []


@pytest.mark.parametrize("length", [1000, 2 * PART])
async def test_a_cancellation_in_the_last_step_leaves_a_whole_video(bucket: Bucket, proxy: Proxy, length: int) -> None:
    store = S3Store(bucket.options(endpoint_url=proxy.endpoint, part_size=PART))
    hold = threading.Event()
    last = COMPLETE.format(bucket=bucket.name) if length > PART else "PUT"
    proxy.faults = [Fault(last, hold=hold)]
    work = asyncio.create_task(send(store, length))
    await proxy.saw(last)
    work.cancel()
    hold.set()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert bucket.get("videos/fox.mp4") == mp4(length)
    assert bucket.uploads() == []


@pytest.mark.parametrize("step", ["partNumber=1", "partNumber=3", COMPLETE])
async def test_a_failure_aborts_the_upload(
    bucket: Bucket, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    store = S3Store(bucket.options(endpoint_url=proxy.endpoint, part_size=PART, concurrency=2))
    proxy.faults = [Fault(step.format(bucket=bucket.name), 503, "SlowDown")]
    with pytest.raises(DestinationUnavailable, match="try later"):
        await send(store, 4 * PART)
    assert bucket.uploads() == []
    assert bucket.objects() == []


async def test_a_part_whose_answer_was_lost_is_sent_again(bucket: Bucket, proxy: Proxy) -> None:
    store = S3Store(bucket.options(endpoint_url=proxy.endpoint, part_size=PART))
    proxy.faults = [Fault("partNumber=2"), Fault(COMPLETE.format(bucket=bucket.name))]
    await send(store, 2 * PART)
    assert bucket.get("videos/fox.mp4") == mp4(2 * PART)


async def test_an_abort_that_fails_is_told_and_hides_nothing(
    bucket: Bucket, proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    store = S3Store(bucket.options(endpoint_url=proxy.endpoint, part_size=PART))
    proxy.faults = [Fault("DELETE", 403, "AccessDenied")]
    with caplog.at_level(logging.WARNING), pytest.raises(KeyError, match="the sender"):  # noqa: PT012
        async with store.writer("fox") as writer:
            await writer.write(mp4(2 * PART))
            raise KeyError("the sender")
    (left,) = bucket.uploads()
    assert f"The upload {left['UploadId']} is left in the bucket" in caplog.text


def test_boto3_is_loaded_only_when_needed() -> None:
    code = "import sys, prefect_octopusx.storage.s3; sys.exit(any('boto' in name for name in sys.modules))"
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0


_MANY_AT_ONCE = """
import asyncio, sys
from prefect_octopusx.storage import S3Options, S3Store
async def read():
    stores = [S3Store(S3Options(bucket=sys.argv[1], endpoint_url=sys.argv[2])) for _ in range(12)]
    assert await asyncio.gather(*(store.read("fox") for store in stores)) == [None] * 12
sys.setswitchinterval(1e-6)
asyncio.run(read())
"""


@pytest.mark.parametrize("server", ["moto"], indirect=True)
def test_the_first_clients_of_a_process_may_be_made_at_once(bucket: Bucket) -> None:
    subprocess.run([sys.executable, "-c", _MANY_AT_ONCE, bucket.name, bucket.endpoint], check=True, timeout=120)


@pytest.mark.parametrize("server", ["swift"], indirect=True)  # moto takes any keys
async def test_stores_look_up_their_keys_and_share_the_description_of_s3(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    load = JSONFileLoader.load_file

    def noted(loader: JSONFileLoader, path: str) -> Any:  # noqa: ANN401 - botocore's own
        read.append(path)
        return load(loader, path)

    def store() -> S3Store:
        return S3Store(bucket.options(session_factory=None))

    monkeypatch.setattr(JSONFileLoader, "load_file", noted)
    key, secret = bucket.server.keys
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-yesterday")
    with pytest.raises(DestinationError, match="SignatureDoesNotMatch"):
        await store().read("fox")
    read.clear()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    assert await store().read("fox") is None
    assert read == []
