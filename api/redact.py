"""Keeping secrets out of texts that people and machines keep.

A signed URL is a credential, and an inline image is somebody's picture: neither belongs in a log, an error, an
artifact or a record. The rule is simple enough to trust: the query of every URL goes, inline images go, and so do keys
where they can be told by their looks or by what stands before them.
"""

import hashlib
import logging
import re
from urllib.parse import urlsplit, urlunsplit

__all__ = [
    "hide_secrets_in_httpx_logs",
    "hide_secrets_in_logs",
    "is_marked",
    "mark_queries",
    "redact",
    "redact_image",
    "redact_url",
]

_LOOKED_AT = 100_000  # characters of a text that is cut

# Each takes time in proportion to the text, whoever wrote it: none scans to the end from every start that it finds.
_SLASH = re.compile(r"(?i)\\+(?:/|u002f)|&(?:#x2f|#47|sol);")  # as JSON, in JSON again, and HTML write it
_GONE_QUERY, _GONE_USER = "?…", "…@"
_URL = re.compile(r"//(?P<user>[^\s/?#\"'<>]*@)?(?P<rest>[^\s?#\"'<>]*)(?:[?#][^\s\"'<>]*)?")
_ENCODED_URL = re.compile(r"(?i)%(?:25)*2f%(?:25)*2f(?P<rest>[^\s\"'<>]*)")
_ENCODED_USER = re.compile(r"(?i)\A(?:(?!%(?:25)*(?:2f|3f|23))[^/?#])*(?:@|%(?:25)*40)")
_ENCODED_QUERY = re.compile(r"(?i)(?:[?#]|%(?:25)*(?:3f|23)).*")
_IS = r"(?:[:=]|%(?:25)*3[ad]|\\+u003d|&#(?:61|x3d);)"
_QUOTES = r"(?:\\*[\"']|&quot;|&#(?:34|39|x27);|%(?:25)*2[27])*+"
_BLANK = r"(?:\s|\+|%(?:25)*20)"
# The start of a word, also after an escape.
_START = r"(?:(?<![a-z])|(?<=\\[nrtbf])|(?<=\\u[0-9a-f]{4})|(?<=%[0-9a-f]{2})|(?<=%25[0-9a-f]{2}))"
# What signs a URL, where the URL around it is not whole or has a quote inside.
_SIGNATURE = re.compile(
    rf"(?i){_START}(?P<name>(?:x-(?:amz|goog|tos|oss|cos|obs|bce)-[a-z-]{{1,40}}|(?:q-|x-)?sign(?:ature)?|sig|auth_key"
    rf"|access_?token|security[-_]token|token|api[-_]?key){_IS})[^\s&\"'<>\\…()]++(?!\()"
)
_BREAK = r"(?:\\+[rn]|\\+u000[ad]|&#(?:10|13|xa|xd);|[\r\n])++[ \t]*+"
_INLINE = r"(?P<head>data(?::|%(?:25)*3a)"
_DATA_URI = re.compile(
    rf"(?i){_INLINE}[^\s,\"'<>]{{0,100}}?(?:;|%(?:25)*3b)base64(?:,|%(?:25)*2c))(?:{_BREAK})?"
    rf"[a-z0-9+/=_%-]++(?:{_BREAK}(?!data[:%])[a-z0-9+/=_%-]++|[ ][a-z0-9+/=_%-]{{16,}}+)*+"
)
_DATA_URI_OF_TEXT = re.compile(
    rf"(?i){_INLINE}[a-z]{{1,20}}+(?:/|%(?:25)*2f)[^\s,\"'<>]{{1,100}}?(?:,|%(?:25)*2c))[^\s\"'<>,;…)]++"
)
_BASE64 = re.compile(r"[A-Za-z0-9+/=_-]{200,}")
_BASE64_LINES = re.compile(rf"(?<![A-Za-z0-9+/=_-])(?:[A-Za-z0-9+/=_-]{{40,}}+{_BREAK}){{2,}}+[A-Za-z0-9+/=_-]*+")
_AUTHORIZATION = re.compile(
    rf"(?i){_START}(?P<name>authorization{_QUOTES}{_BLANK}*+{_IS}{_BLANK}*+{_QUOTES}"
    rf"(?:(?:bearer|basic|token){_BLANK}++)?+)[^\s\"'<>\\&,;…]{{6,}}"
)
_BEARER = re.compile(rf"(?i){_START}(?P<name>bearer{_BLANK}++)[^\s\"'<>\\&,;…]{{6,}}")
_KEY = re.compile(rf"(?i){_START}(?P<name>sk-)[\w.-]{{6,}}")
# What S3 and boto3 say: a signature, the key's name and a session's token, in headers, XML, JSON or Python.
_AWS = re.compile(
    r"(?i)(?P<head>\bcredential=)[^\s/,'\"]{4,}"
    r"|(?P<sign>\bsignature\W{1,6})[\w+/%-]{24,}=*"
    r"|(?P<token>\bx-amz-security-token\W{1,6}(?:b['\"])?)[\w+/%-]{40,}=*"
    r"|(?P<field>\b(?:AWSAccessKeyId|AccessKeyId|SecretAccessKey|SessionToken|Token(?:-\d)?)(?:>|\"\s?:\s?\"))[^<\"]{4,}"
)
_AWS_WORDS = ("credential=", "signature", "token", "accesskey")  # looked for before, since that is ten times as quick
# Some break a terminal; NUL is one that Prefect's database does not take.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_AWS_KEY_ID = re.compile(r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b")


def redact(text: str, *, most: int | None = None) -> str:
    """Return `text` without URL queries and passwords, inline pictures, signatures, keys, tokens, control characters.

    Args:
        text: Whatever somebody wrote.
        most: How many characters are returned at most. To cut a text before would leave halves, which nothing tells.
    """
    if most is not None:
        return redact(text[:_LOOKED_AT])[:most]
    text = _SLASH.sub("/", _CONTROL.sub("?", text))
    text = _URL.sub(_without_query, text)
    text = _ENCODED_URL.sub(_without_encoded_query, text)
    lower = text.lower()
    if any(word in lower for word in _AWS_WORDS):
        text = _AWS.sub(r"\g<head>\g<sign>\g<token>\g<field>…", text)
    text = _AWS_KEY_ID.sub("…", text)
    for secret in (_SIGNATURE, _AUTHORIZATION, _BEARER, _KEY):
        text = secret.sub(r"\g<name>…", text)
    for inline in (_DATA_URI, _DATA_URI_OF_TEXT):  # not before: the last line's end may take the next word with it
        text = inline.sub(r"\g<head>…", text)
    text = _BASE64.sub(lambda match: f"{match[0][:12]}…, {len(match[0])} characters", text)
    return _BASE64_LINES.sub(lambda match: f"{match[0][:12]}…, {len(match[0])} characters\n", text)


def redact_url(url: str) -> str:
    """Return `url` without user, password, query and fragment; a few words where it is none."""
    try:
        parts = urlsplit(redact(url))
    except ValueError:
        return "(an address that can't be read)"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def mark_queries(text: str) -> str:
    """Return `text` with a mark in place of each URL's query, and of its user and password."""

    def marked(match: re.Match[str]) -> str:
        user, fragment = _GONE_USER if match["user"] else "", match[0][match.end("rest") - match.start() :]
        return f"//{user}{match['rest']}{_GONE_QUERY if '?' in match[0] else fragment}"

    return _URL.sub(marked, text)


def is_marked(text: str) -> bool:
    """Tell whether something is gone from a URL in `text`, so that it leads nowhere any more."""
    return any(match["user"] == _GONE_USER or _GONE_QUERY in match[0] for match in _URL.finditer(text))


def redact_image(image: str) -> str:
    """Return what a record may keep of an image reference: a URL without its query, a path, or a digest.

    An inline image becomes `data:image/png;base64,<48213 characters, sha256 9f86d0…>`, which tells two pictures apart.
    """
    if image[:5].lower() == "data:":
        head, _, payload = image.partition(",")
        return f"{head},<{len(payload)} characters, sha256 {hashlib.sha256(payload.encode()).hexdigest()}>"
    return redact_url(image) if image[:8].lower().startswith(("http://", "https://")) else image


def hide_secrets_in_httpx_logs() -> None:
    """Make httpx and httpcore log no secret: at INFO the one logs each URL whole, and a result's URL is signed.

    At DEBUG the other logs the headers of answers, among them the address that a redirect leads to.
    """
    # httpx imports httpcore late, and that its parts.
    hide_secrets_in_logs("httpx", *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")))


def hide_secrets_in_logs(*packages: str) -> None:
    """Let `redact` see all that these packages log, at whatever level, before anybody else does.

    Args:
        packages: Their names; a logger's filter is not asked about what the loggers below it log, so each that there
            is gets one.
    """
    for package in packages:
        below = [name for name in list(logging.root.manager.loggerDict) if name.startswith(f"{package}.")]
        for logger in map(logging.getLogger, [package, *below]):
            if _redacted not in logger.filters:
                logger.addFilter(_redacted)


def _redacted(record: logging.LogRecord) -> bool:
    try:
        text = record.getMessage()
    except (TypeError, ValueError):  # a mistake in the call, which logging itself will report
        return True
    kept = redact(text)
    if kept != text:
        record.msg, record.args = kept, ()
    if record.exc_info and not record.exc_text:
        record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
    return True


def _without_encoded_query(match: re.Match[str]) -> str:
    rest = _ENCODED_USER.sub("", match["rest"])
    return match[0][: match.start("rest") - match.start()] + _ENCODED_QUERY.sub("%3F…", rest)


def _without_query(match: re.Match[str]) -> str:
    return f"//{match['rest']}{_GONE_QUERY if '?' in match[0] else ''}"
