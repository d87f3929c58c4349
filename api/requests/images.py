"""Pictures of a request: a URL, a data URI, a local file or bytes.

Pictures that are sent along are checked before any money is spent, by their first bytes, their size and their
dimensions. A local file stays a path in the request; it is read when the body is made. How much is checked depends on
what the family's page states, see `Limits`.

Sources: the vendor's pages, Jimeng and Vidu, `images` (kinds of picture); V-3 (content-type prefix), V-4 (inline size).
"""

import base64
import binascii
import hashlib
import io
import mimetypes
import os
import re
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple
from urllib.parse import unquote, urlsplit

from prefect_octopusx.api.redact import is_marked, redact_image
from prefect_octopusx.api.requests.messages import lower_scheme, rule, shown

__all__ = [
    "MB",
    "PLACEHOLDER_GIVEN",
    "QUERY_GIVEN",
    "STATED",
    "UNCHECKED",
    "UNSTATED",
    "Limits",
    "Picture",
    "doubtful_kind",
    "encoded",
    "encoded_length",
    "has_placeholder",
    "inspected",
    "is_cut",
    "is_inline",
    "is_url",
    "kept",
    "masked",
    "normalised",
    "normalised_url",
]

MB = 1_000_000  # the smaller reading of "MB", to be on the safe side of every limit
PLACEHOLDER_GIVEN = "this picture was given inline and is not kept with a run; give a URL or a path"
QUERY_GIVEN = "this URL was given with a query, which is not kept with a run once it is sent; give it anew"

_STATED_KINDS = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff", "image/webp": b"RIFF"}
_MAGIC = {**_STATED_KINDS, "image/gif": b"GIF8"}
_DATA_URI = re.compile(r"data:(?P<kind>image/(?:png|jpeg|jpg|webp));base64,")
_INLINE = re.compile(r"data:(?P<kind>[^,\s]{0,200});base64,")
_PLACEHOLDER = re.compile(r"data:[^,]{0,200},<\d+ characters, sha256 ")
_BARE_BASE64 = re.compile(r"(?:iVBORw0KGgo|/9j/|UklGR)[A-Za-z0-9+/=\s]{40,}")  # a png, jpeg, webp without its prefix
_OTHER_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+)://")
_UNUSABLE = re.compile(r"\.(?:avif?|bmp|gif|hei[cf]|ico|m4v|mkv|mov|mp4|pdf|svg|tiff?|webm)")
_KINDS = "png, jpeg, jpg or webp"


class Limits(NamedTuple):
    """What a family refuses of pictures. In any case a file must be there, and a data URI be in base64."""

    kinds: bool
    """Whether only png, jpeg and webp are taken, by the content, or by the suffix of a URL."""
    inline: int | None
    """How many bytes a picture that is sent along may have, decoded; None for no limit."""


STATED = Limits(kinds=True, inline=10 * MB)  # V-4
"""For families whose page states the kinds."""
UNSTATED = Limits(kinds=False, inline=10 * MB)
"""For the other families; the limit of size is ours."""
UNCHECKED = Limits(kinds=False, inline=None)
"""For models that no page lists."""


class Picture(NamedTuple):
    """What is known of a picture that is sent along. Width and height are 0 where they could not be read."""

    kind: str
    """The content type."""
    length: int
    width: int
    height: int


def is_url(image: str) -> bool:
    """Tell whether the vendor fetches this picture itself."""
    return image[:8].lower().startswith(("http://", "https://"))


def is_inline(text: str) -> bool:
    """Tell whether `text` is a data URI with content."""
    return _INLINE.match(text) is not None


def normalised(image: object, limits: Limits) -> str:
    """Return `image` as a URL, a data URI or a path, after every check that needs no other field.

    Raises:
        PydanticCustomError: The picture cannot be used, and why.
    """
    if isinstance(image, bytes):
        return _data_uri(_checked(image, "the inline picture", limits), image)
    if isinstance(image, os.PathLike):
        image = os.fspath(image)
    if not isinstance(image, str):
        raise rule(f"a picture is a URL, a data URI, a path or bytes (given: {shown(image)})")
    image = _lower_start(image.strip())
    if is_url(image):
        url = normalised_url(image)
        if limits.kinds and (suffix := _unusable_suffix(url)):
            raise rule(f"a picture is {_KINDS}, not {suffix} (given: {shown(url)})")
        return url
    if _PLACEHOLDER.match(image):
        raise rule(PLACEHOLDER_GIVEN)
    if not image.startswith("data:"):
        _refuse_what_is_no_path(image)
    inspected(image, limits)
    return image


def normalised_url(url: str) -> str:
    """Return `url` if it is one that the vendor can fetch something from.

    Raises:
        PydanticCustomError: It cannot be used, and why.
    """
    url = _lower_start(url.strip())
    try:
        parts = urlsplit(url)
        valid = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # a bad port, a bad IPv6 address
        valid = False
    if not valid or parts.scheme not in {"http", "https"} or re.search(r"[\s\x00-\x1f]", url):
        raise rule(f"a URL is http:// or https://, a host and a path, without spaces (given: {shown(url)})")
    return url


def doubtful_kind(image: str) -> str | None:
    """Return the suffix or the content type of a picture that is probably none of the usual kinds.

    Raises:
        PydanticCustomError: The picture cannot be used, and why.
    """
    picture = inspected(image, UNSTATED)
    if picture is None:
        return _unusable_suffix(image)
    return None if picture.kind in _STATED_KINDS else picture.kind


def inspected(image: str, limits: Limits) -> Picture | None:
    """Return what is known of a picture that is sent along; None for a URL, which only the vendor can open.

    Raises:
        PydanticCustomError: The picture cannot be used, and why.
    """
    if is_url(image):
        return None
    if image.startswith("data:"):
        return _inspected_data_uri(image, limits)
    try:
        if not Path(image).is_file():
            raise rule(f"there is no file {shown(image)} here (a URL begins with https://)")
        with Path(image).open("rb") as file:
            return _look(file, Path(image).stat().st_size, shown(image), limits, _guessed(image))
    except OSError as error:
        raise rule(f"the file {shown(image)} cannot be read: {error.strerror or type(error).__name__}") from None


def encoded(image: str, limits: Limits) -> str:
    """Return what goes on the wire: a URL or a data URI.

    Raises:
        OSError: The file is gone or cannot be read.
        ValueError: The file is no longer a picture that may be sent.
    """
    if is_url(image) or image.startswith("data:"):
        return image
    data = Path(image).read_bytes()
    try:
        return _data_uri(_checked(data, shown(image), limits, _guessed(image)), data)
    except ValueError as error:
        raise ValueError(str(error)) from None  # a plain one: pydantic's own kind is for validation


def encoded_length(image: str, limits: Limits) -> int:
    """Return how many characters of the body this picture takes, without encoding it."""
    picture = None if is_url(image) or image.startswith("data:") else inspected(image, limits)
    if picture is None:
        return len(image)
    return len(f"data:{picture.kind};base64,") + (picture.length + 2) // 3 * 4


def kept(image: str) -> str:
    """Return what a record keeps: a URL without its query, or the digest of the picture that was sent along."""
    if is_url(image) or image.startswith("data:"):
        return redact_image(image)
    data = Path(image).read_bytes()
    return f"{Path(image).name} <{len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}>"


def masked(value: object) -> object:
    """Return `value` with the content of every data URI in it replaced by its length and digest."""
    if isinstance(value, str):
        start = _lower_start(value)
        return redact_image(start) if is_inline(start) and not _PLACEHOLDER.match(start) else value
    if isinstance(value, list | tuple):
        return [masked(item) for item in value]
    if isinstance(value, dict):
        return {key: masked(item) for key, item in value.items()}
    return value


def has_placeholder(value: object) -> bool:
    """Tell whether a picture in `value` was masked, so that its content is gone."""
    if isinstance(value, dict):
        return any(map(has_placeholder, value.values()))
    if isinstance(value, list | tuple):
        return any(map(has_placeholder, value))
    return isinstance(value, str) and _PLACEHOLDER.match(value) is not None


def is_cut(value: object) -> bool:
    """Tell whether a URL in `value` has lost its query, so that it leads nowhere any more."""
    if isinstance(value, dict):
        return any(map(is_cut, value.values()))
    if isinstance(value, list | tuple):
        return any(map(is_cut, value))
    return isinstance(value, str) and is_marked(value)


def _refuse_what_is_no_path(image: str) -> None:
    other = _OTHER_SCHEME.match(image)
    if not image:
        raise rule("a picture is a URL, a data URI or a path, not an empty text")
    if other and other["scheme"].lower() == "file":
        raise rule(f"give a local picture by its path, without file:// (given: {shown(image)})")
    if other:
        raise rule(
            f"a picture's URL is http:// or https://; for one in a private bucket give a presigned URL"
            f" (given: {shown(image)})"
        )
    if _BARE_BASE64.match(image):
        raise rule("a picture in base64 needs its type before it: data:image/png;base64,… (or jpeg, webp)")


def _inspected_data_uri(image: str, limits: Limits) -> Picture:
    head = (_DATA_URI if limits.kinds else _INLINE).match(image)
    if not head:
        others = "jpeg, jpg, webp" if limits.kinds else "another type"
        raise rule(
            f"an inline picture begins with data:image/png;base64, (or {others})"
            f" (given: {shown(image.partition(',')[0])})"
        )
    payload, kind = image[head.end() :], head["kind"].replace("jpg", "jpeg")
    if limits.inline is None:
        return Picture(kind, 0, 0, 0)
    # Before the memory for decoding is taken.
    _check_length(len(payload) * 3 // 4 - 2, "the inline picture", limits)
    try:
        data = base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError):
        raise rule(f"the inline picture is not valid base64 ({len(payload)} characters)") from None
    picture = _checked(data, "the inline picture", limits, kind)
    if limits.kinds and picture.kind != kind:
        raise rule(f"the inline picture says {head['kind']}, but its content is {picture.kind.removeprefix('image/')}")
    return picture


def _checked(data: bytes, name: str, limits: Limits, guess: str = "") -> Picture:
    return _look(io.BytesIO(data), len(data), name, limits, guess)


def _look(file: BinaryIO, length: int, name: str, limits: Limits, guess: str) -> Picture:
    head = file.read(16)
    file.seek(0)
    found = _kind_of(head)
    if limits.kinds and found not in _STATED_KINDS:
        raise rule(f"a picture is {_KINDS}; {name} is none of them ({length} bytes)")
    kind = found or guess
    if not kind:
        raise rule(
            f"the kind of {name} cannot be told ({length} bytes): give a data URI, which names it, as data:image/bmp;…"
        )
    _check_length(length, name, limits)
    width, height = _size(file) if limits.kinds else (0, 0)
    return Picture(kind, length, max(width, 0), max(height, 0))


def _size(file: BinaryIO) -> tuple[int, int]:
    import imagesize  # noqa: PLC0415 - brings an XML parser along, and most requests have no picture to look into

    width, height = imagesize.get(file)
    return int(width), int(height)


def _kind_of(head: bytes) -> str | None:
    kind = next((kind for kind, magic in _MAGIC.items() if head.startswith(magic)), None)
    return None if kind == "image/webp" and head[8:12] != b"WEBP" else kind


def _guessed(path: str) -> str:
    return mimetypes.guess_type(path)[0] or ""


def _unusable_suffix(url: str) -> str | None:
    suffix = PurePosixPath(unquote(urlsplit(url).path)).suffix.lower()
    return suffix if _UNUSABLE.fullmatch(suffix) else None


def _check_length(length: int, name: str, limits: Limits) -> None:
    if limits.inline is not None and length > limits.inline:
        raise rule(
            f"{name} has {length / MB:.1f} MB; a picture that is sent along has at most {limits.inline // MB} MB:"
            " upload it and give its URL"
        )


def _data_uri(picture: Picture, data: bytes) -> str:
    return f"data:{picture.kind};base64,{base64.b64encode(data).decode()}"


def _lower_start(image: str) -> str:
    head, comma, payload = image.partition(",") if image[:5].lower() == "data:" else ("", "", "")
    return head.lower() + comma + payload if comma else lower_scheme(image[:8]) + image[8:]
