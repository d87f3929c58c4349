"""The bucket's store against a real S3 server, on disk, that checks signatures and checksums: OpenStack Swift.

Where Swift does not keep what the store needs, a test says what it does instead.
"""

import asyncio
import http.client
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config

from prefect_octopusx.storage.errors import DestinationError, DestinationUnavailable, RecordConflict
from prefect_octopusx.storage.records import RecordState
from prefect_octopusx.storage.s3 import ChecksumAlgorithm, S3Options, S3Store
from prefect_octopusx.storage.store import Entry
from tests.storage.conftest import MIB, Bucket, Fault, Proxy, Server, mp4, record
from tests.storage.not_on_swift import EXCEPTIONS, LONG, NEEDLESS

LARGE = mp4(12 * MIB)


@pytest.fixture
def server(swift_server: Server) -> Server:
    """Put it in the place of all, as it is taken for by a store that needs no options."""
    return swift_server._replace(needs={})


@pytest.fixture
def store(bucket: Bucket) -> S3Store:
    return S3Store(bucket.options(region="us-east-1", part_size=5 * MIB))


async def send(store: S3Store, data: bytes, *, commit: bool = True) -> None:
    async with store.writer("fox") as writer:
        for at in range(0, len(data), MIB):
            await writer.write(data[at : at + MIB])
        if commit:
            await writer.commit()


def same(found: Entry | None, written: Entry) -> bool:
    """Tell whether two entries are alike but for their age."""
    return found is not None and found[:2] == written[:2]


USES: list[Callable[[S3Store], Awaitable[Any]]] = [
    lambda store: store.read("fox"),
    lambda store: store.create(record("fox")),
    lambda store: store.has_video("fox"),
    lambda store: send(store, mp4()),
    lambda store: send(store, LARGE),
]
"""All that is done with a bucket, but for `replace`."""


async def test_a_record_is_created_and_read(store: S3Store, bucket: Bucket) -> None:
    assert await store.read("clips/füchs") is None
    created = await store.create(record("clips/füchs"))
    assert same(await store.read("clips/füchs"), created)
    assert bucket.objects() == ["videos/clips/füchs.json"]


async def test_a_second_create_is_a_conflict_unless_it_is_the_very_same(store: S3Store) -> None:
    claim = record()
    created = await store.create(claim)
    with pytest.raises(RecordConflict, match=r"clips/fox\.json"):
        await store.create(record())
    assert await store.create(claim) == created
    assert same(await store.read("clips/fox"), created)


async def test_swift_refuses_to_replace(store: S3Store) -> None:
    """It knows no `If-Match` on a PUT, so a record can't move on there unless `conditional_writes` is off."""
    created = await store.create(record())
    for entry in (created, Entry(created.record, '"0"'), Entry(record("gone"), created.version)):
        with pytest.raises(DestinationError, match="Conditional object PUTs are not supported") as caught:
            await store.replace(entry, entry.record.moved(RecordState.SUBMITTED, task_id="t-1"))
        assert (caught.value.status, caught.value.code) == (501, "NotImplemented")
        assert not caught.value.retryable
    assert same(await store.read("clips/fox"), created)
    assert await store.read("gone") is None


async def test_of_many_creators_at_least_one_wins(store: S3Store) -> None:
    """Only one should; see the next test."""
    claims = [record() for _ in range(16)]
    results = await asyncio.gather(*(store.create(claim) for claim in claims), return_exceptions=True)
    winners = [result for result in results if isinstance(result, Entry)]
    assert len(winners) + sum(isinstance(result, RecordConflict) for result in results) == 16
    stored = await store.read("clips/fox")
    assert any(same(stored, winner) for winner in winners)


async def test_swift_lets_two_creators_win(store: S3Store, bucket: Bucket) -> None:
    """It looks whether the object is there when a PUT begins, and not again when its body has come.

    The one that began last stays; the other was told a success, too.
    """
    parameters = {"Bucket": bucket.name, "Key": "videos/clips/fox.json", "IfNoneMatch": "*"}
    signer = bucket.session.client("s3", endpoint_url=bucket.endpoint, config=Config(signature_version="s3v4"))
    url = urlsplit(signer.generate_presigned_url("put_object", parameters))
    signer.close()
    first = record().to_json()
    connection = http.client.HTTPConnection(url.netloc, timeout=30)
    connection.putrequest("PUT", f"{url.path}?{url.query}")
    for header in (("If-None-Match", "*"), ("Content-Length", str(len(first))), ("Expect", "100-continue")):
        connection.putheader(*header)
    connection.endheaders()
    # Swift asks for the body once it has looked.
    assert connection.sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    second = await store.create(record())
    connection.send(first)
    assert connection.getresponse().status == 200
    connection.close()
    assert same(await store.read("clips/fox"), second)


@pytest.mark.parametrize("data", [mp4(), b""])
async def test_a_video_is_noticed(store: S3Store, bucket: Bucket, data: bytes) -> None:
    assert not await store.has_video("fox")
    bucket.client.put_object(Bucket=bucket.name, Key="videos/fox.mp4", Body=data)
    assert await store.has_video("fox")
    assert not await store.has_video("fo")


@pytest.mark.parametrize("data", [b"", mp4(), LARGE], ids=["empty", "small", "multipart"])
async def test_a_video_is_written(store: S3Store, bucket: Bucket, data: bytes) -> None:
    for _ in range(2):  # the second in place of the first
        await send(store, data)
        assert bucket.get("videos/fox.mp4") == data
        assert bucket.objects() == ["videos/fox.mp4"]
        assert bucket.uploads() == []
    stored = bucket.client.head_object(Bucket=bucket.name, Key="videos/fox.mp4")
    assert stored["ContentType"] == "video/mp4"


@pytest.mark.parametrize("data", [mp4(), LARGE], ids=["small", "multipart"])
async def test_leaving_a_writer_without_commit_leaves_nothing(store: S3Store, bucket: Bucket, data: bytes) -> None:
    await send(store, data, commit=False)
    assert bucket.objects() == []
    assert bucket.uploads() == []


async def test_an_upload_that_somebody_else_aborts(store: S3Store, bucket: Bucket) -> None:
    """As a lifecycle rule does."""
    with pytest.raises(DestinationUnavailable, match="try later"):  # noqa: PT012 - either may be where it is noticed
        async with store.writer("fox") as writer:
            await writer.write(LARGE)
            (upload,) = bucket.uploads()
            bucket.client.abort_multipart_upload(Bucket=bucket.name, Key=upload["Key"], UploadId=upload["UploadId"])
            await writer.commit()
    assert bucket.objects() == []
    assert bucket.uploads() == []


async def test_answers_that_were_lost(bucket: Bucket, proxy: Proxy) -> None:
    store = S3Store(bucket.options(endpoint_url=proxy.endpoint, region="us-east-1", part_size=5 * MIB))
    proxy.faults = [Fault("PUT")]
    created = await store.create(record())
    assert same(await store.read("clips/fox"), created)
    proxy.faults = [Fault("partNumber=2"), Fault(f"POST /{bucket.name}/videos/fox.mp4?uploadId")]
    await send(store, LARGE)
    assert bucket.get("videos/fox.mp4") == LARGE
    assert bucket.uploads() == []


async def test_an_end_whose_answer_was_lost_for_good(
    bucket: Bucket, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The video is there, whole, and no warning says otherwise: Swift answers the abort with NoSuchKey."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    store = S3Store(bucket.options(endpoint_url=proxy.endpoint, region="us-east-1", part_size=5 * MIB))
    proxy.faults = [Fault(f"POST /{bucket.name}/videos/fox.mp4?uploadId")]
    with caplog.at_level(logging.WARNING), pytest.raises(DestinationUnavailable, match="the connection broke"):
        await send(store, LARGE)
    assert bucket.get("videos/fox.mp4") == LARGE
    assert bucket.uploads() == []
    assert "AbortMultipartUpload" not in caplog.text


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256", None])
async def test_a_server_that_checks_finds_the_checksums_right(
    bucket: Bucket, algorithm: ChecksumAlgorithm | None
) -> None:
    store = S3Store(bucket.options(region="us-east-1", checksum_algorithm=algorithm, part_size=5 * MIB))
    await store.create(record("fox"))
    await send(store, LARGE)
    assert bucket.get("videos/fox.mp4") == LARGE


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
async def test_what_was_damaged_on_the_way_is_not_stored(bucket: Bucket, algorithm: ChecksumAlgorithm) -> None:
    class Damaged(S3Options):
        def checksum(self, data: bytes | memoryview) -> dict[str, str]:
            return super().checksum(bytes(data) + b"what was lost")

    given = bucket.options(region="us-east-1", checksum_algorithm=algorithm, part_size=5 * MIB)
    store = S3Store(Damaged(**vars(given)))
    for use in (USES[1], *USES[3:]):
        with pytest.raises(DestinationUnavailable, match="did not match the calculated checksum") as caught:
            await use(store)
        assert (caught.value.status, caught.value.code) == (400, "BadDigest")
    assert bucket.objects() == []
    assert bucket.uploads() == []


@pytest.mark.parametrize(
    ("keys", "bucket_name", "message", "code"),
    [
        (("test:tester", "hush"), None, "the secret key does not fit the access key", "SignatureDoesNotMatch"),
        # AWS says that it does not know the access key.
        (("test:nobody", "testing"), None, "the secret key does not fit the access key", "SignatureDoesNotMatch"),
        (("test:tester", "testing"), "not-there", "the bucket 'not-there' does not exist. Create it", "NoSuchBucket"),
    ],
    ids=["secret", "access key", "bucket"],
)
async def test_a_bucket_that_can_not_be_used(
    bucket: Bucket, keys: tuple[str, str], bucket_name: str | None, message: str, code: str
) -> None:
    session = boto3.Session(*keys)
    given = {"bucket": bucket_name or bucket.name, "session_factory": lambda: session, "region": "us-east-1"}
    store = S3Store(bucket.options(**given, part_size=5 * MIB))
    for use in USES:
        with pytest.raises(DestinationError, match=message) as caught:
            await use(store)
        assert caught.value.code == code
        assert type(caught.value) is DestinationError
        assert f"s3://{given['bucket']}/videos/fox" in str(caught.value)
        assert keys[1] not in str(caught.value)
    assert bucket.objects() == []
    assert bucket.uploads() == []


async def test_boto3_finds_the_right_region(bucket: Bucket) -> None:
    store = S3Store(bucket.options(region="eu-west-1"))
    created = await store.create(record())
    assert same(await store.read("clips/fox"), created)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tags": {"team": "a b"}}, r"the server can't do this \(Object tagging is not supported"),
        ({"server_side_encryption": "AES256"}, r"the server can't do this \(Server-side encryption is not supported"),
        ({"storage_class": "STANDARD_IA"}, "it has no such storage class. Correct `storage_class`"),
    ],
)
async def test_options_that_the_server_does_not_know(bucket: Bucket, options: dict[str, Any], message: str) -> None:
    store = S3Store(bucket.options(region="us-east-1", part_size=5 * MIB, **options))
    for data in (mp4(), LARGE):
        with pytest.raises(DestinationError, match=message):
            await send(store, data)
    assert bucket.objects() == []
    assert bucket.uploads() == []


@pytest.mark.parametrize("row", [*EXCEPTIONS, *NEEDLESS, *LONG])
def test_what_is_left_out_of_the_tests_on_swift_is_a_test(row: str) -> None:
    file, _, name = row.partition("::")
    assert not name or f"def {name}(" in Path(__file__).with_name(file).read_text()
