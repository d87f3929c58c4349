"""What the fuzz tests share: how much they try, and texts, bytes and JSON of the kinds that break things.

`SOAK_EXAMPLES=1000 python -m pytest -k fuzz` tries far more than the tests do, and something else each time.
"""

import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

__all__ = ["cut", "fuzz", "json_values", "spoilt", "texts"]

EXAMPLES = int(os.environ.get("SOAK_EXAMPLES", "0"))

texts = st.text(st.characters(), max_size=40)
"""Any text, half characters included."""


def fuzz(few: int, *, cheap: int = 10) -> settings:
    """Return how much a test tries: `few` examples, always the same; in a soak `cheap` x `SOAK_EXAMPLES` new ones."""
    return settings(
        max_examples=EXAMPLES * cheap or few,
        derandomize=not EXAMPLES,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


_ODD = [
    *(None, True, False, 0, -1, 2**31, 2**63, 10**400, 0.5, -0.0, float("nan"), float("inf"), -float("inf"), 1e308),
    *("", " ", "0", "-1", "nan", "1e999", "true", "null", "\0", "\ud83d", "\u2028", "x" * 5000, "²²²²²", "٣", "[]"),
]


def json_values(texts: st.SearchStrategy[str] = texts, *, leaves: int = 8) -> st.SearchStrategy[Any]:
    """Return any JSON, and what Python's parser takes for JSON."""
    return st.recursive(
        st.sampled_from(_ODD) | texts | st.integers() | st.floats(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=leaves,
    )


_PIECES = [bytes([byte]) for byte in b"\0\x01\x7f\x80\xff{}[]\"'<>&?%:/\\\r\n\t ,;=."] + [
    *(
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xc2\x85",
        b"\xed\xa0\xbd",
        b"\xf4\x90\x80\x80",
        b"\\ud83d",
        b"\\u0000",
        b"[" * 2000,
    ),
    *(b"NaN", b"-Infinity", b"1e999", b"9" * 5000, b"null", b"\0\0\0\0", b"\xff" * 8, b"\0\0\0\1", b"\x80" + bytes(7)),
]


@st.composite
def spoilt(draw: st.DrawFn, whole: bytes, changes: int = 4) -> bytes:
    """Draw `whole` with bytes flipped, cut out, doubled, put in and moved."""
    data = whole
    for _ in range(draw(st.integers(1, changes))):
        at = draw(st.integers(0, len(data)))
        until = min(len(data), at + draw(st.integers(0, 9) | st.integers(0, len(data))))
        match draw(st.sampled_from(["put", "put in place", "cut", "flip", "double", "end"])):
            case "put":
                data = data[:at] + draw(st.sampled_from(_PIECES) | st.binary(max_size=12)) + data[at:]
            case "put in place":
                piece = draw(st.sampled_from(_PIECES) | st.binary(max_size=12))
                data = data[:at] + piece + data[at + len(piece) :]
            case "cut":
                data = data[:at] + data[until:]
            case "flip" if at < len(data):
                data = data[:at] + bytes([data[at] ^ 1 << draw(st.integers(0, 7))]) + data[at + 1 :]
            case "double":
                data = data[:until] + data[at:until] + data[until:]
            case "end":
                data = data[:at]
            case _:
                pass
    return data


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    """Return `data` in pieces that end at `cuts`, modulo its length."""
    ends = sorted(at % (len(data) + 1) for at in cuts)
    return [data[start:end] for start, end in zip([0, *ends], [*ends, len(data)], strict=True)]
