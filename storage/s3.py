"""Videos in a bucket: AWS S3, or anything that speaks its protocol and honours conditional writes."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING

from prefect_octopusx.storage.errors import DestinationError, DestinationUnavailable, RecordConflict
from prefect_octopusx.storage.records import VideoRecord, check_name
from prefect_octopusx.storage.s3_client import ChecksumAlgorithm, S3Options, open_client
from prefect_octopusx.storage.s3_errors import explaining, status_of
from prefect_octopusx.storage.s3_upload import S3Upload
from prefect_octopusx.storage.store import Entry, VideoStore, VideoWriter
from prefect_octopusx.storage.threads import to_the_end

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["ChecksumAlgorithm", "S3Options", "S3Store"]

_PAUSES = (0.0, 0.1, 0.2, 0.4)  # seconds before each try of a write that meets another one


class S3Store(VideoStore):
    """A bucket, or a folder in it. It may be shared by any number of machines.

    The claim of a record rests on `PutObject` with `If-None-Match` and `If-Match`: the server must honour them. It
    rests on nothing else; CompleteMultipartUpload is not reliably conditional anywhere but on AWS.
    """

    def __init__(self, options: S3Options) -> None:
        self.options = options
        self._made: S3Client | None = None
        self._making = threading.Lock()

    def uri(self, name: str) -> str:
        """Return the address of the video: `s3://bucket/prefix/NAME.mp4`."""
        return self._address(self._video(name))

    async def read(self, name: str) -> Entry | None:
        """Return the record, or None where there is none."""
        key = self._record(name)
        stored = await asyncio.to_thread(self._get, key)
        if stored is None:
            return None
        data, version = stored
        return Entry(VideoRecord.from_json(data, where=self._address(key)), version)

    async def create(self, record: VideoRecord) -> Entry:
        """Write the first record of a name, atomically.

        After a `DestinationUnavailable` it may have been written all the same. Creating the very same record again
        is then a success, not a conflict.
        """
        return await asyncio.to_thread(self._put_record, record, {"IfNoneMatch": "*"})

    async def replace(self, entry: Entry, record: VideoRecord) -> Entry:
        """Write `record` in place of `entry`, if nobody changed it in between; repeatable like `create`."""
        return await asyncio.to_thread(self._put_record, record, {"IfMatch": entry.version})

    async def has_video(self, name: str) -> bool:
        """Tell whether an object lies under the video's key."""
        return await asyncio.to_thread(self._exists, self._video(name))

    @asynccontextmanager
    async def writer(self, name: str) -> AsyncIterator[VideoWriter]:
        """Open the video for writing. A cancellation waits for the parts on their way, then aborts the upload."""
        key = self._video(name)
        upload = S3Upload(await asyncio.to_thread(self._client, "PutObject", key), self.options, key)
        try:
            yield upload
        finally:
            await to_the_end(upload.discard())

    def _video(self, name: str) -> str:
        return self.options.key(check_name(name), ".mp4")

    def _record(self, name: str) -> str:
        return self.options.key(check_name(name), ".json")

    def _address(self, key: str) -> str:
        return f"s3://{self.options.bucket}/{key}"

    def _client(self, operation: str, key: str) -> "S3Client":
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

    def _get(self, key: str) -> tuple[bytes, str] | None:
        """Return an object's bytes and ETag, None if there is none."""
        client = self._client("GetObject", key)
        with explaining(self.options, "GetObject", key):
            try:
                reply = client.get_object(Bucket=self.options.bucket, Key=key)
            except client.exceptions.NoSuchKey:
                return None
            with closing(reply["Body"]) as body:
                return body.read(), reply["ETag"]

    def _exists(self, key: str) -> bool:
        """Tell whether there is an object.

        By a GET of its first byte, because the answer to a HEAD has no body: it can't tell a missing object from a
        missing bucket, nor a wrong key from a missing right.
        """
        client = self._client("GetObject", key)
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

    def _put_record(self, record: VideoRecord, condition: dict[str, str]) -> Entry:
        """Write the record if `condition` holds.

        boto3 repeats a PUT whose answer was lost, and then meets its own first try: what is stored is ours if it is
        the same to the byte, because every claim holds a random token.
        """
        key, data = self._record(record.name), record.to_json()
        client = self._client("PutObject", key)
        arguments = {**condition, **self.options.encryption(), **self.options.checksum(data)}
        with explaining(self.options, "PutObject", key):
            for pause in _PAUSES:
                time.sleep(pause)
                try:
                    reply = client.put_object(
                        Bucket=self.options.bucket, Key=key, Body=data, ContentType="application/json", **arguments
                    )
                except client.exceptions.NoSuchKey:
                    break
                except client.exceptions.ClientError as error:
                    if status_of(error) == 412:  # the condition does not hold
                        break
                    if status_of(error) != 409:  # another write is going on
                        raise
                else:
                    return Entry(record, reply["ETag"])
            else:
                raise DestinationUnavailable(
                    f"{self._address(key)} could not be written: other writes to it kept going on. Trying again may "
                    "help."
                )
        stored = self._get(key)
        if stored is not None and stored[0] == data:
            return Entry(record, stored[1])
        raise RecordConflict(f"{self._address(key)} was written or removed by somebody else first. Read it again.")
