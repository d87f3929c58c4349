"""A destination seen from outside: what lies there, in the files' own terms, asked without the product's code."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import boto3

from prefect_octopusx.blocks import LocalDestination, S3Destination

__all__ = ["Bucket", "Folder", "Place", "bucket", "record_in"]


class Place(Protocol):
    """Where one video, `hero`, is made."""

    destination: S3Destination | LocalDestination

    def files(self) -> dict[str, bytes]:
        """Return all that lies there, hidden files, folders and unfinished uploads included."""

    def marks(self) -> set[str]:
        """Return the claims of `hero` in the index of pending videos."""


class Bucket:
    """A bucket of its own."""

    def __init__(self, destination: S3Destination, client: Any) -> None:  # noqa: ANN401 - boto3 has no such type
        self.destination = destination
        self._client = client

    def files(self) -> dict[str, bytes]:
        found = self._client.list_objects_v2(Bucket=self.destination.bucket).get("Contents", [])
        uploads = self._client.list_multipart_uploads(Bucket=self.destination.bucket).get("Uploads", [])
        return {each["Key"].removeprefix("clips/"): self._read(each["Key"]) for each in found} | {
            f"unfinished upload {each['Key'].removeprefix('clips/')}": b"" for each in uploads
        }

    def marks(self) -> set[str]:
        start = "clips/.pending/hero."
        found = self._client.list_objects_v2(Bucket=self.destination.bucket, Prefix=start).get("Contents", [])
        return {each["Key"].removeprefix(start) for each in found}

    def _read(self, key: str) -> bytes:
        data: bytes = self._client.get_object(Bucket=self.destination.bucket, Key=key)["Body"].read()
        return data


class Folder:
    """A folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.destination = LocalDestination(folder=folder)

    def files(self) -> dict[str, bytes]:
        folder = self.destination.folder
        return {
            path.relative_to(folder).as_posix(): b"" if path.is_dir() else path.read_bytes()
            for path in folder.rglob("*")
        }

    def marks(self) -> set[str]:
        index = self.destination.folder / ".pending"
        return {path.name for path in index.glob("*") if path.read_text() == "hero\n"}


@contextmanager
def bucket(s3_url: str) -> Iterator[Bucket]:
    """Make a bucket."""
    client = boto3.client("s3", endpoint_url=s3_url)
    name = f"videos-{uuid4().hex[:12]}"
    client.create_bucket(Bucket=name)
    yield Bucket(S3Destination(bucket=name, prefix="clips", endpoint_url=s3_url, region="us-east-1"), client)
    client.close()


def record_in(place: Place) -> dict[str, Any] | None:
    """Return the record as it lies there, None if there is none."""
    found = place.files().get("hero.json")
    record: dict[str, Any] | None = json.loads(found) if found else None
    return record
