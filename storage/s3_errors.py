"""What boto3 raises, as a `DestinationError` that names the place, the reason and the way on. Decided once, here."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prefect_octopusx.api.redact import redact, redact_url
from prefect_octopusx.storage.errors import DestinationError, DestinationUnavailable
from prefect_octopusx.storage.s3_client import S3Options

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError

__all__ = ["explaining", "status_of"]

_KEYS = (
    "Check the AWS environment variables, the profile, the role or the credentials block, and that they belong to "
    "this endpoint."
)
_RIGHTS = (
    "Allow these credentials s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload, s3:ListBucket and "
    "s3:ListBucketMultipartUploads on the bucket (without s3:ListBucket, S3 answers like this for what does not exist "
    "yet)."
)
_REGION = "Correct `region` or `endpoint_url`."
_LATER = "Trying again may help."
_ALWAYS_THERE = {"ETag", "IsTruncated", "LastModified", "NextContinuationToken", "UploadId"}
_WRONG_PORT = (
    "Correct `endpoint_url` (MinIO's is the port of the API, not of the console), or look at the proxy before it."
)

# code: (reason, way on); `{said}` is the server's own message
_BY_CODE = {
    "NoSuchBucket": ("the bucket {bucket!r} does not exist", "Create it or correct `bucket`."),
    "InvalidBucketName": ("{bucket!r} is not a valid bucket name", "Correct `bucket`."),
    "InvalidAccessKeyId": ("the access key is unknown there", _KEYS),
    "SignatureDoesNotMatch": ("the secret key does not fit the access key", _KEYS),
    "ExpiredToken": ("the credentials have expired", _KEYS),
    "InvalidToken": ("the session token is not valid there", _KEYS),
    "TokenRefreshRequired": ("the credentials have expired", _KEYS),
    "InvalidClientTokenId": ("the access key is unknown there", _KEYS),
    "AccessDenied": ("access is denied ({said})", _RIGHTS),
    "AllAccessDisabled": ("access is denied ({said})", _RIGHTS),
    "RequestTimeTooSkewed": ("this machine's clock is wrong", "Set it, for example by NTP."),
    "PermanentRedirect": ("the bucket is in another region{region}", _REGION),
    "TemporaryRedirect": ("the bucket is in another region{region}", _REGION),
    "IllegalLocationConstraintException": ("the bucket is in another region{region}", _REGION),
    "AuthorizationHeaderMalformed": ("the request was signed for another region{region}", _REGION),
    "InvalidStorageClass": ("it has no such storage class", "Correct `storage_class`."),
    "InvalidTag": ("the tags are not accepted ({said})", "Correct `tags`."),
    "NotImplemented": (
        "the server can't do this ({said})",
        "Leave out `tags`, `storage_class` and encryption, or set `checksum_algorithm` to None.",
    ),
    "InvalidObjectState": ("the object is archived", "Restore it, or choose another name or `storage_class`."),
}
# Not errors of the place: lost, damaged or slowed down on the way, or an upload that the server has already dropped.
_PASSING = {
    "BadDigest",
    "InvalidDigest",
    "NoSuchUpload",  # another run stored the video and swept this upload away
    "OperationAborted",
    "RequestTimeout",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
    "XAmzContentChecksumMismatch",
    "XAmzContentSHA256Mismatch",
}


@contextmanager
def explaining(options: S3Options, operation: str, key: str) -> Iterator[None]:
    """Turn what boto3 raises into a `DestinationError`; `operation` and `key` say what was going on."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - loaded with the client, not before

    # `from None`: boto3's own errors may show an endpoint with its password.
    at = f" (endpoint {redact_url(options.endpoint_url)})" if options.endpoint_url else ""
    place = f"{operation} of s3://{options.bucket}/{key}{at} failed"
    try:
        yield
    except ClientError as error:
        raise _from_answer(place, options, error) from None
    except BotoCoreError as error:
        raise _without_answer(place, options, error) from None
    except KeyError as missing:
        if missing.args[0] not in _ALWAYS_THERE:
            raise
        raise DestinationError(
            f"{place}: what answers is not S3 (it tells no {missing.args[0]}). {_WRONG_PORT}"
        ) from None


def status_of(error: "ClientError") -> int:
    """Return the HTTP status of the answer, 0 if it is not known."""
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def _from_answer(place: str, options: S3Options, error: "ClientError") -> DestinationError:
    answer = error.response.get("Error", {})
    # Both are None where the answer was not S3's XML but, say, a proxy's page.
    code, status = answer.get("Code") or "", status_of(error)
    said = redact(answer.get("Message") or "")[:300]  # in this order: a part of a token is not known for one
    kind: type[DestinationError] = DestinationError
    if code in _BY_CODE:
        reason, way_on = _BY_CODE[code]
    elif code in _PASSING or status == 429:
        kind, reason, way_on = DestinationUnavailable, "the server asks to try later ({said})", _LATER
    elif code.startswith("KMS."):
        reason, way_on = "the encryption key can't be used ({said})", "Check `sse_kms_key_id` and the rights on it."
    elif status in {401, 403}:
        reason, way_on = _BY_CODE["AccessDenied"]
    elif status in {301, 302, 307}:
        reason, way_on = _BY_CODE["PermanentRedirect"]
    elif status == 404:
        reason, way_on = "the server has no such bucket or path ({said})", "Correct `bucket` or `endpoint_url`."
    elif status == 501:
        reason, way_on = _BY_CODE["NotImplemented"]
    elif status == 507:
        reason, way_on = "the server is full ({said})", "Free some space there, or choose another bucket."
    elif status >= 500:
        kind, reason, way_on = DestinationUnavailable, "the server is in trouble ({said})", _LATER
    else:
        reason, way_on = "the server refuses it ({said})", "Check the destination's options."
    region = (
        answer.get("Region")  # a field of some errors only
        or error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("x-amz-bucket-region")
    )
    filled = reason.format(
        bucket=options.bucket, said=said or code or f"HTTP {status}", region=f", {region!r}" if region else ""
    )
    return kind(f"{place}: {filled}. {way_on}", status=status or None, code=code or None)


def _without_answer(place: str, options: S3Options, error: "BotoCoreError") -> DestinationError:
    from botocore import exceptions as boto  # noqa: PLC0415 - as above

    kind: type[DestinationError] = DestinationError
    match error:
        case boto.NoCredentialsError():
            reason, way_on = "there are no AWS credentials", _KEYS
        case (
            boto.PartialCredentialsError()
            | boto.CredentialRetrievalError()
            | boto.TokenRetrievalError()
            | boto.NoAuthTokenError()
            | boto.SSOError()
            | boto.ProfileNotFound()
        ):
            reason, way_on = f"the AWS credentials can't be had ({error})", _KEYS
        case boto.ParamValidationError() if "bucket name" in str(error).lower():
            reason, way_on = f"{options.bucket!r} is not a valid bucket name", "Correct `bucket`."
        case boto.SSLError() if "CERTIFICATE_VERIFY_FAILED" in str(error):
            reason = f"the server's certificate is not trusted ({error})"
            way_on = "Correct `endpoint_url`, or name the certificate authority's file in AWS_CA_BUNDLE."
        case boto.EndpointConnectionError():
            kind, reason = DestinationUnavailable, "the endpoint can't be reached"
            way_on = f"Check `endpoint_url`, `region` and the network. {_LATER}"
        case (
            boto.ConnectionError()
            | boto.HTTPClientError()
            | boto.IncompleteReadError()
            | boto.ChecksumError()
            | boto.FlexibleChecksumError()
        ):
            kind, reason, way_on = DestinationUnavailable, f"the connection broke ({error})", _LATER
        case _:
            reason, way_on = str(error), "Check the destination's options."
    return kind(f"{place}: {reason}. {way_on}")
