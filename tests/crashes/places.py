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

    def names(self) -> list[str]:
        """Return all that lies there, hidden files, folders and unfinished uploads included."""

    def read(self, name: str) -> bytes:
        """Return a file's bytes; none where there is no such file."""

    def marks(self) -> set[str]:
        """Return the claims of `hero` in the index of pending videos."""


class Bucket:
    """A bucket of its own."""

    def __init__(self, destination: S3Destination, client: Any) -> None:  # noqa: ANN401 - boto3 has no such type
        self.destination = destination
        self._client = client
        self._bucket = {"Bucket": destination.bucket}

    def names(self) -> list[str]:
        found = [each["Key"].removeprefix("clips/") for each in self._objects()]
        return found + [f"unfinished {each['Key']}" for each in self._uploads()]

    def read(self, name: str) -> bytes:
        try:
            found = self._client.get_object(**self._bucket, Key=f"clips/{name}")
        except self._client.exceptions.NoSuchKey:
            return b""
        data: bytes = found["Body"].read()
        return data

    def marks(self) -> set[str]:
        start = "clips/.pending/hero."
        return {each["Key"].removeprefix(start) for each in self._objects() if each["Key"].startswith(start)}

    def write(self, name: str, data: bytes) -> None:
        """Put a file there."""
        self._client.put_object(**self._bucket, Key=f"clips/{name}", Body=data)

    def digest(self) -> str:
        """Return what stands for all that lies there: the keys, their contents' digests, and the parts of uploads."""
        found = [f"{each['Key']} {each['ETag']}" for each in self._objects()]
        for upload in self._uploads():
            of = {"Key": upload["Key"], "UploadId": upload["UploadId"]}
            found += [
                f"{of} {part['PartNumber']}" for part in self._client.list_parts(**self._bucket, **of).get("Parts", [])
            ]
        return "\n".join(found)

    def _objects(self) -> list[Any]:
        return list(self._client.list_objects_v2(**self._bucket).get("Contents", []))

    def _uploads(self) -> list[Any]:
        return list(self._client.list_multipart_uploads(**self._bucket).get("Uploads", []))


class Folder:
    """A folder of its own."""

    def __init__(self, folder: Path, *, poster: bool = False) -> None:
        self.destination = LocalDestination(folder=folder, poster=poster)

    def names(self) -> list[str]:
        folder = self.destination.folder
        return [path.relative_to(folder).as_posix() for path in folder.rglob("*")]

    def read(self, name: str) -> bytes:
        path = self.destination.folder / name
        return path.read_bytes() if path.exists() else b""

    def marks(self) -> set[str]:
        index = self.destination.folder / ".pending"
        return {path.name for path in index.glob("*") if path.read_text() == "hero\n"}


@contextmanager
def bucket(s3_url: str, **options: bool) -> Iterator[Bucket]:
    """Make a bucket, for a destination with these options."""
    client = boto3.client("s3", endpoint_url=s3_url)
    name = f"videos-{uuid4().hex[:12]}"
    client.create_bucket(Bucket=name)
    where = {"bucket": name, "prefix": "clips", "endpoint_url": s3_url, "region": "us-east-1"}
    destination = S3Destination.model_validate({**where, "poster": False, **options})
    yield Bucket(destination, client)
    client.close()


def record_in(place: Place) -> dict[str, Any] | None:
    """Return the record as it lies there, None if there is none."""
    found = place.read("hero.json")
    record: dict[str, Any] | None = json.loads(found) if found else None
    return record
