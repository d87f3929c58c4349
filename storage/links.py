"""Addresses under which a browser finds what is stored."""

from datetime import datetime
from typing import Literal, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

__all__ = ["Link", "check_public_base_url", "console_link", "public_link"]

_NOT_PLAIN = frozenset("?# \"'<>\\`")


class Link(NamedTuple):
    """Where a browser finds a stored file.

    Attributes:
        url: The address.
        kind: `console` is AWS's own page about the file, for who is signed in there; the others are the file itself.
        until: When it ends at the latest; of a presigned link, which is a secret until then.
    """

    url: str
    kind: Literal["public", "presigned", "console"]
    until: datetime | None = None

    @property
    def is_file(self) -> bool:
        """Whether it leads to the file itself, as a picture in a page needs it."""
        return self.kind != "console"


def check_public_base_url(url: str) -> str:
    """Return the address without slashes at its end.

    Args:
        url: As it was given.

    Raises:
        ValueError: It is no plain address of http or https.
    """
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises if it is none
        plain = parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        plain = False
    if not plain or not url.isascii() or not url.isprintable() or not _NOT_PLAIN.isdisjoint(url):
        raise ValueError(
            "public_base_url: it is a plain address such as https://cdn.example.com/videos, of http or https, without "
            "user, password, query, fragment or blanks."
        )
    return url.rstrip("/")


def public_link(base_url: str, file: str) -> Link:
    """Return the link of a file below a public address."""
    return Link(f"{base_url}/{quote(file)}", "public")


def console_link(bucket: str, key: str, region: str | None) -> Link:
    """Return the link of AWS's own page about an object."""
    host = "console.aws.amazon.com"
    if region and region.startswith("cn-"):
        host = "console.amazonaws.cn"
    elif region and region.startswith("us-gov-"):
        host = "console.amazonaws-us-gov.com"
    query = {"region": region, "prefix": key} if region else {"prefix": key}
    # The Chinese and American partitions have one host each, the commercial one has one a region.
    start = f"{region}.{host}" if region and host == "console.aws.amazon.com" else host
    return Link(f"https://{start}/s3/object/{quote(bucket)}?{urlencode(query, quote_via=quote, safe='/')}", "console")
