"""The servers that contestants run against, each in a process of its own but the gateway: Prefect, S3, OctopusX."""

import contextlib
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import httpx

from benchmarks.scale import client_settings
from deployments.demo import start, wait_until_up
from prefect_octopusx.sandbox import Sandbox, SandboxSettings
from tests.postgres import postgres
from tests.servers import PrefectServer, free_port

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["Servers", "gateway", "servers"]

_QUIET = 4.0  # seconds without a new event: Prefect's server has taken in all of a run


@dataclass(frozen=True, slots=True, kw_only=True)
class _Varying(SandboxSettings):
    """Videos take from `generation` to `longest` seconds, the n-th always the same."""

    longest: float
    chance: random.Random = field(default_factory=lambda: random.Random(8))  # noqa: S311 - guards nothing

    def seconds_for(self, *, off_peak: bool) -> float:  # noqa: ARG002 - none is
        return self.chance.uniform(self.generation, self.longest)


@contextlib.contextmanager
def gateway(shortest: float, longest: float, refresh: float) -> Iterator[Sandbox]:
    """Run a gateway whose n-th video always takes as long."""
    with Sandbox(_Varying(generation=shortest, longest=longest, refresh=refresh)) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Servers:
    """Prefect's server and an S3 server, and what is known of them.

    Attributes:
        prefect: The address of Prefect's server, without `/api`.
        s3: The address of the S3 server.
        home: A folder for logs and for the clients' own things.
        database: What Prefect keeps its data in.
    """

    prefect: str
    s3: str
    home: Path
    database: str

    def settings(self) -> dict[str, str]:
        """Return the environment of a process that uses them."""
        return client_settings({"DEMO_PREFECT": self.prefect}, self.home) | {
            "DEMO_PREFECT": self.prefect,
            "DEMO_S3": self.s3,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def make_bucket(self, name: str) -> None:
        """Make a bucket."""
        self._client().create_bucket(Bucket=name)

    def videos(self, bucket: str) -> int:
        """Count the videos of a bucket."""
        pages = self._client().get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return sum(found["Key"].endswith(".mp4") for page in pages for found in page.get("Contents", []))

    def s3_requests(self) -> int:
        """Count the requests to the S3 server so far, by its log."""
        return (self.home / "S3 server.log").read_text(errors="replace").count(" HTTP/1.1")

    def events(self) -> int:
        """Wait until Prefect's server has taken in all events, and count them."""
        found, since = -1, time.monotonic()
        while time.monotonic() - since < _QUIET:
            time.sleep(1)
            answer = httpx.post(f"{self.prefect}/api/events/filter", json={"limit": 1}, timeout=60)
            total: int = answer.raise_for_status().json()["total"]
            if total != found:
                found, since = total, time.monotonic()
        return found

    def _client(self) -> "S3Client":
        return boto3.client(
            "s3",
            endpoint_url=self.s3,
            region_name="us-east-1",
            aws_access_key_id="bench",
            aws_secret_access_key="bench",  # noqa: S106 - of a server on this machine
        )


@contextlib.contextmanager
def servers(home: Path) -> Iterator[Servers]:
    """Start Prefect's server, on PostgreSQL where there is one, and an S3 server; end them, and all they started."""
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(postgres())
        prefect = PrefectServer(home, free_port(), database)
        stack.callback(prefect.stop)
        prefect.start()
        port, log = free_port(), home / "S3 server.log"
        url = f"http://127.0.0.1:{port}"
        process = start(log, ["benchmarks.s3_server", "-H", "127.0.0.1", "-p", str(port)], {}, stack)
        wait_until_up("S3 server", process, f"{url}/moto-api/", log)
        yield Servers(prefect.url.removesuffix("/api"), url, home, "PostgreSQL" if database else "SQLite")
