"""Secrets that exist nowhere else, so that whatever holds one has it from us; and the search for them."""

import base64
import binascii
import contextlib
import re
import secrets
import string
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from tests.api.picture_requests import png

__all__ = ["Canaries", "decoded", "found_in"]

_LETTERS = string.ascii_letters + string.digits
_WINDOW = 24  # characters of a long secret that give it away
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{60,}={0,2}")


def _token(length: int = 32) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))


class Canaries(NamedTuple):
    """One of each kind. `planted` is no secret: it is in videos' names, and must be found in each kind of place."""

    key: str
    access_key: str
    secret_key: str
    session_token: str
    image_token: str
    picture: bytes
    planted: str

    @classmethod
    def new(cls) -> "Canaries":
        return cls(
            key=f"sk-{_token()}",
            access_key="AKIA" + "".join(secrets.choice(string.ascii_uppercase) for _ in range(16)),
            secret_key=_token(40),
            session_token=_token(320),
            image_token=_token(),
            picture=png() + secrets.token_bytes(600),
            planted=f"planted{_token(16).lower()}",
        )

    @property
    def picture_uri(self) -> str:
        return f"data:image/png;base64,{base64.b64encode(self.picture).decode()}"

    @property
    def picture_url(self) -> str:
        return f"https://img.example.com/cat.png?token={self.image_token}"

    def needles(self, signatures: Iterable[str]) -> dict[str, list[bytes]]:
        """Return what must be nowhere, by kind: several pieces of what is long, since a part is too much already."""
        payload = self.picture_uri.partition(",")[2]
        # Pieces without `+` and `/`, which each kind of text escapes in its own way.
        pieces = [found[:_WINDOW] for found in re.findall(rf"[A-Za-z0-9]{{{_WINDOW},}}", payload[60:])]
        texts = {
            "API key": [self.key.removeprefix("sk-")],
            "AWS access key": [self.access_key],
            "AWS secret key": [self.secret_key],
            "AWS session token": [self.session_token[at : at + _WINDOW] for at in range(0, 297, _WINDOW)],
            "picture's URL": [self.image_token],
            "picture": pieces,
            "video's URL": list(signatures),
        }
        assert all(texts.values()), texts
        found = {kind: [text.encode() for text in many] for kind, many in texts.items()}
        found["picture"].append(self.picture[100:140])
        return found


def found_in(places: Iterable[tuple[str, bytes]], needles: Mapping[str, Iterable[bytes]]) -> Iterator[tuple[str, str]]:
    """Yield (kind of needle, place with some of what is around it) for each kind of needle in a place."""
    for place, data in places:
        for kind, pieces in needles.items():
            at = next((at for at in map(data.find, pieces) if at >= 0), None)
            if at is not None:
                yield kind, f"{place}: {data[max(0, at - 120) : at + 60]!r}"


def decoded(data: bytes) -> bytes:
    """Return all that is in base64 in a place, as Prefect's pickles are."""
    found = []
    for match in _BASE64.finditer(data.replace(b"\\n", b"")):
        text = match[0].rstrip(b"=")
        with contextlib.suppress(binascii.Error):
            found.append(base64.b64decode(text + b"=" * (-len(text) % 4)))
    return b"\n".join(found)
