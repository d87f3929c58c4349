"""Every way in which a bucket can't be used is told in words that name the place and the way on."""

import pickle
from typing import Any

import boto3
import pytest

from prefect_octopusx.storage.errors import DestinationError, DestinationUnavailable
from prefect_octopusx.storage.s3 import S3Options, S3Store
from tests.rights import Rights, allowing
from tests.storage.conftest import Bucket, Fault, Proxy, mp4, record

REGION = (("x-amz-bucket-region", "eu-west-1"),)


@pytest.fixture(autouse=True)
def no_second_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


@pytest.mark.parametrize(
    ("status", "code", "headers", "kind", "message"),
    [
        (404, "NoSuchBucket", (), DestinationError, "bucket '{bucket}' does not exist. Create it or correct `bucket`"),
        (400, "InvalidBucketName", (), DestinationError, "'{bucket}' is not a valid bucket name"),
        (403, "InvalidAccessKeyId", (), DestinationError, "the access key is unknown there. Check the AWS"),
        (403, "SignatureDoesNotMatch", (), DestinationError, "the secret key does not fit"),
        (400, "ExpiredToken", (), DestinationError, "credentials have expired"),
        (403, "AccessDenied", (), DestinationError, r"access is denied \(said so\). Allow .* s3:PutObject"),
        (403, "RequestTimeTooSkewed", (), DestinationError, "clock is wrong"),
        (403, "SomethingElse", (), DestinationError, "access is denied"),
        (401, "Unauthorized", (), DestinationError, "access is denied"),
        (301, "PermanentRedirect", REGION, DestinationError, "another region, 'eu-west-1'. Correct `region`"),
        (400, "AuthorizationHeaderMalformed", (), DestinationError, "signed for another region"),
        (400, "InvalidStorageClass", (), DestinationError, "Correct `storage_class`"),
        (400, "KMS.NotFoundException", (), DestinationError, "Check `sse_kms_key_id`"),
        (501, "NotImplemented", (), DestinationError, "can't do this .* `checksum_algorithm` to None"),
        (501, "", (), DestinationError, "can't do this"),
        (404, "NotFound", (), DestinationError, "no such bucket or path"),
        (507, "XMinioStorageFull", (), DestinationError, r"the server is full \(said so\)"),
        (400, "InvalidRequest", (), DestinationError, r"the server refuses it \(said so\)"),
        (503, "SlowDown", (), DestinationUnavailable, "asks to try later"),
        (429, "", (), DestinationUnavailable, "asks to try later"),
        (400, "RequestTimeout", (), DestinationUnavailable, "asks to try later"),
        (400, "BadDigest", (), DestinationUnavailable, "asks to try later"),
        (500, "InternalError", (), DestinationUnavailable, "the server is in trouble"),
        (502, "", (), DestinationUnavailable, "the server is in trouble"),
    ],
)
async def test_answers(
    bucket: Bucket,
    proxy: Proxy,
    status: int,
    code: str,
    headers: tuple[tuple[str, str], ...],
    kind: type[DestinationError],
    message: str,
) -> None:
    store = S3Store(bucket.options(endpoint_url=proxy.endpoint, region="us-east-1"))
    proxy.faults = [Fault("PUT", status, code, headers)] * 2  # boto3 follows a redirect to another region once
    with pytest.raises(DestinationError, match=message.format(bucket=bucket.name)) as caught:
        await store.create(record("fox"))
    assert type(caught.value) is kind
    assert caught.value.retryable is (kind is DestinationUnavailable)
    assert f"PutObject of s3://{bucket.name}/videos/fox.json (endpoint {proxy.endpoint}) failed" in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301 - our own
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("options", "environment", "kind", "message"),
    [
        ({"bucket": "No Bucket/"}, {}, DestinationError, "'No Bucket/' is not a valid bucket name. Correct `bucket`"),
        ({"endpoint_url": "http://127.0.0.1:1"}, {}, DestinationUnavailable, "endpoint can't be reached. Check"),
        ({"endpoint_url": "minio:9000"}, {}, DestinationError, "Correct `endpoint_url`: it is a whole URL"),
        ({"region": "not a region"}, {}, DestinationError, "region"),
        ({"session_factory": lambda: boto3.Session(profile_name="nobody")}, {}, DestinationError, "profile"),
        ({}, {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, DestinationError, "there are no AWS credentials"),
        ({}, {"AWS_SECRET_ACCESS_KEY": ""}, DestinationError, "the AWS credentials can't be had"),
    ],
)
async def test_without_an_answer(
    bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    environment: dict[str, str],
    kind: type[DestinationError],
    message: str,
) -> None:
    for variable in environment:
        monkeypatch.delenv(variable)
    store = S3Store(bucket.options(**{"session_factory": None, **options}))
    for use in (lambda: store.read("fox"), lambda: store.create(record("fox")), lambda: store.has_video("fox")):
        with pytest.raises(DestinationError, match=message) as caught:
            await use()
        assert type(caught.value) is kind


async def test_a_lost_answer_and_a_broken_body(bucket: Bucket, proxy: Proxy) -> None:
    await S3Store(bucket.options()).create(record("fox"))
    store = S3Store(bucket.options(endpoint_url=proxy.endpoint))
    for fault in (Fault("GET"), Fault("GET", cut=True)):
        proxy.faults = [fault]
        with pytest.raises(DestinationUnavailable, match="the connection broke"):
            await store.read("fox")


async def test_a_server_that_is_not_trusted(bucket: Bucket) -> None:
    """The plain server answers TLS with nonsense."""
    store = S3Store(bucket.options(endpoint_url=bucket.endpoint.replace("http:", "https:")))
    with pytest.raises(DestinationUnavailable, match="the connection broke"):
        await store.read("fox")


async def test_an_endpoint_s_password_is_not_told() -> None:
    options = S3Options(bucket="b", endpoint_url="http://user:hush@127.0.0.1:1/?sig=hush")
    with pytest.raises(DestinationError) as caught:
        await S3Store(options).read("fox")
    assert "hush" not in str(caught.value)
    assert caught.value.__suppress_context__


async def test_rights(bucket: Bucket) -> None:
    rights = Rights(bucket.endpoint)
    session = rights.user(allowing("s3:GetObject", "s3:ListBucket"))
    store = S3Store(bucket.options(session_factory=lambda: session))
    with rights.enforced():
        assert await store.read("fox") is None
        with pytest.raises(DestinationError, match=r"access is denied .* Allow these credentials"):
            await store.create(record("fox"))
        with pytest.raises(DestinationError, match="access is denied"):  # noqa: PT012
            async with store.writer("fox") as writer:
                await writer.write(mp4(9_000_000))
                await writer.commit()


async def test_unknown_and_wrong_keys(bucket: Bucket) -> None:
    rights = Rights(bucket.endpoint)
    known = rights.user(allowing("s3:*")).get_credentials()
    assert known is not None

    def wrong() -> boto3.Session:
        return boto3.Session(aws_access_key_id=known.access_key, aws_secret_access_key="hush")

    with rights.enforced():
        with pytest.raises(DestinationError, match="the access key is unknown there"):
            await S3Store(bucket.options()).read("fox")
        with pytest.raises(DestinationError, match="the secret key does not fit") as caught:
            await S3Store(bucket.options(session_factory=wrong)).read("fox")
    assert "hush" not in str(caught.value)
