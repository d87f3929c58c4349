"""The objects of a bucket, one request each. Every call blocks."""

import hashlib
import threading
from contextlib import closing, suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from prefect_octopusx.storage.errors import DestinationError
from prefect_octopusx.storage.links import Link
from prefect_octopusx.storage.s3_client import S3Options, open_client
from prefect_octopusx.storage.s3_errors import explaining
from prefect_octopusx.storage.s3_links import s3_link

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["Listed", "Objects", "Stored"]


class Stored(NamedTuple):
    """An object as it was read: its bytes, its ETag, and the seconds since it was written."""

    data: bytes
    version: str
    age: float


class Listed(NamedTuple):
    """An object as a listing tells it: its key, and the seconds since it was written."""

    key: str
    age: float


class Objects:
    """The objects of a bucket, by their keys.

    Args:
        options: Where the bucket is.
    """

    def __init__(self, options: S3Options) -> None:
        self.options = options
        self._made: S3Client | None = None
        self._making = threading.Lock()

    def address(self, key: str) -> str:
        """Return the address of an object: `s3://bucket/key`."""
        return f"s3://{self.options.bucket}/{key}"

    def client(self, operation: str, key: str) -> "S3Client":
        """Return the client, made on first use. It is shared by the threads, which boto3 allows."""
        with self._making:
            if self._made is None:
                with explaining(self.options, operation, key):
                    try:
                        self._made = open_client(self.options)
                    except ValueError as error:
                        raise DestinationError(
                            f"The bucket {self.options.bucket!r} can't be reached: {error}. Correct `endpoint_url`: "
                            "it is a whole URL, such as https://minio.example.com:9000."
                        ) from None
            return self._made

    def link(self, key: str) -> Link | None:
        """Return where a browser finds an object, None if there is no such address."""
        client = self.client("GetObject", key)
        with explaining(self.options, "GetObject", key):
            return s3_link(client, self.options, key)

    def get(self, key: str, most: int | None = None) -> "Stored | None":
        """Return an object, None if there is none."""
        client = self.client("GetObject", key)
        with explaining(self.options, "GetObject", key):
            try:
                reply = client.get_object(Bucket=self.options.bucket, Key=key)
            except client.exceptions.NoSuchKey:
                return None
            with closing(reply["Body"]) as body:
                if most is not None and reply["ContentLength"] > most:
                    raise DestinationError(f"{self.address(key)} is larger than {most} bytes.")
                return Stored(body.read(), reply["ETag"], _age(reply["LastModified"], reply))

    def digest(self, key: str) -> tuple[int, str]:
        """Read an object; return its length in bytes and its SHA-256 in hex."""
        client = self.client("GetObject", key)
        sha256, size = hashlib.sha256(), 0
        with (
            explaining(self.options, "GetObject", key),
            closing(client.get_object(Bucket=self.options.bucket, Key=key)["Body"]) as body,
        ):
            for chunk in body.iter_chunks(2**20):
                sha256.update(chunk)
                size += len(chunk)
        return size, sha256.hexdigest()

    def exists(self, key: str) -> bool:
        """Tell whether there is an object.

        By a GET of its first byte, because the answer to a HEAD has no body: it can't tell a missing object from a
        missing bucket, nor a wrong key from a missing right.
        """
        client = self.client("GetObject", key)
        with explaining(self.options, "GetObject", key):
            try:
                client.get_object(Bucket=self.options.bucket, Key=key, Range="bytes=0-0")["Body"].close()
            except client.exceptions.NoSuchKey:
                return False
            except client.exceptions.ClientError as error:
                # Empty, or archived: there, but not to be read.
                if error.response.get("Error", {}).get("Code") not in {"InvalidRange", "InvalidObjectState"}:
                    raise
            return True

    def page(self, start: str, token: str | None = None) -> tuple[list[Listed], str | None]:
        """Return up to 1,000 of the objects whose keys begin with `start`, and the token of the next page, if any."""
        client = self.client("ListObjectsV2", start)
        more: dict[str, Any] = {"ContinuationToken": token} if token else {}
        with explaining(self.options, "ListObjectsV2", start):
            page = client.list_objects_v2(Bucket=self.options.bucket, Prefix=start, **more)
            following = page["NextContinuationToken"] if page["IsTruncated"] else None
        listed = [Listed(found["Key"], _age(found["LastModified"], page)) for found in page.get("Contents", [])]
        return listed, following

    def put(self, key: str, data: bytes) -> None:
        """Write an object, in place of an earlier one; its kind follows from its ending."""
        client = self.client("PutObject", key)
        with explaining(self.options, "PutObject", key):
            client.put_object(
                Bucket=self.options.bucket, Key=key, Body=data, ContentType=_kind(key), **self.arguments(data)
            )

    def delete(self, key: str) -> None:
        """Remove an object; nothing happens where there is none."""
        client = self.client("DeleteObject", key)
        with explaining(self.options, "DeleteObject", key):
            client.delete_object(Bucket=self.options.bucket, Key=key)

    def abort_uploads(self, key: str) -> None:
        """Abort every unfinished upload of an object."""
        client = self.client("ListMultipartUploads", key)
        with explaining(self.options, "ListMultipartUploads", key):
            for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=self.options.bucket, Prefix=key):
                for upload in page.get("Uploads", []):
                    if upload["Key"] == key:
                        # Its own run may have ended it just now.
                        with suppress(client.exceptions.NoSuchUpload, client.exceptions.NoSuchKey):
                            client.abort_multipart_upload(
                                Bucket=self.options.bucket, Key=key, UploadId=upload["UploadId"]
                            )

    def arguments(self, data: bytes) -> dict[str, Any]:
        """Return the arguments of a record or a mark."""
        return {**self.options.encryption(), **self.options.checksum(data)}


_KINDS = {".jsonl": "application/jsonl", ".jpg": "image/jpeg", ".html": "text/html; charset=utf-8"}


def _kind(key: str) -> str:
    return _KINDS.get(f".{key.rpartition('.')[2]}", "application/octet-stream")


def _age(modified: datetime, reply: Any) -> float:  # noqa: ANN401 - any answer of boto3
    """Return the seconds since a change by the server's own clock, up to 3 too few; 0 where it does not tell."""
    date = reply["ResponseMetadata"]["HTTPHeaders"].get("date")
    # Both are whole seconds, and some servers round the first one up. Too young is better than too old: by its age a
    # claim is taken for dead.
    return max(0.0, (parsedate_to_datetime(date) - modified).total_seconds() - 1) if date else 0.0
