"""The walk over the boxes: whole files pass in any pieces, and nothing else does."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_octopusx.api.errors import DownloadError
from prefect_octopusx.storage.mp4 import Mp4Check
from tests.storage.conftest import box, mp4


def long_box(kind: str, payload: bytes) -> bytes:
    return (1).to_bytes(4) + kind.encode() + (16 + len(payload)).to_bytes(8) + payload


def check(data: bytes, cuts: list[int] | None = None) -> None:
    walk = Mp4Check()
    for start, end in pairwise([0, *sorted(cuts or []), len(data)]):
        walk.feed(data[start:end])
    walk.finish()


OTHERS = st.lists(
    st.builds(
        lambda make, kind, payload: make(kind, payload),
        st.sampled_from([box, long_box]),
        st.sampled_from(["free", "moof", "mdat", "uuid", "wide"]),
        st.binary(max_size=40),
    ),
    max_size=3,
).map(b"".join)
MOVIES = st.builds(
    lambda head, between, late, swap: (
        box("ftyp", head) + between + b"".join((box("moov", b"index"), long_box("mdat", late))[:: -1 if swap else 1])
    ),
    st.binary(min_size=4, max_size=20),
    OTHERS.map(lambda boxes: boxes.replace(b"mdat", b"skip")),
    st.binary(max_size=60),
    st.booleans(),
)


@given(movie=MOVIES, rest=OTHERS, data=st.data())
def test_a_whole_file_passes_in_any_pieces(movie: bytes, rest: bytes, data: st.DataObject) -> None:
    whole = movie + rest
    check(whole, data.draw(st.lists(st.integers(0, len(whole)), max_size=12)))
    check(whole, list(range(1, len(whole))))


@given(movie=MOVIES, data=st.data())
def test_every_strict_prefix_fails(movie: bytes, data: st.DataObject) -> None:
    """The movies end with the second of the two boxes that are needed; what may follow needs the declared length."""
    with pytest.raises(DownloadError):
        check(movie[: data.draw(st.integers(0, len(movie) - 1))])


def test_a_last_box_without_a_size_reaches_to_the_end() -> None:
    start = box("ftyp", b"isom") + box("moov", b"index")
    check(start + (0).to_bytes(4) + b"mdat" + b"\0" * 1000, [40, 41, 300])
    with pytest.raises(DownloadError, match="'moov' box"):
        check(box("ftyp", b"isom") + (0).to_bytes(4) + b"mdat" + box("moov", b"index"))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty: 0 bytes"),
        (mp4(1000)[:-40], "cut: its 'mdat' box says 1008 bytes, 968 arrived"),
        (mp4(1000) + b"\0\0\0", "ends in the head of a box"),
        (box("ftyp", b"isom") + box("mdat", b"x"), "none are a 'moov' box"),
        (box("ftyp", b"isom") + box("moov", b"x"), "none are a 'mdat' box"),
        (box("moov", b"x") + box("mdat", b"x"), "not an mp4 video: it does not begin with an 'ftyp'"),
        (b"\0\0\0\1moov" + (24).to_bytes(8) + bytes(8), "it does not begin with an 'ftyp' box"),
        (box("ftyp", b"isom") + b"\0\0\0\1m\xffov" + (24).to_bytes(8), "after the 'ftyp' box, there is none"),
        (box("ftyp", b"isom") + b"\0\0\0\7moov", "'moov' box says 7 bytes"),
        (box("ftyp", b"isom") + b"\0\0\0\1mdat" + (15).to_bytes(8), "'mdat' box says 15 bytes"),
        (box("ftyp", b"isom") + b"\0\0\0\1mdat" + (0).to_bytes(8), "'mdat' box says 0 bytes"),
        (box("ftyp", b"isom") + b"\0\0\1\0m\x01ov", "where its next box should begin, after the 'ftyp' box"),
        (b"<!DOCTYPE html><title>expired</title>", "not a video but an HTML page"),
        (b"\n\n<HTML><body>", "an HTML page"),
        (b'<?xml version="1.0"?><Error/>', "an XML document"),
        (b"<Error><Code>AccessDenied", "an HTML or XML document"),
        (b'\xef\xbb\xbf{"error": "expired"}', "a JSON document"),
        (b"{}", "a JSON document; only 2 bytes arrived"),
        (b"\0\0\0", "not an mp4 video; only 3 bytes arrived"),
    ],
)
def test_the_message_says_what_is_wrong(data: bytes, message: str) -> None:
    for cuts in ([], list(range(1, len(data)))):
        with pytest.raises(DownloadError, match=message):
            check(data, cuts)


def test_a_wrong_start_is_refused_at_once() -> None:
    with pytest.raises(DownloadError):
        Mp4Check().feed(b"<!DOCTYPE")


def test_what_is_not_a_video_is_not_quoted() -> None:
    with pytest.raises(DownloadError) as caught:
        check(b'{"token": "hush"}')
    assert "hush" not in str(caught.value)
