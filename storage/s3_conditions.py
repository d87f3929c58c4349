"""Whether a server honours conditional writes: tried before anything is paid, because claims rest on them."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from prefect_octopusx.storage.errors import DestinationError
from prefect_octopusx.storage.s3_client import S3Options
from prefect_octopusx.storage.s3_errors import explaining, status_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["check_conditions", "try_conditions"]

_KNOWN_GOOD = (".amazonaws.com", ".amazonaws.com.cn")
_WRONG_ETAG = '"00000000000000000000000000000000"'
_checked: set[tuple[str, str]] = set()  # endpoint and bucket


def check_conditions(client: "S3Client", options: S3Options, key: str) -> None:
    """Write the empty object `key`, which exists, on conditions that hold and that don't; once a process and bucket.

    This tells a server that ignores or refuses conditions. Whether it is atomic about them it does not tell.

    Raises:
        DestinationError: It does not honour them.
    """
    endpoint = client.meta.endpoint_url
    if (endpoint, options.bucket) in _checked or (urlsplit(endpoint).hostname or "").endswith(_KNOWN_GOOD):
        return
    try_conditions(client, options, key)
    _checked.add((endpoint, options.bucket))


def try_conditions(client: "S3Client", options: S3Options, key: str) -> None:
    """The same, at every call and for every server.

    Raises:
        DestinationError: It does not honour them.
    """
    conditions: tuple[tuple[dict[str, Any], bool], ...] = (
        ({"IfNoneMatch": "*"}, False),
        ({"IfMatch": _WRONG_ETAG}, False),
        ({"IfMatch": _etag(client, options, key)}, True),
    )
    for condition, should_write in conditions:
        (name,) = condition
        status = _write(client, options, key, condition)
        if should_write and status != 200:
            raise _unfit(options, f"it refuses {name} (HTTP {status})")
        if not should_write and status == 200:
            raise _unfit(options, f"it ignores {name}")
        if not should_write and status not in {409, 412}:
            raise _unfit(options, f"it refuses {name} (HTTP {status})")


def _write(client: "S3Client", options: S3Options, key: str, condition: dict[str, Any]) -> int:
    """Return the status of a write on condition."""
    arguments = {**condition, **options.encryption(), **options.checksum(b"")}
    with explaining(options, "PutObject", key):
        try:
            client.put_object(Bucket=options.bucket, Key=key, Body=b"", **arguments)
        except client.exceptions.ClientError as error:
            status = status_of(error)
            if status in {400, 404, 409, 412, 501}:
                return status
            raise
    return 200


def _etag(client: "S3Client", options: S3Options, key: str) -> str:
    with explaining(options, "HeadObject", key):
        return client.head_object(Bucket=options.bucket, Key=key)["ETag"]


def _unfit(options: S3Options, why: str) -> DestinationError:
    return DestinationError(
        f"The store of the bucket {options.bucket!r} does not honour conditional writes on PutObject: {why}. Two runs "
        "at once could both pay for a video. Use a store that does (AWS, MinIO, R2, Ceph), or set "
        "`conditional_writes` to false, which checks before and after writing instead; docs/destinations.md says what "
        "risk is left"
    )
