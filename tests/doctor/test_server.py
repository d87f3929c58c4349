"""Prefect's server: away, too old, on SQLite; and the machine that asks it."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from prefect import get_client
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_CLOUD_API_URL,
    PREFECT_HOME,
    PREFECT_SERVER_ALLOW_EPHEMERAL_MODE,
    temporary_settings,
)

from prefect_octopusx.blocks import LocalDestination
from prefect_octopusx.doctor import CheckResult, Verdict, diagnose
from prefect_octopusx.doctor.checks import Case, Check, examine
from prefect_octopusx.doctor.findings import Finding, ok
from tests.doctor.conftest import Look
from tests.postgres import programs

NOWHERE = "http://127.0.0.1:9/api"


async def look_at(url: str, name: str = "prefect-api", home: Path | None = None) -> CheckResult:
    with temporary_settings({PREFECT_API_URL: url} | ({PREFECT_HOME: home} if home else {})):
        return (await diagnose(only=[name])).of(name)


async def test_a_server_of_our_version_passes(look: Look) -> None:
    found = await look("prefect-api")
    assert (found.verdict, found.mend) == (Verdict.OK, "")


async def test_without_prefect_all_that_needs_it_is_skipped(tmp_path: Path) -> None:
    with temporary_settings({PREFECT_API_URL: NOWHERE}):
        diagnosis = await diagnose(LocalDestination(folder=tmp_path))
    api = diagnosis.of("prefect-api")
    assert (api.verdict, "http://127.0.0.1:9/api does not answer" in api.found) == (Verdict.FAILED, True)
    assert "prefect server start" in api.mend
    others = [check for check in diagnosis.checks if check.group == "prefect" and check is not api]
    assert {(check.verdict, check.found) for check in others} == {(Verdict.SKIPPED, "prefect-api failed")}
    assert diagnosis.of("credentials").verdict is Verdict.SKIPPED
    assert diagnosis.of("destination-write").verdict is Verdict.OK  # it was given


@pytest.fixture
def claiming() -> Iterator[tuple[dict[str, str], str]]:
    """Serve what the doctor asks of a server first, with a version and settings that the test sets."""
    told = {"version": '"3.8.8"'}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.path.rpartition("/")[2]
            body = told.get(asked, "true").encode()
            missing = asked not in told and asked != "health"
            self.send_response(int(told.get("status") or (404 if missing else 200)))
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield told, f"http://127.0.0.1:{server.server_port}/api"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("version", "verdict", "told"),
    [
        ("4.0.0", Verdict.FAILED, "can't work together"),
        ("3.8.1", Verdict.WARNING, "tested from 3.8.4 on"),
        ("3.99.0", Verdict.OK, "has Prefect 3.99.0"),
        ("a page of a proxy", Verdict.FAILED, "does not answer"),
    ],
)
async def test_the_servers_version_is_held_against_ours(
    claiming: tuple[dict[str, str], str], version: str, verdict: Verdict, told: str
) -> None:
    answers, url = claiming
    answers["version"] = f'"{version}"'
    found = await look_at(url)
    assert (found.verdict, told in found.found) == (verdict, True)
    if verdict is Verdict.WARNING:
        assert found.mend.endswith("pip install --upgrade 'prefect>=3.8.4,<4' 'fastapi<0.151' 'sqlalchemy>=2.0,<2.1'")


@pytest.mark.parametrize(
    ("status", "told", "mend"),
    [
        (401, "refuses this machine (HTTP 401)", "export PREFECT_API_AUTH_STRING=NAME:PASSWORD"),
        (403, "refuses this machine (HTTP 403)", "export PREFECT_API_KEY=…"),
        (404, "does not answer", "The URL ends with /api:"),
    ],
)
async def test_a_server_that_refuses_is_not_away(
    claiming: tuple[dict[str, str], str], status: int, told: str, mend: str
) -> None:
    answers, url = claiming
    answers["status"] = str(status)
    found = await look_at(url)
    assert (found.verdict, told in found.found, mend in found.mend.splitlines()) == (Verdict.FAILED, True, True)
    assert "prefect server start" not in found.mend


async def test_an_address_without_api_is_told(prefect_api: str) -> None:
    """There the server has its pages, and says that all is well."""
    found = await look_at(prefect_api.removesuffix("/api"))
    assert (found.verdict, "The URL ends with /api:" in found.mend) == (Verdict.FAILED, True)


async def test_prefect_cloud_is_not_asked_for_its_version(claiming: tuple[dict[str, str], str]) -> None:
    answers, url = claiming
    del answers["version"]
    with temporary_settings({PREFECT_CLOUD_API_URL: url}):
        found = await look_at(f"{url}/accounts/a/workspaces/w")
    assert (found.verdict, found.found) == (Verdict.OK, f"{url}/accounts/a/workspaces/w is Prefect Cloud")


async def test_without_any_server_it_is_told_what_to_set() -> None:
    with temporary_settings({PREFECT_SERVER_ALLOW_EPHEMERAL_MODE: False}, restore_defaults={PREFECT_API_URL}):
        found = (await diagnose(only=["prefect-api"])).of("prefect-api")
    assert (found.verdict, "PREFECT_API_URL is not set" in found.found) == (Verdict.FAILED, True)
    assert "export PREFECT_API_URL=http://127.0.0.1:4200/api" in found.mend.splitlines()


async def test_a_server_that_tells_nothing_of_itself_is_no_fault(claiming: tuple[dict[str, str], str]) -> None:
    assert (await look_at(claiming[1], "prefect-database")).verdict is Verdict.SKIPPED
    assert (await look_at(claiming[1], "prefect-leases")).verdict is Verdict.SKIPPED


async def test_leases_in_memory_matter_once_there_are_limits(look: Look) -> None:
    assert (await look("prefect-leases")).verdict is Verdict.OK
    async with get_client() as client:
        await client.upsert_global_concurrency_limit_by_name("octopusx-requests", 3)
    found = await look("prefect-leases")
    assert (found.verdict, "lease_storage.filesystem" in found.mend) == (Verdict.WARNING, True)


async def test_sqlite_on_this_machine_is_seen_by_its_file(claiming: tuple[dict[str, str], str], tmp_path: Path) -> None:
    """A server tells its database only where it is set by its parts (`driver`, `host`, ...)."""
    answers, url = claiming
    answers["settings"] = json.dumps({"server": {"database": {"connection_url": "**********", "driver": None}}})
    assert (await look_at(url, "prefect-database", tmp_path)).verdict is Verdict.SKIPPED
    (tmp_path / "prefect.db").touch()
    found = await look_at(url, "prefect-database", tmp_path)
    assert (found.verdict, "SQLite" in found.found) == (Verdict.WARNING, True)
    assert "postgresql+asyncpg" in found.mend
    answers["settings"] = json.dumps({"server": {"database": {"driver": "postgresql+asyncpg"}}})
    assert (await look_at(url, "prefect-database", tmp_path)).verdict is Verdict.OK


async def test_leases_in_files_outlive_a_restart(claiming: tuple[dict[str, str], str]) -> None:
    answers, url = claiming
    storage = "prefect.server.concurrency.lease_storage.filesystem"
    answers["settings"] = json.dumps({"server": {"concurrency": {"lease_storage": storage}}})
    found = await look_at(url, "prefect-leases")
    assert (found.verdict, found.found) == (Verdict.OK, "leases of slots outlive a restart (filesystem)")


async def test_another_database_is_not_taken_for_sqlite(look: Look) -> None:
    found = await look("prefect-database")
    assert found.verdict is (Verdict.SKIPPED if programs() else Verdict.WARNING)  # what the tests' server has


async def test_a_clock_that_differs_from_prefects_is_told(look: Look) -> None:
    found = await look("prefect-clock", later=100)
    assert (found.verdict, "ahead of Prefect's server" in found.found) == (Verdict.WARNING, True)


async def test_blocks_that_are_not_registered_are_told(look: Look) -> None:
    assert (await look("blocks")).verdict is Verdict.OK
    async with get_client() as client:
        kind = await client.read_block_type_by_slug("local-destination")
        await client.delete_block_type(kind.id)
    found = await look("blocks")
    await LocalDestination.aregister_type_and_schema()
    assert found.found == "not registered, so not in the UI: local-destination"
    assert found.mend == "prefect block register -m prefect_octopusx.blocks"


async def test_a_package_out_of_bounds_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "sqlalchemy-2.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: SQLAlchemy\nVersion: 2.1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = (await diagnose(only=["packages"])).of("packages")
    assert (found.verdict, found.found) == (
        Verdict.FAILED,
        "sqlalchemy is 2.1.0, but sqlalchemy<2.1,>=2.0.36 is needed",
    )
    assert found.mend == "pip install 'sqlalchemy<2.1,>=2.0.36'"


async def test_packages_within_bounds_pass() -> None:
    diagnosis = await diagnose(only=["packages", "python"])
    assert [check.verdict for check in diagnosis.checks] == [Verdict.OK, Verdict.OK]


async def test_a_check_that_breaks_is_its_own_failure_only() -> None:
    async def breaks(_: Case) -> Finding:
        raise ZeroDivisionError("https://example.com/file?signature=abc")

    async def works(_: Case) -> Finding:
        return ok("fine")

    broken, fine = await examine([Check("a", "b", breaks), Check("a", "c", works)], Case(None, lambda: 0), timeout=5)
    assert (broken.verdict, fine.verdict) == (Verdict.FAILED, Verdict.OK)
    assert "ZeroDivisionError" in broken.found
    assert "signature" not in broken.found


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"destination": "secret/default"}, "no block like s3-destination/NAME"),
        ({"destination": "s3-destination"}, "no block like"),
        ({"only": ["nonsense"]}, "there is no check nonsense; there are python, packages"),
        ({"timeout": 0}, "not above 0"),
    ],
)
async def test_what_makes_no_sense_is_refused(options: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        await diagnose(**options)  # type: ignore[arg-type]
