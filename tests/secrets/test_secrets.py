"""Everything at DEBUG with canaries for secrets; then every place that keeps anything is searched for them."""

import base64
import json
import pickle
import re
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import boto3
import pytest
from prefect.blocks.system import Secret
from prefect.settings import PREFECT_HOME
from pydantic import SecretStr

from prefect_octopusx.api import SubmissionUncertain, VideoTask
from prefect_octopusx.api.replies import TaskState
from prefect_octopusx.blocks import OctopusXCredentials, S3Destination
from tests.api.picture_requests import vidu
from tests.postgres import programs
from tests.secrets.canaries import Canaries, decoded, found_in
from tests.secrets.hostile import echoing
from tests.servers import Group

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "canaries"
LIBRARIES = ("httpx", "httpcore", "botocore", "boto3", "urllib3")
DEBUG = {
    "PREFECT_LOGGING_LEVEL": "DEBUG",
    "PREFECT_LOGGING_ROOT_LEVEL": "DEBUG",  # which extra loggers have
    "PREFECT_LOGGING_EXTRA_LOGGERS": ",".join([*LIBRARIES, "prefect_octopusx"]),
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "true",
    "PREFECT_RUNNER_POLL_FREQUENCY": "1",
}
TABLES = ("artifact", "artifact_collection", "event_resources", "events", "flow_run", "flow_run_state", "log",
          "task_run", "task_run_state")  # fmt: skip
"""Tables of Prefect that have something of a run."""
ASKED_FOR = ("artifact", "artifact_collection", "events")
"""Those with the presigned links of `presigned_link_hours`: the artifact, and what Prefect's server makes of it."""
SAID = (b"HTTP Request: GET", b"receive_response_headers", b"(b'location', b'http", b"CanonicalRequest",
        b"x-amz-security-token:", b"Sending http request", b"Response body", b'"PUT /canaries/')  # fmt: skip
"""Some of what the libraries log at DEBUG."""


class Seen(NamedTuple):
    """All that there is to be searched, by where it is."""

    places: list[tuple[str, bytes]]
    canaries: Canaries
    signatures: list[str]


@pytest.fixture(scope="module")
def seen(prefect_api: str, prefect_database: str | None, s3_url: str, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Run the scenario, and collect all that it has left."""
    root, canaries = tmp_path_factory.mktemp("secrets"), Canaries.new()
    home, folder, output, signed = root / "home", root / "videos", root / "output", root / "signed.json"
    home.mkdir()
    client = boto3.client("s3", endpoint_url=s3_url)
    client.create_bucket(Bucket=BUCKET)
    given = {"planted": canaries.planted, "picture_uri": canaries.picture_uri, "picture_url": canaries.picture_url}
    given |= {"bucket": BUCKET, "s3": s3_url, "folder": str(folder), "manifest": f"{root}/{canaries.planted}.jsonl"}
    secrets = {
        "OCTOPUSX_API_KEY": canaries.key,
        "AWS_ACCESS_KEY_ID": canaries.access_key,
        "AWS_SECRET_ACCESS_KEY": canaries.secret_key,
        "AWS_SESSION_TOKEN": canaries.session_token,
    }
    with echoing() as echo:
        environment = DEBUG | secrets | {"CANARIES": json.dumps(given | {"echo": echo}), "PREFECT_HOME": str(home)}
        command = ("-m", "tests.secrets.scenario", str(signed))
        scenario = Group(*command, log=output, environment=environment | {"PREFECT_API_URL": prefect_api})
        try:
            code = scenario.wait(540)
        finally:
            scenario.kill()
    assert code == 0, output.read_text(errors="replace")[-5000:]
    places = [("output", output.read_bytes())]
    for kind, top in (("home", home), ("server's home", PREFECT_HOME.value()), ("folder", folder)):
        places += [(f"{kind}: {path.relative_to(top)}", path.read_bytes()) for path in files(top)]
    places += stored_in_bucket(client)
    places += in_postgres(prefect_database) if prefect_database else in_sqlite(PREFECT_HOME.value() / "prefect.db")
    places += [(f"{name}, decoded", decoded(data)) for name, data in places]
    return Seen(places, canaries, json.loads(signed.read_text()))


def files(top: Path) -> Iterator[Path]:
    return (path for path in top.rglob("*") if path.is_file() and not path.name.startswith("prefect.db"))


def stored_in_bucket(client: "S3Client") -> Iterator[tuple[str, bytes]]:
    for entry in client.list_objects_v2(Bucket=BUCKET)["Contents"]:
        found = client.get_object(Bucket=BUCKET, Key=entry["Key"])
        tags = client.get_object_tagging(Bucket=BUCKET, Key=entry["Key"])["TagSet"]
        yield f"bucket: {entry['Key']}", found["Body"].read()
        yield f"bucket's metadata: {entry['Key']}", f"{found['ResponseMetadata']} {found['Metadata']}".encode()
        yield f"bucket's tags: {entry['Key']}", str(tags).encode()


def in_postgres(address: str) -> Iterator[tuple[str, bytes]]:
    dump = [str(Path(str(programs())) / "pg_dump"), "--data-only", address.replace("+asyncpg", "")]
    told = subprocess.run(dump, check=True, capture_output=True).stdout
    for table in told.split(b"\nCOPY public.")[1:]:
        yield f"database: {table.split()[0].decode()}", table


def in_sqlite(file: Path) -> Iterator[tuple[str, bytes]]:
    database = sqlite3.connect(file)
    for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        rows = database.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - its own names
        yield f"database: {table}", "\n".join(map(repr, rows)).encode()
    database.close()


def test_no_secret_is_in_any_place(seen: Seen) -> None:
    """But for the presigned links that one run was asked for, in the artifact that shows them."""
    link = re.compile(rf"/{BUCKET}/{seen.canaries.planted}/\S*-linked\.\w+\?X-Amz-[^\s\"<>\\]*".encode())
    places, allowed = [], set()
    for name, data in seen.places:
        table = name.removeprefix("database: ")
        allowed |= {table} if table in ASKED_FOR and link.search(data) else set()
        places.append((name, link.sub(b"", data) if table in ASKED_FOR else data))
    found = list(found_in(places, seen.canaries.needles(seen.signatures)))
    assert not found, "\n".join(f"{kind}: {place}" for kind, place in found)
    assert allowed == {*ASKED_FOR}


def test_what_is_planted_is_found_in_each_kind_of_place(seen: Seen) -> None:
    """So the search looks at what there is."""
    planted = seen.canaries.planted.encode()
    found = {name for name, data in seen.places if planted in data}
    kinds = {name.partition(":")[0] for name in found}
    assert kinds >= {"output", "home", "folder", "bucket", "bucket's tags"}
    assert found >= {f"database: {table}" for table in TABLES}
    assert any(name.startswith("home:") and name.endswith("decoded") for name in found)
    assert any(name.startswith("bucket's metadata") and b"content-type" in data for name, data in seen.places)


def test_all_libraries_logged_all_they_had(seen: Seen) -> None:
    """In the terminal and in Prefect's database: what they log of a redirect, of an upload, and of answers."""
    at = dict(seen.places)
    for place in ("output", "database: log"):
        missing = [said for said in SAID if said not in at[place]]
        assert missing == [], place


def test_the_search_finds_each_secret_as_it_is_and_in_base64() -> None:
    canaries = Canaries.new()
    needles = canaries.needles(["0f" * 32])
    texts = (canaries.key, canaries.access_key, canaries.secret_key, canaries.session_token[40:], canaries.picture_url,
             canaries.picture_uri[-500:], f"http://h/a.mp4?sig={'0f' * 32}")  # fmt: skip
    for kind, text in zip(needles, texts, strict=True):
        for data in (text.encode(), decoded(base64.b64encode(pickle.dumps({"x" * 50: text})))):
            assert {found for found, _ in found_in([("here", data)], needles)} == {kind}
    assert {found for found, _ in found_in([("here", canaries.picture)], needles)} == {"picture"}


def test_objects_show_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """`repr`, `str` and, of what Prefect pickles, the pickle."""
    canaries = Canaries.new()
    signed = f"https://h/a.mp4?sig={'0f' * 32}"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", canaries.secret_key)
    credentials = OctopusXCredentials(api_key=Secret(value=SecretStr(canaries.key)))
    destination = S3Destination(bucket="videos")
    request = vidu(canaries.picture_uri, canaries.picture_url)
    task = VideoTask(id="1", state=TaskState.SUCCEEDED, video_url=signed, thumbnail_url=signed)
    error = SubmissionUncertain(
        f"{signed} {canaries.picture_uri}", code=canaries.key, request_id=f"Bearer {canaries.key}"
    )
    shown = [repr(one) + str(one) for one in (credentials, credentials.client(), destination, request, task, error)]
    shown += [str(credentials.model_dump()), str(request.recorded()), str(pickle.dumps(error))]
    assert list(found_in([("shown", "\n".join(shown).encode())], canaries.needles(["0f" * 32]))) == []
