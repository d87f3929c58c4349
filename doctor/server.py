"""Prefect's server: its version, its database, its leases, its clock, and the blocks that it has."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import prefect
from packaging.version import Version
from prefect import get_client
from prefect.client.base import ServerType
from prefect.exceptions import PrefectException
from prefect.settings import PREFECT_API_URL, PREFECT_HOME

from prefect_octopusx.api.redact import redact_url
from prefect_octopusx.blocks import LocalDestination, OctopusXCredentials, S3Destination
from prefect_octopusx.doctor.bucket import skew_of
from prefect_octopusx.doctor.checks import Case, Check
from prefect_octopusx.doctor.findings import Finding, failed, ok, skipped, warning
from prefect_octopusx.doctor.gateway import is_saved
from prefect_octopusx.tasks.limits import REQUESTS

__all__ = ["CHECKS"]

_OLDEST = Version("3.8.4")  # as pyproject.toml has it
_MOST_LIMITS = 200
_FRESH = 600.0  # seconds in which a server writes to its database
_SQLITE = (
    "Prefect keeps its data in SQLite, which is for one person: it stalls for a minute where several runs start at once"
)
_POSTGRES = "Where the server runs:\nexport PREFECT_SERVER_DATABASE_CONNECTION_URL=postgresql+asyncpg://…"
_URL = "export PREFECT_API_URL=http://127.0.0.1:4200/api"  # `prefect config set` does nothing where it is exported
_UPGRADE = (  # with the bounds of pyproject.toml
    "Where the server runs:\npip install --upgrade 'prefect>={},<4' 'fastapi<0.151' 'sqlalchemy>=2.0,<2.1'"
)


async def _api(case: Case) -> Finding:
    url = PREFECT_API_URL.value()
    try:
        async with get_client() as client:
            if trouble := await client.api_healthcheck():
                raise trouble
            if client.server_type is ServerType.CLOUD:
                return ok(f"{redact_url(url or '')} is Prefect Cloud")
            version = Version(await client.api_version())
            case.server_settings = await _settings()
    except (httpx.HTTPError, PrefectException, OSError, RuntimeError, ValueError) as error:
        return _silent(error, url)
    if url is None:
        return warning(
            "PREFECT_API_URL is not set: each run starts a temporary server, slowly, and nobody sees what it did",
            f"prefect server start\n{_URL}",
        )
    return _of_version(version, url)


def _of_version(version: Version, url: str) -> Finding:
    ours = Version(prefect.__version__)
    told = f"{redact_url(url)} has Prefect {version}, this machine {ours}"
    if version.major != ours.major:
        return failed(
            f"{told}: they can't work together",
            f"Take a server of Prefect {ours.major}, or a release of this package for Prefect {version.major}",
        )
    if version < _OLDEST:
        return warning(f"{told}: tested from {_OLDEST} on", _UPGRADE.format(_OLDEST))
    if (version.major, version.minor) < (ours.major, ours.minor):
        return warning(f"{told}: a server should be no older", _UPGRADE.format(ours))
    return ok(told)


def _silent(error: Exception, url: str | None) -> Finding:
    """Say why Prefect's API can't be asked."""
    whose = f"Prefect's API at {redact_url(url)}" if url else "Prefect's temporary server (PREFECT_API_URL is not set)"
    status = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else None
    if status in {401, 403}:
        return failed(
            f"{whose} refuses this machine (HTTP {status})",
            "Name and password of your own server, or a key of Prefect Cloud, where flows run:\n"
            "export PREFECT_API_AUTH_STRING=NAME:PASSWORD\nexport PREFECT_API_KEY=…",
        )
    told = f"{whose} does not answer ({type(error).__name__}: {error})"
    if url and (status == httpx.codes.NOT_FOUND or isinstance(error, ValueError)):  # a page, not an API
        return failed(told, f"The URL ends with /api:\n{_URL}")
    return failed(told, f"prefect server start\n{_URL}\nFor Prefect Cloud:\nprefect cloud login")


async def _settings() -> dict[str, Any] | None:
    """Return the server's settings, whose secrets it hides; None where it does not tell (Prefect Cloud)."""
    async with get_client() as client:
        try:
            reply = await client.request("GET", "/admin/settings")
        except (httpx.HTTPStatusError, PrefectException):
            return None
    settings = reply.json().get("server")
    return settings if isinstance(settings, dict) else None


async def _database(case: Case) -> Finding:
    if case.server_settings is None:
        return skipped("this server tells nothing of its database")
    driver = _part(case.server_settings, "database").get("driver")
    if driver is not None and "sqlite" not in str(driver):
        return ok(f"Prefect keeps its data by {driver}")
    if driver is not None or _own_file_is_written():
        return warning(_SQLITE, _POSTGRES)
    return skipped("this server does not tell which database it has (SQLite is for one person: it stalls)")


def _own_file_is_written() -> bool:
    """Tell whether a server on this machine writes to Prefect's own file of SQLite: it does not tell its database."""
    url = PREFECT_API_URL.value()
    if url is not None and urlsplit(url).hostname not in {"127.0.0.1", "::1", "localhost"}:
        return False
    files = [Path(PREFECT_HOME.value()) / f"prefect.db{ending}" for ending in ("", "-wal")]
    return any(path.exists() and time.time() - path.stat().st_mtime < _FRESH for path in files)


async def _leases(case: Case) -> Finding:
    if case.server_settings is None:
        return skipped("this server tells nothing of its leases")
    storage = str(_part(case.server_settings, "concurrency").get("lease_storage", ""))
    if not storage.endswith(".memory"):
        return ok(f"leases of slots outlive a restart ({storage.rpartition('.')[2]})")
    async with get_client() as client:
        limits = await client.read_global_concurrency_limits(limit=_MOST_LIMITS)
    if not any(limit.name == REQUESTS or limit.name.startswith("deployment:") for limit in limits):
        return ok("leases of slots are in the server's memory, which matters with limits only, and there are none")
    return warning(
        "leases of slots are in the server's memory: after a restart, slots of limits may stay taken for ever",
        "Where the server runs:\n"
        "export PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE=prefect.server.concurrency.lease_storage.filesystem\n"
        "To give slots back:\nprefect gcl update NAME --active-slots 0",
    )


async def _clock(case: Case) -> Finding:
    async with get_client() as client:
        reply = await client.request("GET", "/health")
    return skew_of(reply.headers.get("date"), case.clock(), "Prefect's server")


async def _blocks(case: Case) -> Finding:
    del case
    types = (OctopusXCredentials, S3Destination, LocalDestination)
    wanted = [str(kind.get_block_type_slug()) for kind in types]
    async with get_client() as client:
        known = {kind.slug for kind in await client.read_block_types()}
    if missing := [slug for slug in wanted if slug not in known]:
        return warning(
            f"not registered, so not in the UI: {', '.join(missing)}",
            "prefect block register -m prefect_octopusx.blocks",
        )
    saved = [slug for slug in wanted[:2] if await is_saved(slug, "default")]
    names = ", ".join(f"{slug}/default" for slug in saved)
    return ok(f"all types are registered; saved: {names or 'no defaults'}")


def _part(settings: Mapping[str, object], name: str) -> Mapping[str, object]:
    part = settings.get(name)
    return part if isinstance(part, Mapping) else {}


CHECKS = (
    Check("prefect", "prefect-api", _api),
    Check("prefect", "prefect-database", _database, needs=("prefect-api",)),
    Check("prefect", "prefect-leases", _leases, needs=("prefect-api",)),
    Check("prefect", "prefect-clock", _clock, needs=("prefect-api",)),
    Check("prefect", "blocks", _blocks, needs=("prefect-api",)),
)
