"""The gateway and the key. Asks what is free; never creates anything."""

import os
from datetime import UTC, datetime, timedelta

from prefect import get_client
from prefect.exceptions import ObjectNotFound
from pydantic import ValidationError

from prefect_octopusx.api import (
    AccessDenied,
    AuthenticationError,
    CredentialsMissing,
    InvalidRequest,
    KeyUsage,
    QuotaExceeded,
    RateLimited,
)
from prefect_octopusx.api.redact import redact_url
from prefect_octopusx.blocks import OctopusXCredentials, resolve_credentials
from prefect_octopusx.doctor.checks import Case, Check
from prefect_octopusx.doctor.findings import Finding, failed, ok, warning

__all__ = ["CHECKS", "is_saved", "of_usage"]

_SHORTEST_SECRET = 8  # characters; a shorter key may be part of any word
_LONG_ENOUGH = 16  # characters of a key, of which the last 4 may be shown
_SAVE = (
    'await OctopusXCredentials(api_key=Secret(value="...")).asave("default"), or set OCTOPUSX_API_KEY where flows run'
)
_SOON = timedelta(days=3)
_LITTLE = 0.05


async def _credentials(case: Case) -> Finding:
    try:
        found = await resolve_credentials()
        key = _key(found)
        async with found.client():
            pass  # a key that can be none is told by making one
    except CredentialsMissing as error:
        return failed(str(error).partition(". ")[0], f"Save one: {_SAVE}")
    except InvalidRequest as error:
        return failed(str(error), f"Save it again: {_SAVE}")
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        return failed(f"octopusx-credentials/default can't be read ({faults})", f"Save it again: {_SAVE}")
    case.credentials = found
    if len(key) >= _SHORTEST_SECRET:
        case.secrets.add(key)
    tail = f"ends with {key[-4:]}" if len(key) >= _LONG_ENOUGH else "too short to show its end"
    return ok(f"key from {await _source()}, {tail}")


async def _gateway(case: Case) -> Finding:
    assert case.credentials is not None  # noqa: S101 - for mypy: it needs them
    address = redact_url(case.credentials.base_url)
    async with case.credentials.client() as client:
        try:
            case.usage = await client.key_usage()
        except (AuthenticationError, AccessDenied, QuotaExceeded, RateLimited) as error:
            case.refusal = error  # the gateway is there; the next check tells what it says
    return ok(f"{address} answers")


async def _usage(case: Case) -> Finding:
    match case.refusal:
        case RateLimited():
            return warning("the gateway tells no usage: it was asked too often", "Try again in 20 minutes")
        case AuthenticationError() as refusal:
            return failed(f"the gateway does not accept the key ({refusal})", f"Save one that is valid: {_SAVE}")
        case None:
            pass
        case refusal:
            raise refusal
    assert case.usage is not None  # noqa: S101 - for mypy
    return of_usage(case.usage, datetime.fromtimestamp(case.clock(), UTC))


def of_usage(usage: KeyUsage, now: datetime) -> Finding:
    """Say whether a key may still be used."""
    spent = f"{usage.used:,.0f} units used"
    told = f"{spent}, no limit of its own" if usage.unlimited else f"{spent}, {usage.available:,.0f} left"
    if usage.models is not None:
        told += f"; for {', '.join(sorted(usage.models)) or 'no model'} only"
    if usage.expires_at is not None and usage.expires_at <= now:
        return failed(f"the key expired at {usage.expires_at:%Y-%m-%d %H:%M} UTC", f"Make another one. {_SAVE}")
    if not usage.unlimited and usage.available <= 0:
        return failed(f"the key is used up ({told})", "Raise its quota in the OctopusX dashboard")
    if usage.expires_at is not None and usage.expires_at <= now + _SOON:
        return warning(f"the key expires at {usage.expires_at:%Y-%m-%d %H:%M} UTC", "Prolong it in the dashboard")
    if not usage.unlimited and usage.available < _LITTLE * usage.granted:
        return warning(f"the key is nearly used up ({told})", "Raise its quota in the OctopusX dashboard")
    return ok(told)


def _key(credentials: OctopusXCredentials) -> str:
    return str(credentials.api_key.value.get_secret_value()).strip()


async def _source() -> str:
    if await is_saved("octopusx-credentials", "default"):
        also = " (OCTOPUSX_API_KEY is set too, and not used)" if os.environ.get("OCTOPUSX_API_KEY") else ""
        return f"the block octopusx-credentials/default{also}"
    if await is_saved("secret", "octopusx-api-key"):
        return "the Secret octopusx-api-key"
    return "OCTOPUSX_API_KEY"


async def is_saved(slug: str, name: str) -> bool:
    """Tell whether there is a saved block."""
    async with get_client() as client:
        try:
            await client.read_block_document_by_name(name, slug, include_secrets=False)
        except ObjectNotFound:
            return False
    return True


CHECKS = (
    Check("octopusx", "credentials", _credentials, needs=("prefect-api",)),
    Check("octopusx", "gateway", _gateway, needs=("credentials",)),
    Check("octopusx", "key", _usage, needs=("gateway",)),
)
