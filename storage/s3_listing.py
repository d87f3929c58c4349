"""Which keys of many are free: told by a few pages of the bucket's listing, in place of a request for each."""

from collections.abc import Iterable, Sequence
from os.path import commonprefix
from typing import TYPE_CHECKING, Any

from prefect_octopusx.storage.s3_client import S3Options
from prefect_octopusx.storage.s3_errors import explaining

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["Page", "most_pages", "page_of"]

_KEYS_A_PAGE = 48
"""A page of a listing costs as much as 12 GETs at AWS. So those that come to nothing cost a quarter more at most."""

Page = tuple[list[str], str | None]
"""Keys, and the token of the next page: None for the last one, empty where the answer does not tell."""


def most_pages(keys: Sequence[str]) -> int:
    """Return how many pages of a listing are worth the requests that they may spare; 0 for a few keys."""
    return len(keys) // _KEYS_A_PAGE


def page_of(client: "S3Client", options: S3Options, keys: Iterable[str], token: str) -> Page:
    """Return a page of what begins as all these keys do.

    Args:
        client: The client. Blocks.
        options: Where the bucket is.
        keys: The keys.
        token: From the page before; empty for the first one.

    Raises:
        DestinationError: The bucket can't be listed.
    """
    start = commonprefix(list(keys))  # noqa: RUF071 - character by character, as S3 does
    more: dict[str, Any] = {"ContinuationToken": token} if token else {}
    with explaining(options, "ListObjectsV2", start):
        page = client.list_objects_v2(Bucket=options.bucket, Prefix=start, **more)
        goes_on = page["IsTruncated"]
    found = [entry["Key"] for entry in page.get("Contents", [])]
    return found, page.get("NextContinuationToken", "") if goes_on else None
