"""A bucket, tried with the very requests that storing a video makes, under names of its own."""

import io
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from email.utils import parsedate_to_datetime
from functools import cached_property
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from prefect_octopusx.doctor.findings import Finding, failed, ok, skipped, told_by, warning
from prefect_octopusx.doctor.places import Place
from prefect_octopusx.storage import DestinationError, S3Options
from prefect_octopusx.storage.s3_client import open_client
from prefect_octopusx.storage.s3_conditions import try_conditions
from prefect_octopusx.storage.s3_errors import explaining, status_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["Bucket", "skew_of"]

_DATA = b"Written by prefect_octopusx.doctor; it removes this again.\n"
_OTHER = b"Not what was sent."
_WORTH_A_WORD = 30.0  # seconds of skew
_REFUSED = 900.0  # seconds, from which on S3 refuses requests (RequestTimeTooSkewed)


class Bucket(Place):
    """A bucket. What is written lies below `PREFIX/.doctor/` and is removed.

    Args:
        options: Where it is.
        clock: Seconds since 1970.
    """

    kind = "bucket"

    def __init__(self, options: S3Options, clock: Callable[[], float] = time.time) -> None:
        self._options = options
        self._clock = clock
        self._folder = f".doctor/{token_hex(8)}"
        self.address = f"s3://{options.bucket}/{options.key('', '')}"
        self.own = f"s3://{options.bucket}/{self._key('')}"

    def write(self) -> Finding:
        """Put, read and delete an object with the options of a video; then it must be gone, and not forbidden."""
        options = self._options.video()
        options.pop("StorageClass", None)  # what is archived can't be read back; `multipart` tries the class
        with self._object("write", _DATA, **options) as key:
            if self._read(key) != _DATA:
                return failed("what is read is not what was written", "Look at the store and at proxies before it")
        if self._read(key) is None:
            return ok("an object was put, read and removed")
        return failed("an object is still there after it was deleted", "Look at the store and at caches before it")

    def conditions(self) -> Finding:
        """Put what is there already, on condition that it is not."""
        if not self._options.conditional_writes:
            return warning(
                "conditional_writes is off: two runs that start one name at one moment may both pay",
                "Use a store that honours If-None-Match, or a concurrency limit of 1 (docs/destinations.md)",
            )
        with self._object("conditions", b"") as key:
            try:
                try_conditions(self._client, self._options, key)
            except DestinationError as error:
                return told_by(error, self.address)
        return ok("a second create was refused, and a change of another version")

    def multipart(self) -> Finding:
        """Begin an upload with the options of a video, send a part, and abort it."""
        where = {"Bucket": self._options.bucket, "Key": self._key("multipart")}
        begun: dict[str, Any] = {**where, **self._options.video()}
        if self._options.checksum_algorithm is not None:
            begun["ChecksumAlgorithm"] = self._options.checksum_algorithm
        with explaining(self._options, "CreateMultipartUpload", where["Key"]):
            upload: dict[str, Any] = {**where, "UploadId": self._client.create_multipart_upload(**begun)["UploadId"]}
        try:
            with explaining(self._options, "UploadPart", where["Key"]):
                part: dict[str, Any] = {"PartNumber": 1, **self._options.checksum(_DATA)}
                self._client.upload_part(Body=io.BytesIO(_DATA), **upload, **part)
        finally:
            with explaining(self._options, "AbortMultipartUpload", where["Key"]):
                self._client.abort_multipart_upload(**upload)
        with explaining(self._options, "ListMultipartUploads", where["Key"]):
            left = self._client.list_multipart_uploads(Bucket=where["Bucket"], Prefix=where["Key"]).get("Uploads")
        if left:
            return warning("an upload in parts is still there after it was aborted", _LIFECYCLE)
        return ok("an upload was begun, sent and aborted")

    def checksums(self) -> Finding:
        """Put an object with the checksum of another one."""
        if self._options.checksum_algorithm is None:
            return skipped("checksum_algorithm is none: the store is not asked to check")
        key = self._key("checksums")
        with self._removing(key), explaining(self._options, "PutObject", key):
            try:
                self._put(key, _DATA, {**self._options.encryption(), **self._options.checksum(_OTHER)})
            except self._client.exceptions.ClientError as error:
                if status_of(error) == 400:
                    return ok(f"a wrong {self._options.checksum_algorithm} was refused")
                raise
        return warning(
            f"the store takes an object with a wrong {self._options.checksum_algorithm}",
            "Videos are checked before they are sent, but what breaks on the way to this store goes unseen",
        )

    def listing(self) -> Finding:
        """Find an object by its folder, as `collect_videos` finds what is pending."""
        with self._object("listing", b"") as key, explaining(self._options, "ListObjectsV2", key):
            page = self._client.list_objects_v2(Bucket=self._options.bucket, Prefix=self._key(""))
        if key not in {found["Key"] for found in page.get("Contents", [])}:
            return failed(
                "what was just written is not in the list of its folder",
                "Use a store whose lists are up to date: collect_videos finds what is pending by them",
            )
        return ok("what was written is listed at once")

    def clock_skew(self) -> Finding:
        """Compare with the Date of an answer."""
        key = self._key("clock")
        with explaining(self._options, "ListObjectsV2", key):
            reply = self._client.list_objects_v2(Bucket=self._options.bucket, Prefix=key, MaxKeys=1)
        return skew_of(reply["ResponseMetadata"]["HTTPHeaders"].get("date"), self._clock(), "the bucket")

    @cached_property
    def _client(self) -> "S3Client":
        with explaining(self._options, "PutObject", self._folder):
            try:
                return open_client(self._options)
            except ValueError as error:
                raise DestinationError(f"endpoint_url: {error}. Correct it: it is a whole URL") from None

    def _key(self, name: str) -> str:
        return self._options.key(f"{self._folder}/{name}", "")

    @contextmanager
    def _object(self, name: str, data: bytes, **arguments: Any) -> Iterator[str]:  # noqa: ANN401 - boto3's
        """Put an object, and remove it at the end."""
        key = self._key(name)
        with self._removing(key):
            with explaining(self._options, "PutObject", key):
                self._put(key, data, {**self._options.encryption(), **self._options.checksum(data), **arguments})
            yield key

    @contextmanager
    def _removing(self, key: str) -> Iterator[None]:
        """Remove an object at the end, also where the answer to its put was lost. What goes wrong first is told."""
        try:
            yield
        except BaseException:
            with suppress(DestinationError):
                self._delete(key)
            raise
        self._delete(key)

    def _put(self, key: str, data: bytes, arguments: dict[str, Any]) -> None:
        self._client.put_object(Bucket=self._options.bucket, Key=key, Body=data, **arguments)

    def _read(self, key: str) -> bytes | None:
        with explaining(self._options, "GetObject", key):
            try:
                with closing(self._client.get_object(Bucket=self._options.bucket, Key=key)["Body"]) as body:
                    return body.read()
            except self._client.exceptions.NoSuchKey:
                return None

    def _delete(self, key: str) -> None:
        with explaining(self._options, "DeleteObject", key):
            self._client.delete_object(Bucket=self._options.bucket, Key=key)


_LIFECYCLE = "Let a lifecycle rule abort unfinished uploads (AbortIncompleteMultipartUpload): S3 bills their parts"


def skew_of(date: str | None, now: float, whose: str) -> Finding:
    """Say how far this machine's clock is from an answer's `Date`.

    Args:
        date: The header, None where there is none.
        now: Seconds since 1970, by this machine.
        whose: Who answered.
    """
    if date is None:
        return skipped(f"{whose} tells no time")
    skew = now - parsedate_to_datetime(date).timestamp()
    told = f"this machine is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} {whose}"
    if abs(skew) >= _REFUSED:
        return failed(told, "Set this machine's clock, for example by NTP: S3 refuses requests from 15 minutes on")
    if abs(skew) >= _WORTH_A_WORD:
        return warning(told, "Set this machine's clock, for example by NTP")
    return ok("the clocks agree to a few seconds" if abs(skew) > 1.5 else "the clocks agree")
