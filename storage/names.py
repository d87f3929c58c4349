"""What can name a video: the same rule for every bucket and every folder, whatever the machine's file system can do.

Under a name lie `NAME.mp4`, `NAME.json`, `NAME.jpg` and `NAME.html`. No two names that are accepted share a file, and
no file of one is a folder of another; also where letter case, normal forms or dots at an end make no difference. For
names that differ in nothing else there is `folded`.
"""

import re
import unicodedata

from prefect_octopusx.api.requests.messages import shown

__all__ = ["LONGEST_NAME", "check_name", "folded", "is_claim", "is_name"]

LONGEST_NAME = 700
"""Bytes of a whole name; a key of a bucket may have 1,024, and prefix and index add to it."""

_LONGEST_PART = 180  # bytes; a file name may have 255, and the parts of a transfer add to it
# Letters, digits and `_`, without the four letters of Hangul that show nothing and that file systems may leave out.
_LETTER = r"[^\W\u115f\u1160\u3164\uffa0]"
_PART = re.compile(rf"{_LETTER}(?:{_LETTER}|[.\-])*(?<!\.)")
_DEVICE = re.compile(r"(?i)(?:con|prn|aux|nul|(?:com|lpt)[0-9¹²³])(?:\.|\Z)")
_FILES = (".mp4", ".json", ".jpg", ".html", ".jsonl")


def check_name(name: str) -> str:
    """Return `name`, normalised (Unicode NFC), if it can name a video in a bucket and in a folder alike.

    Allowed are letters and digits of any script, `_`, `-`, `.`, and `/` between folders.

    Args:
        name: Without an ending, such as `cats/first`.

    Raises:
        ValueError: It can't; the message says what is allowed.
    """
    name = unicodedata.normalize("NFC", name)
    parts = name.split("/")
    if (
        not all(_PART.fullmatch(part) and len(part.encode()) <= _LONGEST_PART for part in parts)
        or len(name.encode()) > LONGEST_NAME
    ):
        raise ValueError(
            f"name: {shown(name)} can't name a video. Use letters, digits, '_', '-' and '.', with '/' between folders; "
            f"each part starts with a letter, a digit or '_', does not end with '.' and has at most {_LONGEST_PART} "
            f"bytes, the whole name {LONGEST_NAME}."
        )
    if device := next(filter(_DEVICE.match, parts), None):
        raise ValueError(f"name: {shown(name)}: Windows has no file or folder {device!r}; choose another name.")
    *folders, last = parts
    if file := next((folder for folder in folders if folder.lower().endswith(_FILES)), None):
        raise ValueError(
            f"name: {shown(name)}: the folder {file!r} may be the file of another video; leave out the ending: "
            f"{file.rpartition('.')[0]!r}."
        )
    if last.lower().endswith((".mp4", ".json")):
        raise ValueError(f"name: {shown(name)} is a file name; leave out the ending: {shown(name.rpartition('.')[0])}.")
    return name


def is_name(name: str) -> bool:
    """Tell whether this can name a video, as it stands."""
    try:
        return check_name(name) == name
    except ValueError:
        return False


def folded(name: str) -> str:
    """Return what names of videos are told apart by where letter case or a normal form makes no difference."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())


def is_claim(token: str) -> bool:
    """Tell whether this has the form of a claim's token."""
    return re.fullmatch(r"[0-9a-f]{32}", token) is not None
