"""A video on its way into a bucket: one PUT if it is small, else parts that are sent side by side.

However it ends, no upload is left behind: S3 keeps, and bills, the parts of one that nobody completes or aborts.
"""

import asyncio
import io
import logging
from typing import TYPE_CHECKING, Any, cast

from prefect_octopusx.storage.errors import DestinationError
from prefect_octopusx.storage.s3_client import S3Options
from prefect_octopusx.storage.s3_errors import explaining
from prefect_octopusx.storage.threads import in_thread, to_the_end

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

__all__ = ["S3Upload", "part_size_at"]

_logger = logging.getLogger(__name__)


def part_size_at(number: int, part_size: int) -> int:
    """Return the size of part `number` (from 1): S3 takes 10,000 parts, so from the 4,500th on they double every 500.

    With 5 MiB that is room for 5 TiB, S3's largest object. Up to there all parts are alike, as some servers demand.
    """
    return part_size << max(0, number // 500 - 8)


class S3Upload:
    """Writes one object. `discard` must be awaited at the end, always; it does nothing after a commit.

    At most `concurrency` parts are being sent while one more gathers.
    """

    def __init__(self, client: "S3Client", options: S3Options, key: str) -> None:
        self._client = client
        self._options = options
        self._key = key
        self._buffer = bytearray()
        self._begun = 0  # parts that were given to a thread
        self._sent: list[CompletedPartTypeDef] = []
        self._flying: set[asyncio.Future[CompletedPartTypeDef]] = set()
        self._upload_id: str | None = None
        self._completed = False

    async def write(self, data: bytes) -> None:
        """Take the next bytes; wait while as many parts are on their way as may be.

        Raises:
            DestinationError: A part was not accepted. Nothing more can be written.
        """
        self._buffer += data
        # Not `>=`: what fits into one part is put whole, and only a byte more tells that it does not.
        while len(self._buffer) > (size := part_size_at(self._begun + 1, self._options.part_size)):
            await self._send(size)

    async def commit(self) -> None:
        """Make the object appear.

        Raises:
            DestinationError: It could not be done.
        """
        if not self._begun:
            await to_the_end(in_thread(self._put_whole))
            return
        if self._buffer:
            await self._send(len(self._buffer))
        while self._flying:
            await self._land()
        await to_the_end(in_thread(self._complete))

    async def discard(self) -> None:
        """Abort what was not committed, once no part is on its way any more: a late one would survive the abort."""
        if self._flying:
            await asyncio.wait(self._flying)
            for part in self._flying:
                part.exception()  # looked at, so that asyncio does not report it as forgotten
        if self._upload_id is not None and not self._completed:
            await in_thread(self._abort)

    async def _send(self, size: int) -> None:
        if self._upload_id is None:
            await to_the_end(in_thread(self._begin))
        while len(self._flying) >= self._options.concurrency:
            await self._land()
        part = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        self._begun += 1
        self._flying.add(in_thread(self._put_part, self._begun, part))

    async def _land(self) -> None:
        """Wait until a part has arrived."""
        landed, _ = await asyncio.wait(self._flying, return_when=asyncio.FIRST_COMPLETED)
        for part in landed:
            self._sent.append(part.result())
            self._flying.remove(part)

    # Each of the following runs in a thread and keeps what it learns itself: the task may be cancelled meanwhile.

    def _put_whole(self) -> None:
        body = bytes(self._buffer)
        with explaining(self._options, "PutObject", self._key):
            arguments = {**self._target(), **self._options.video(), **self._options.checksum(body)}
            self._client.put_object(Body=io.BytesIO(body), **arguments)

    def _begin(self) -> None:
        with explaining(self._options, "CreateMultipartUpload", self._key):
            arguments = {**self._target(), **self._options.video()}
            if self._options.checksum_algorithm is not None:
                arguments["ChecksumAlgorithm"] = self._options.checksum_algorithm
            self._upload_id = self._client.create_multipart_upload(**arguments)["UploadId"]

    def _put_part(self, number: int, part: bytes) -> "CompletedPartTypeDef":
        checksum = self._options.checksum(part)
        with explaining(self._options, f"UploadPart {number}", self._key):
            # A file, because boto3 joins bytes with the head of the request, which takes the memory twice.
            arguments = {**self._upload(), **checksum, "PartNumber": number}
            reply = self._client.upload_part(Body=io.BytesIO(part), **arguments)
            return cast("CompletedPartTypeDef", {"PartNumber": number, "ETag": reply["ETag"], **checksum})

    def _complete(self) -> None:
        parts = sorted(self._sent, key=lambda part: part.get("PartNumber", 0))
        with explaining(self._options, "CompleteMultipartUpload", self._key):
            self._client.complete_multipart_upload(MultipartUpload={"Parts": parts}, **self._upload())
        self._completed = True

    def _abort(self) -> None:
        try:
            with explaining(self._options, "AbortMultipartUpload", self._key):
                try:
                    self._client.abort_multipart_upload(**self._upload())
                except (self._client.exceptions.NoSuchUpload, self._client.exceptions.NoSuchKey):
                    return  # completed after all, and the answer was lost; or swept by another run
        except DestinationError as error:
            # Not raised: it would hide why there is something to abort.
            _logger.warning(
                "%s The upload %s is left in the bucket with its parts: abort it by hand, or let a lifecycle rule "
                "(AbortIncompleteMultipartUpload) do it.",
                error,
                self._upload_id,
            )

    def _target(self) -> dict[str, Any]:
        return {"Bucket": self._options.bucket, "Key": self._key}

    def _upload(self) -> dict[str, Any]:
        return {**self._target(), "UploadId": self._upload_id}
