"""Keeping secrets out of texts that people and machines keep.

A signed URL is a credential, and an inline image is somebody's picture: neither belongs in a log, an error, an
artifact or a record. The rule is simple enough to trust: the query of every URL goes, inline images go.
"""

import hashlib
import logging
import re
from urllib.parse import urlsplit, urlunsplit

__all__ = ["hide_queries_in_httpx_logs", "redact", "redact_image", "redact_url"]

# Each takes time in proportion to the text, whoever wrote it: none scans to the end from every start that it finds.
_URL = re.compile(r"//(?:[^\s/?#\"'<>@]*@)?(?P<rest>[^\s?#\"'<>]*)(?:[?#][^\s\"'<>]*)?")
_ENCODED_URL = re.compile(r"(?i)\bhttps?%3a%2f%2f[^\s\"'<>]*")
_DATA_URI = re.compile(r"(?P<head>data:[^\s,\"'<>]{0,100};base64,)[A-Za-z0-9+/=_-]{16,}")
_BASE64 = re.compile(r"[A-Za-z0-9+/=_-]{200,}")
# Some break a terminal; NUL is one that Prefect's database does not take.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BEARER = re.compile(r"(?i)\b(bearer\s+|sk-)[\w.-]{6,}")


def redact(text: str) -> str:
    """Return `text` without URL queries and passwords, pictures in base64, bearer tokens and control characters."""
    text = _CONTROL.sub("?", text)
    text = text.replace("\\/", "/")  # JSON in a text may be escaped so
    text = _URL.sub(_without_query, text)
    text = _ENCODED_URL.sub(lambda match: re.sub(r"(?i)%(3f|23).*", "%3F…", match[0]), text)
    text = _DATA_URI.sub(r"\g<head>…", text)
    text = _BASE64.sub(lambda match: f"{match[0][:12]}…, {len(match[0])} characters", text)
    return _BEARER.sub(r"\1…", text)


def redact_url(url: str) -> str:
    """Return `url` without user, password, query and fragment; a few words where it is none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(an address that can't be read)"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def redact_image(image: str) -> str:
    """Return what a record may keep of an image reference: a URL without its query, a path, or a digest.

    An inline image becomes `data:image/png;base64,<48213 characters, sha256 9f86d0…>`, which tells two pictures apart.
    """
    if image.startswith("data:"):
        head, _, payload = image.partition(",")
        return f"{head},<{len(payload)} characters, sha256 {hashlib.sha256(payload.encode()).hexdigest()}>"
    return redact_url(image) if image.startswith(("http://", "https://")) else image


def hide_queries_in_httpx_logs() -> None:
    """Make httpx log URLs without their queries: at INFO it logs each URL whole, and a result's URL is signed."""
    logger = logging.getLogger("httpx")
    if not any(isinstance(known, _HideQueries) for known in logger.filters):
        logger.addFilter(_HideQueries())


class _HideQueries(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                redact(str(arg)) if str(arg).startswith(("http://", "https://")) else arg for arg in record.args
            )
        return True


def _without_query(match: re.Match[str]) -> str:
    hidden = "?…" if "?" in match.group(0) else ""
    return f"//{match['rest']}{hidden}"
