"""Reading a file from wherever a user keeps it: a path, or `s3://bucket/key`."""

import asyncio
from dataclasses import replace
from pathlib import Path

from prefect_octopusx.api.redact import redact
from prefect_octopusx.storage.errors import DestinationError
from prefect_octopusx.storage.s3 import S3Options, S3Store

__all__ = ["read_location"]

_LARGEST = 32 * 2**20


async def read_location(location: str, *, like: S3Options | None = None) -> bytes:
    """Return a file's bytes, at most 32 MiB.

    Args:
        location: A path, or `s3://bucket/key`.
        like: How S3 is reached (endpoint, credentials, region), for any bucket; AWS's own chain by default.

    Raises:
        DestinationError: There is no such file, it can't be read, or is too large.
    """
    if not location.startswith("s3://"):
        return await asyncio.to_thread(_read_path, location)
    bucket, _, key = location.removeprefix("s3://").partition("/")
    if not bucket or not key:
        raise DestinationError(f"{redact(location)} names no object: it is like s3://bucket/folder/file.")
    options = replace(like, bucket=bucket, prefix="") if like else S3Options(bucket=bucket)
    data = await S3Store(options).read_object(key, most=_LARGEST)
    if data is None:
        raise DestinationError(f"{redact(location)} does not exist.")
    return data


def _read_path(location: str) -> bytes:
    path = Path(location)
    try:
        path = path.expanduser()
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DestinationError(f"{redact(location)} can't be read: {reason} (looked in {Path.cwd()}).") from None
    if len(data) > _LARGEST:
        raise DestinationError(f"{redact(location)} is larger than {_LARGEST} bytes.")
    return data
