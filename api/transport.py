"""Small things that every call over HTTP needs."""

import re

import httpx

from prefect_octopusx.api.redact import redact_url

__all__ = ["Origin", "check_base_url", "origin", "reason"]

Origin = tuple[str, str, int | None]


def origin(url: str | httpx.URL) -> Origin:
    """Return scheme, host and port of `url`; the scheme's own port counts as none."""
    url = httpx.URL(url)
    return url.scheme, url.host, url.port


def reason(error: Exception) -> str:
    """Say what went wrong on the way, in few words: the kind of error, and its text if it has one."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def check_base_url(url: str) -> str:
    """Return a gateway's address without a slash or `/v1` at its end.

    Raises:
        ValueError: It is not an address alone: http or https, a host, perhaps a port and a path.
    """
    given = url.strip()
    try:
        parsed = httpx.URL(given)
        whole = parsed.scheme in {"http", "https"} and parsed.host and (parsed.port or 1) <= 65535
    except httpx.InvalidURL:
        whole = False
    if not whole or re.search(r"[\s@?#]", given) or "/v1/" in f"{given.rstrip('/').removesuffix('/v1')}/":
        raise ValueError(
            f"base_url: {redact_url(given)!r} is not a gateway's address, which is like https://octopusx.ai and ends "
            "before /v1"
        )
    return given.rstrip("/").removesuffix("/v1")
