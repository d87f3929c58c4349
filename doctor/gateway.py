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
    OctopusXError,
    QuotaExceeded,
    RateLimited,
)
from prefect_octopusx.api.client import DEFAULT_BASE_URL
from prefect_octopusx.api.redact import redact_url
from prefect_octopusx.blocks import OctopusXCredentials, resolve_credentials
from prefect_octopusx.doctor.checks import Case, Check
from prefect_octopusx.doctor.findings import Finding, failed, ok, warning

__all__ = ["CHECKS", "is_saved", "of_usage", "unreadable"]

_SHORTEST_SECRET = 8  # characters; a shorter key may be part of any word
_LONG_ENOUGH = 16  # characters of a key, of which the last 4 may be shown
_BLOCK, _SECRET = "octopusx-credentials/default", "secret/octopusx-api-key"
_NETWORK = "Check `base_url`, the network and any proxy"
_SOON = timedelta(days=3)
_LITTLE = 0.05


async def _credentials(case: Case) -> Finding:
    try:
        found = await resolve_credentials()
        key = _key(found)
        async with found.client():
            pass  # a key that can be none is told by making one
    except CredentialsMissing as error:
        return failed(str(error).partition(". ")[0], f"Save one:\n{await _way()}")
    except InvalidRequest as error:
        return failed(str(error), f"Save it again:\n{await _way()}")
    except RuntimeError as error:  # Prefect's, for a block that was saved otherwise than it is today
        return failed(unreadable(await _source(), error), f"Save it again:\n{await _way()}")
    except ValidationError as error:
        return failed(f"OCTOPUSX_BASE_URL is wrong ({_faults(error)})", "Correct it, or leave it out")
    case.credentials = found
    case.save = await _way(found.base_url)
    if len(key) >= _SHORTEST_SECRET:
        case.secrets.add(key)
    tail = f"ends with {key[-4:]}" if len(key) >= _LONG_ENOUGH else "too short to show its end"
    also = " (OCTOPUSX_API_KEY is set too, and not used)" if os.environ.get("OCTOPUSX_API_KEY") else ""
    source = await _source()
    allowed = f"; videos may also come from {', '.join(found.allowed_private_hosts)}"
    return ok(
        f"key from {source}{also if source == f'the block {_BLOCK}' else ''}, {tail}"
        f"{allowed if found.allowed_private_hosts else ''}"
    )


async def _gateway(case: Case) -> Finding:
    assert case.credentials is not None  # noqa: S101 - for mypy: it needs them
    address = redact_url(case.credentials.base_url)
    async with case.credentials.client() as client:
        try:
            case.usage = await client.key_usage()
        except (AuthenticationError, AccessDenied, QuotaExceeded, RateLimited) as error:
            case.refusal = error  # the gateway is there; the next check tells what it says
        except OctopusXError as error:
            return failed(str(error).removesuffix(f". {_NETWORK}"), _NETWORK)
    return ok(f"{address} answers")


async def _usage(case: Case) -> Finding:
    match case.refusal:
        case RateLimited():
            return warning("the gateway tells no usage: it was asked too often", "Try again in 20 minutes")
        case AuthenticationError() as refusal:
            return failed(f"the gateway does not accept the key ({refusal})", f"Save one that is valid:\n{case.save}")
        case None:
            pass
        case refusal:
            return failed(str(refusal), "Look at the key and the wallet in the OctopusX dashboard")
    assert case.usage is not None  # noqa: S101 - for mypy
    return of_usage(case.usage, datetime.fromtimestamp(case.clock(), UTC), case.save)


def of_usage(usage: KeyUsage, now: datetime, save: str) -> Finding:
    """Say whether a key may still be used; `save` is how to save another one."""
    spent = f"{usage.used:,.0f} units used"
    told = f"{spent}, no limit of its own" if usage.unlimited else f"{spent}, {usage.available:,.0f} left"
    if usage.models is not None:
        told += f"; for {', '.join(sorted(usage.models)) or 'no model'} only"
    if usage.expires_at is not None and usage.expires_at <= now:
        return failed(f"the key expired at {usage.expires_at:%Y-%m-%d %H:%M} UTC", f"Make another one:\n{save}")
    if not usage.unlimited and usage.available <= 0:
        return failed(f"the key is used up ({told})", "Raise its quota in the OctopusX dashboard")
    if usage.expires_at is not None and usage.expires_at <= now + _SOON:
        return warning(f"the key expires at {usage.expires_at:%Y-%m-%d %H:%M} UTC", "Prolong it in the dashboard")
    if not usage.unlimited and usage.available < _LITTLE * usage.granted:
        return warning(f"the key is nearly used up ({told})", "Raise its quota in the OctopusX dashboard")
    return ok(told)


def _key(credentials: OctopusXCredentials) -> str:
    return str(credentials.api_key.value.get_secret_value()).strip()


def unreadable(what: str, error: RuntimeError) -> str:
    """Return what is wrong with a saved block that Prefect can't load."""
    cause = error.__cause__
    return f"{what} can't be read ({_faults(cause) if isinstance(cause, ValidationError) else error})"


def _faults(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())


async def _source() -> str:
    """Return where the key is looked for, as `resolve_credentials` does it."""
    for block in (_BLOCK, _SECRET):
        if await is_saved(*block.split("/")):
            return f"the block {block}"
    return "OCTOPUSX_API_KEY"


async def _way(base_url: str = DEFAULT_BASE_URL) -> str:
    """Return what saves another key where the one of today is."""
    source = await _source()
    if source == f"the block {_SECRET}":
        return 'await Secret(value="...").asave("octopusx-api-key", overwrite=True)'
    address = "" if base_url == DEFAULT_BASE_URL else f', base_url="{base_url}"'
    block = f'await OctopusXCredentials(api_key=Secret(value="..."){address}).asave("default", overwrite=True)'
    return block if source == f"the block {_BLOCK}" else f"{block}\nor, where flows run:\nexport OCTOPUSX_API_KEY=…"


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
