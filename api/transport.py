"""Two small things that every call over HTTP needs."""

import httpx

__all__ = ["Origin", "origin", "reason"]

Origin = tuple[str, str, int | None]


def origin(url: str | httpx.URL) -> Origin:
    """Return scheme, host and port of `url`; the scheme's own port counts as none."""
    url = httpx.URL(url)
    return url.scheme, url.host, url.port


def reason(error: Exception) -> str:
    """Say what went wrong on the way, in few words: the kind of error, and its text if it has one."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
