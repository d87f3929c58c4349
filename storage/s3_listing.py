"""Which keys of many are free: told by a few pages of the bucket's listing, in place of a request for each."""

from collections.abc import Sequence
from os.path import commonprefix
from typing import TYPE_CHECKING, Any

from prefect_octopusx.storage.s3_client import S3Options
from prefect_octopusx.storage.s3_errors import explaining

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["free_keys"]

_GETS_A_PAGE = 12
"""What a page of a listing costs at AWS, in GETs."""
_UNORDERED = "--x-s3"
"""How the names of AWS's directory buckets end; those list in no order."""


def free_keys(client: "S3Client", options: S3Options, keys: Sequence[str]) -> frozenset[str]:
    """Return those of `keys` under which nothing lies, as far as a listing tells for less than asking for each does.

    A listing is as fresh as a GET wherever conditional writes are honoured (AWS since 2020, MinIO, R2, Ceph). Keys of
    which it does not tell are left out, as are those that exist.

    Args:
        client: The client.
        options: Where the bucket is.
        keys: The keys.

    Raises:
        DestinationError: The bucket can't be listed.
    """
    pages = len(keys) // _GETS_A_PAGE
    if not pages or not options.conditional_writes or options.bucket.endswith(_UNORDERED):
        return frozenset()
    wanted = sorted(keys, key=str.encode)  # in the order of their bytes, as S3 lists them
    start = commonprefix([wanted[0], wanted[-1]])  # noqa: RUF071 - S3 compares characters, too
    place: dict[str, Any] = {"StartAfter": wanted[0][:-1]}
    seen: set[str] = set()
    last = ""
    for _ in range(pages):
        with explaining(options, "ListObjectsV2", start):
            page = client.list_objects_v2(Bucket=options.bucket, Prefix=start, **place)
        found = [entry["Key"] for entry in page.get("Contents", [])]
        seen.update(found)
        last = found[-1] if found else last
        if not page["IsTruncated"] or last.encode() >= wanted[-1].encode():
            return frozenset(wanted) - seen
        place = {"ContinuationToken": page["NextContinuationToken"]}
    return frozenset(key for key in wanted if key.encode() <= last.encode()) - seen
