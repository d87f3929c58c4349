"""Reading an object of a bucket by ranges."""

from contextlib import closing
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from prefect_octopusx.storage.errors import DestinationError
from prefect_octopusx.storage.reading import BLOCK, RangeReader
from prefect_octopusx.storage.s3_client import S3Options
from prefect_octopusx.storage.s3_errors import explaining

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["open_object"]


def open_object(client: "S3Client", options: S3Options, key: str) -> BinaryIO | None:
    """Open an object, None where there is none. Blocks; a request fetches a block of it.

    Raises:
        DestinationError: It can't be read; what it returns raises this as well, also if the object is replaced.
    """
    with explaining(options, "GetObject", key):
        try:
            reply = client.get_object(Bucket=options.bucket, Key=key, Range=f"bytes=0-{BLOCK - 1}")
        except client.exceptions.NoSuchKey:
            return None
        except client.exceptions.ClientError as error:
            if error.response.get("Error", {}).get("Code") != "InvalidRange":
                raise
            return cast("BinaryIO", RangeReader(0, lambda _start, _end: b""))  # it is empty
        with closing(reply["Body"]) as body:
            if reply["ContentLength"] > BLOCK:
                raise DestinationError(
                    f"s3://{options.bucket}/{key} can't be read in parts: the server ignores ranges."
                )
            first = body.read()
        told: str | None = reply.get("ContentRange")  # a server may leave it out where it sends all
        size = int(told.rpartition("/")[2]) if told and not told.endswith("*") else len(first)
        # A store whose conditions on writes can't be relied on is asked for none on reads.
        same: dict[str, Any] = {"IfMatch": reply["ETag"]} if options.conditional_writes else {}

    def fetch(start: int, end: int) -> bytes:
        with explaining(options, "GetObject", key):
            part = client.get_object(Bucket=options.bucket, Key=key, Range=f"bytes={start}-{end - 1}", **same)
            with closing(part["Body"]) as body:
                return body.read()

    return cast("BinaryIO", RangeReader(size, fetch, first=first))
