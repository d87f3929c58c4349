"""Videos in a bucket: AWS S3, or anything that speaks its protocol and honours conditional writes."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from os.path import commonprefix
from typing import BinaryIO, Literal

from prefect_octopusx.storage.errors import DestinationError, DestinationUnavailable, RecordConflict
from prefect_octopusx.storage.links import Link, public_link
from prefect_octopusx.storage.names import check_name, is_claim, is_name
from prefect_octopusx.storage.records import VideoRecord
from prefect_octopusx.storage.s3_client import ChecksumAlgorithm, S3Options
from prefect_octopusx.storage.s3_conditions import check_conditions
from prefect_octopusx.storage.s3_errors import explaining, status_of
from prefect_octopusx.storage.s3_objects import Objects
from prefect_octopusx.storage.s3_reading import open_object
from prefect_octopusx.storage.s3_upload import S3Upload
from prefect_octopusx.storage.store import Entry, Mark, Suffix, VideoStore, VideoWriter
from prefect_octopusx.storage.threads import to_the_end

__all__ = ["ChecksumAlgorithm", "S3Options", "S3Store"]

_INDEX = ".pending/"
_KEYS_A_PAGE = 48  # A page of a listing costs 12 GETs at AWS; those that come to nothing, a quarter more at most.
_PAUSES = (0.0, 0.1, 0.2, 0.4)  # seconds before each try of a write that meets another one


class S3Store(VideoStore):
    """A bucket, or a folder in it. It may be shared by any number of machines.

    The claim of a record rests on `PutObject` with `If-None-Match` and `If-Match`: the server must honour them, and is
    tried once in each process. It rests on nothing else; CompleteMultipartUpload is not reliably conditional anywhere
    but on AWS. Without `conditional_writes` a record is read before it is written, and a claim again a while after.

    Args:
        options: Where the bucket is, and how videos are put into it.
    """

    def __init__(self, options: S3Options) -> None:
        self.options = options
        self.settling = 0.0 if options.conditional_writes else 2.0
        self.poster = options.poster
        self.player = options.player
        self._objects = Objects(options)

    def uri(self, name: str, suffix: Suffix = ".mp4") -> str:
        """Return the address of the video: `s3://bucket/prefix/NAME.mp4`."""
        return self._objects.address(self.options.key(check_name(name), suffix))

    async def read(self, name: str) -> Entry | None:
        """Return the record, or None where there is none."""
        key = self._record(name)
        stored = await asyncio.to_thread(self._objects.get, key)
        if stored is None:
            return None
        record = VideoRecord.from_json(stored.data, where=self._objects.address(key), name=check_name(name))
        return Entry(record, stored.version, stored.age)

    async def unused(self, names: Sequence[str]) -> frozenset[str]:
        """Return those of `names` under which there is neither record nor video; none, if that is not quick to tell.

        A listing is as fresh as a GET wherever conditional writes are honoured (AWS since 2020, MinIO, R2, Ceph). It
        counts only if it is whole: not every store lists in order. Trouble is for the requests in its place to tell.
        """
        keys = {name: {self._record(name), self._video(name)} for name in names}
        wanted = [key for both in keys.values() for key in both]
        start = commonprefix(wanted)  # noqa: RUF071 - character by character, as S3 does
        pages = len(wanted) // _KEYS_A_PAGE if self.options.conditional_writes else 0
        used: set[str] = set()
        token: str | None = None
        with suppress(DestinationError):
            for _ in range(pages):
                listed, token = await asyncio.to_thread(self._objects.page, start, token)
                used.update(found.key for found in listed)
                if token is None:
                    return frozenset(name for name, both in keys.items() if both.isdisjoint(used))
        return frozenset()

    async def create(self, record: VideoRecord) -> Entry:
        """Write the first record of a name, atomically.

        After a `DestinationUnavailable` it may have been written all the same. Creating the very same record again
        is then a success, not a conflict.
        """
        if not self.options.conditional_writes:
            return await asyncio.to_thread(self._put_checked, record, None)
        return await asyncio.to_thread(self._put_record, record, {"IfNoneMatch": "*"})

    async def replace(self, entry: Entry, record: VideoRecord) -> Entry:
        """Write `record` in place of `entry`, if nobody changed it in between; repeatable like `create`."""
        if not self.options.conditional_writes:
            return await asyncio.to_thread(self._put_checked, record, entry.version)
        return await asyncio.to_thread(self._put_record, record, {"IfMatch": entry.version})

    async def has_video(self, name: str) -> bool:
        """Tell whether an object lies under the video's key."""
        return await asyncio.to_thread(self._objects.exists, self._video(name))

    async def digest(self, name: str) -> tuple[int, str]:
        """Read the stored video; return its length in bytes and its SHA-256 in hex."""
        return await asyncio.to_thread(self._objects.digest, self._video(name))

    async def mark(self, name: str, claim: str) -> None:
        """Enter a claim into the index: an empty object `.pending/NAME.CLAIM`."""
        await asyncio.to_thread(self._put_mark, self._mark(name, claim))

    async def unmark(self, name: str, claim: str) -> None:
        """Remove a claim from the index."""
        await asyncio.to_thread(self._objects.delete, self._mark(name, claim))

    async def pending(self) -> AsyncIterator[Mark]:
        """Read the index, in the order of the names, a page of 1,000 at a time."""
        token: str | None = None
        while True:
            marks, token = await asyncio.to_thread(self._list_marks, token)
            for mark in marks:
                yield mark
            if not token:
                return

    async def sweep(self, name: str) -> None:
        """Abort every unfinished upload of the video."""
        await asyncio.to_thread(self._objects.abort_uploads, self._video(name))

    async def read_file(self, name: str) -> bytes | None:
        """Return an object that lies beside the videos, None where there is none."""
        return await self.read_object(self.options.key(check_name(name), ""))

    async def read_object(self, key: str, *, most: int | None = None) -> bytes | None:
        """Return an object of the bucket, None where there is none.

        Raises:
            DestinationError: It has more than `most` bytes.
        """
        stored = await asyncio.to_thread(self._objects.get, key, most)
        return stored.data if stored else None

    async def write_file(self, name: str, data: bytes) -> str:
        """Write such an object, in place of an earlier one; return its address."""
        key = self.options.key(check_name(name), "")
        await asyncio.to_thread(self._objects.put, key, data)
        return self._objects.address(key)

    def open(self, name: str, suffix: Suffix = ".mp4") -> BinaryIO | None:
        """Open the video, or what lies beside it, by requests for ranges; None if it is not there. Blocks."""
        key = self.options.key(check_name(name), suffix)
        return open_object(self._objects.client("GetObject", key), self.options, key)

    async def write_beside(self, name: str, suffix: Literal[".jpg", ".html"], data: bytes) -> None:
        """Write what lies beside a video, in place of an earlier one."""
        await asyncio.to_thread(self._objects.put, self.options.key(check_name(name), suffix), data)

    async def link(self, name: str, suffix: Suffix = ".mp4") -> Link | None:
        """Return the public address, else a presigned link if they are asked for, else AWS's own page, if it is AWS."""
        if self.options.public_base_url is not None:
            return public_link(self.options.public_base_url, f"{check_name(name)}{suffix}")
        return await asyncio.to_thread(self._objects.link, self.options.key(check_name(name), suffix))

    @asynccontextmanager
    async def writer(self, name: str) -> AsyncIterator[VideoWriter]:
        """Open the video for writing. A cancellation waits for the parts on their way, then aborts the upload."""
        key = self._video(name)
        upload = S3Upload(await asyncio.to_thread(self._objects.client, "PutObject", key), self.options, key)
        try:
            yield upload
        finally:
            await to_the_end(upload.discard())

    def _video(self, name: str) -> str:
        return self.options.key(check_name(name), ".mp4")

    def _record(self, name: str) -> str:
        return self.options.key(check_name(name), ".json")

    def _mark(self, name: str, claim: str) -> str:
        return self.options.key(f"{_INDEX}{check_name(name)}", f".{claim}")

    def _put_record(self, record: VideoRecord, condition: dict[str, str]) -> Entry:
        """Write the record if `condition` holds.

        boto3 repeats a PUT whose answer was lost, and then meets its own first try: what is stored is ours if it is
        the same to the byte, because every claim holds a random token.
        """
        key, data = self._record(record.name), record.to_json()
        client = self._objects.client("PutObject", key)
        arguments = {**condition, **self._objects.arguments(data)}
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
                    f"{self._objects.address(key)} could not be written: other writes to it kept going on. Trying "
                    "again may help."
                )
        stored = self._objects.get(key)
        if stored is not None and stored.data == data:
            return Entry(record, stored.version)
        raise self._conflict(key)

    def _put_checked(self, record: VideoRecord, version: str | None) -> Entry:
        """Write the record if it has this version (None: if there is none), as far as a look before can tell."""
        key, data = self._record(record.name), record.to_json()
        stored = self._objects.get(key)
        if stored is not None and stored.data == data:
            return Entry(record, stored.version)
        if (stored.version if stored else None) != version:
            raise self._conflict(key)
        client = self._objects.client("PutObject", key)
        with explaining(self.options, "PutObject", key):
            reply = client.put_object(
                Bucket=self.options.bucket,
                Key=key,
                Body=data,
                ContentType="application/json",
                **self._objects.arguments(data),
            )
            return Entry(record, reply["ETag"])

    def _conflict(self, key: str) -> RecordConflict:
        address = self._objects.address(key)
        return RecordConflict(f"{address} was written or removed by somebody else first. Read it again.")

    def _put_mark(self, key: str) -> None:
        client = self._objects.client("PutObject", key)
        with explaining(self.options, "PutObject", key):
            client.put_object(Bucket=self.options.bucket, Key=key, Body=b"", **self._objects.arguments(b""))
        if not self.options.conditional_writes:
            return
        try:
            check_conditions(client, self.options, key)
        except DestinationError:
            self._objects.delete(key)
            raise

    def _list_marks(self, token: str | None) -> tuple[list[Mark], str | None]:
        """Return a page of the index, and where the next one begins."""
        start = self.options.key(_INDEX, "")
        listed, following = self._objects.page(start, token)
        marks = []
        for found in listed:
            name, _, claim = found.key.removeprefix(start).rpartition(".")
            if is_claim(claim) and is_name(name):  # else it is somebody else's object
                marks.append(Mark(name, claim, found.age))
        return marks, following
