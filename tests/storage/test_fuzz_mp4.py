"""Mp4 files that were cut, spoilt or made to harm: the walk agrees with a simple one, and no decoder is led astray."""

import io
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_octopusx.api import DownloadError
from prefect_octopusx.sandbox import clips
from prefect_octopusx.storage.decoding import NotDecodable, look_into
from prefect_octopusx.storage.mp4 import Mp4Check
from prefect_octopusx.storage.sample_tables import TablesTooLarge, check_tables
from tests.fuzzing import cut, fuzz, spoilt
from tests.storage.conftest import box, mp4

# Films are long, and Hypothesis minds to show one; but it has to be seen why a test fails.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr:hypothesis.errors.HypothesisWarning")

KINDS = st.sampled_from(["ftyp", "moov", "mdat", "free", "moof", "uuid", "m\x01ov", "    "])
SIZES = st.sampled_from([0, 1, 7, 8, 9, 15, 16, 17, 2**31, 2**32 - 1]) | st.integers(0, 80)
LONG_SIZES = st.sampled_from([0, 1, 8, 15, 16, 17, 2**32, 2**63, 2**64 - 1]) | st.integers(0, 80)
honest = st.builds(box, KINDS, st.binary(max_size=30))
nested = st.builds(lambda kind, inner: box(kind, b"".join(inner)), KINDS, st.lists(honest, max_size=3))
honest_long = st.builds(
    lambda kind, payload: b"\0\0\0\1" + kind.encode() + (16 + len(payload)).to_bytes(8) + payload,
    KINDS,
    st.binary(max_size=30),
)


def lie(size: int, kind: str, long_size: int, payload: bytes) -> bytes:
    return size.to_bytes(4) + kind.encode() + (long_size.to_bytes(8) if size == 1 else b"") + payload


lies = st.builds(lie, SIZES, KINDS, LONG_SIZES, st.binary(max_size=40))
rows = st.lists(honest | honest_long | nested | lies, max_size=5).map(b"".join)
START = box("ftyp", b"isom") + box("moov", b"index")
files = st.one_of(
    rows,
    rows.map(lambda boxes: START + boxes),
    rows.map(lambda boxes: START + box("mdat", b"x") + boxes),
    spoilt(mp4(40)),
    spoilt(START + b"\0\0\0\1mdat" + (56).to_bytes(8) + bytes(40)),
)


def is_whole(data: bytes) -> bool:
    """Walk the boxes of a whole file, which is simpler than in pieces."""
    at, seen = 0, list[bytes]()
    while at < len(data):
        size, kind, head = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8], 8
        if (
            len(kind) < 4
            or not kind.decode("latin-1").isprintable()
            or not kind.isascii()
            or (not at and kind != b"ftyp")
        ):
            return False
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16]), 16
        elif size == 0:
            size = len(data) - at
        if size < head or at + size > len(data):
            return False
        seen.append(kind)
        at += size
    return {b"moov", b"mdat"} <= set(seen)


def verdict(pieces: list[bytes]) -> str:
    """Return what the walk says of a file in pieces, nothing if it passes."""
    walk = Mp4Check()
    try:
        for piece in pieces:
            walk.feed(piece)
        walk.finish()
    except DownloadError as error:
        return str(error)
    return ""


@fuzz(500, cheap=100)
@given(files, st.lists(st.integers(0, 500), max_size=8))
def test_any_file_in_any_pieces_is_judged_as_the_whole_is(data: bytes, cuts: list[int]) -> None:
    said = verdict([data])
    assert (said == "") == is_whole(data)
    assert verdict(cut(data, cuts)) == said
    assert verdict([data[at : at + 1] for at in range(len(data))]) == said


@fuzz(200, cheap=100)
@given(st.lists(honest | honest_long, max_size=4).map(b"".join), st.integers(1, 100), st.booleans())
def test_a_file_that_is_cut_does_not_pass(boxes: bytes, missing: int, long: bool) -> None:
    last = b"\0\0\0\1mdat" + (56).to_bytes(8) + bytes(40) if long else box("mdat", bytes(40))
    whole = START + boxes.replace(b"mdat", b"skip").replace(b"m\x01ov", b"wide") + last
    assert verdict([whole]) == ""
    assert verdict([whole[: -min(missing, len(last))]])


# What a decoder is spared

CLIP = (Path(clips.__path__[0]) / "16x9.mp4").read_bytes()
MOOV = CLIP.index(b"moov") - 4
END = MOOV + int.from_bytes(CLIP[MOOV : MOOV + 4])
films = spoilt(CLIP[MOOV:END]).map(lambda moov: CLIP[:MOOV] + moov + CLIP[END:]) | spoilt(CLIP)


@fuzz(300, cheap=100)
@given(films | files)
def test_tables_of_any_file_are_checked_or_refused(data: bytes) -> None:
    file = io.BytesIO(data)
    with suppress(TablesTooLarge, OverflowError, ValueError):  # the last two: of a place that no file can have
        check_tables(file)
    assert file.tell() == 0


@fuzz(40, cheap=20)
@given(films)
def test_any_film_is_looked_into_or_not_decodable(data: bytes) -> None:
    began = time.monotonic()
    try:
        look = look_into(io.BytesIO(data), frame=True)
    except NotDecodable as error:
        str(error).encode()
    else:
        assert look.facts.width > 0
        assert (look.jpeg or b"").startswith(b"\xff\xd8")
    assert time.monotonic() - began < 120


def test_many_tables_of_chunks_take_no_longer_than_one() -> None:
    """Each may say that it has as many entries as fit in all of them; together that was the square."""
    tables = box("ftyp", b"isom") + box("moov", b"stsc" * 4_000_000)
    with pytest.raises(TablesTooLarge, match="more entries than there is room for"):
        check_tables(io.BytesIO(tables))
