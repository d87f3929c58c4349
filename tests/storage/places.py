"""A new, empty store for each life, in a folder or a bucket, and all that lies there."""

import os
from abc import ABC, abstractmethod
from pathlib import Path
from uuid import uuid4

from prefect_octopusx.storage import LocalStore, S3Store, VideoStore
from tests.storage.conftest import MIB, Bucket


class Place(ABC):
    """A new, empty store."""

    store: VideoStore

    @abstractmethod
    def files(self) -> dict[str, bytes]:
        """Return the videos and their records."""

    @abstractmethod
    def leave_broken_transfer(self, name: str) -> None:
        """Leave what a transfer of this video leaves whose process is killed."""

    @abstractmethod
    def left_over(self, name: str) -> list[str]:
        """Return what broken transfers of this video left."""


class Folder(Place):
    """A new folder."""

    def __init__(self, below: Path) -> None:
        self.path = below / uuid4().hex
        self.store = LocalStore(self.path)

    def files(self) -> dict[str, bytes]:
        # Not by `rglob`, which stumbles over folders that others remove meanwhile.
        found = [Path(folder, name) for folder, _, names in os.walk(self.path) for name in names]
        return {
            path.relative_to(self.path).as_posix(): path.read_bytes()
            for path in found
            if path.suffix in {".mp4", ".json"}
        }

    def leave_broken_transfer(self, name: str) -> None:
        parts = self._parts(name)
        parts.mkdir(parents=True, exist_ok=True)
        (parts / uuid4().hex).write_bytes(b"a part")

    def left_over(self, name: str) -> list[str]:
        return [str(path) for path in self._parts(name).glob("*")]

    def _parts(self, name: str) -> Path:
        video = self.path / f"{name}.mp4"
        return video.with_name(f".{video.name}.part")


class Prefix(Place):
    """A new prefix of a bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._prefix = f"{uuid4().hex}/"
        self._known: dict[tuple[str, str], bytes] = {}
        self.store = S3Store(bucket.options(prefix=self._prefix.strip("/"), part_size=5 * MIB))

    def files(self) -> dict[str, bytes]:
        found = {}
        listed = self._bucket.client.list_objects_v2(Bucket=self._bucket.name, Prefix=self._prefix)
        for key, tag in [(each["Key"], each["ETag"]) for each in listed.get("Contents", [])]:
            if not key.endswith((".mp4", ".json")):
                continue  # a mark, which others may remove just now
            if (key, tag) not in self._known:
                self._known[key, tag] = self._bucket.get(key)
            found[key.removeprefix(self._prefix)] = self._known[key, tag]
        return found

    def leave_broken_transfer(self, name: str) -> None:
        self._bucket.client.create_multipart_upload(Bucket=self._bucket.name, Key=f"{self._prefix}{name}.mp4")

    def left_over(self, name: str) -> list[str]:
        return [each["Key"] for each in self._bucket.uploads() if each["Key"] == f"{self._prefix}{name}.mp4"]
