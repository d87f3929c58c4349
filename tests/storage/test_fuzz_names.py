"""Names: whatever is asked for, no path leaves its folder, and no two videos share a file, in no file system."""

import re
import unicodedata
from itertools import accumulate
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from prefect_octopusx.api import ViduRequest
from prefect_octopusx.batches import ManifestError, results_file
from prefect_octopusx.batches.named import named_items
from prefect_octopusx.storage import LocalStore, RecordInvalid, S3Options, S3Store, check_name
from prefect_octopusx.storage.names import folded, is_name
from prefect_octopusx.storage.store import Suffix
from tests.fuzzing import fuzz, texts
from tests.storage.conftest import Place, record

CAT = ViduRequest(model="viduq3-pro", prompt="a cat")
LOCAL = LocalStore("/videos")
PREFIX = "p" * 280
BUCKET = S3Store(S3Options(bucket="bucket", prefix=PREFIX))
CLAIM = "0f" * 16

letters = st.sampled_from(
    [*("a", "A", "dog", "Dog", "1", "_", "é", "ß", "ss", "ﬁ", "fi", "İ", "ΐ", "\u1fd3", "ᾳ", "가", "\u212a")]
)
tails = st.sampled_from(
    [*("", "", "", "-", "s", "S", "e\u0301", ".jpg", ".html", ".JSONL", "-results", f".{CLAIM}", ".x", "..x")]
)
good = st.lists(st.builds("{}{}".format, letters, tails), min_size=1, max_size=3).map("/".join)
bad = st.sampled_from(
    [
        *("con", "NUL.x", "com¹", ".", "..", "", "~", ".pending", "\u017f", "i\u0307", "\u0131", "\u0345", "b."),
        *("a" * 180, "é" * 90, "é" * 91, "日" * 60, "日" * 61, "\u3164", "\u200d", "\u00ad", "\0", "\n", "\u202e"),
        *(".mp4", ".MP4", ".json", f".{CLAIM}.json", ":x", "\\x", "~1", "*", "\u0301", "\ud83d", "/../", "//", " "),
    ]
)
endings = tails | bad
part = st.builds("{}{}".format, letters | bad | texts, endings)
names = good | st.lists(part, min_size=1, max_size=4).map("/".join) | st.sampled_from(["ab/" * 233 + "c", "ab/" * 250])


@st.composite
def pairs(draw: st.DrawFn) -> tuple[str, str]:
    """Draw two names, the second like the first or inside of it."""
    one = draw(good | names)
    changed = st.sampled_from(
        [
            str.upper,
            str.lower,
            str.swapcase,
            str.casefold,
            str.title,
            lambda name: unicodedata.normalize("NFD", name),
            lambda name: unicodedata.normalize("NFKC", name),
            lambda name: name + draw(endings),
            lambda name: name + draw(tails) + "/" + draw(good),
            lambda name: name.replace("/", draw(tails) + "/", 1),
            lambda name: name.partition("/")[0],
            lambda name: name.rpartition("/")[2],
            results_file,
        ]
    )
    other = draw(changed)(one)
    return one, draw(changed)(other) if draw(st.booleans()) else other


def accepted(name: str) -> str | None:
    try:
        return check_name(name)
    except ValueError as error:
        str(error).encode()
        return None


def files(name: str) -> set[str]:
    """Return all that lies under a video's name, and under a batch's, from the destination's own folder on."""
    found = {LOCAL.uri(name, suffix).removeprefix("/videos/") for suffix in get_args(Suffix)}
    start = f"s3://bucket/{PREFIX}/"
    assert {BUCKET.uri(name, suffix).removeprefix(start) for suffix in get_args(Suffix)} == found
    return found | ({results_file(name)} if is_name(results_file(name)) else set())


def seen(path: str) -> str:
    """Return a path as the least careful of file systems tells it from others."""
    ignored = "\u115f\u1160\u3164\uffa0\u00ad\u200b\u200c\u200d\u2060\ufeff\u034f\u17b4\u17b5"
    path = unicodedata.normalize("NFD", unicodedata.normalize("NFD", path).casefold())
    return "/".join(part.translate(dict.fromkeys(map(ord, ignored))).rstrip(". ") for part in path.split("/"))


@fuzz(250, cheap=100)
@given(names)
@example("日本/第1話")
def test_no_path_leaves_its_folder_and_none_is_too_long(name: str) -> None:
    name = accepted(name) or "a"
    assert check_name(name) == name
    for file in files(name):
        path = Path("/videos", file)
        assert Path("/videos") in path.parents
        assert ".." not in path.parts
        assert file.isprintable()
        assert not re.search(r'[\\:*?"<>|~\s]', file)
        for part in file.split("/"):
            assert len(f".{part}.part".encode()) <= 255
            assert not part.startswith((".", " "))
            assert not part.endswith((".", " "))
            assert not re.fullmatch(r"(?i)con|prn|aux|nul|(com|lpt)[\d¹²³]", part.partition(".")[0])
    assert len(BUCKET.options.key(f".pending/{name}", f".{CLAIM}").encode()) <= 1024


@fuzz(250, cheap=100)
@given(pairs())
@example(("dog", "dog.jpg/one"))
@example(("dog", "dog-results.jsonl/one"))
@example(("straße", "STRASSE"))
@example(("\u1fd3", "\u0390"))
@example(("a./b", "a/b"))
@example(("a", "a\u3164"))
def test_no_two_videos_share_a_file_whatever_the_file_system(pair: tuple[str, str]) -> None:
    one, other = map(accepted, pair)
    if one is None or other is None or one == other:
        return
    if folded(one) == folded(other):
        with pytest.raises(ManifestError, match="can't be told apart"):
            named_items({one: CAT, other: CAT})
        return
    all_of_one, all_of_other = ({seen(file) for file in files(name)} for name in (one, other))
    assert not all_of_one & all_of_other
    for these, those in ((all_of_one, all_of_other), (all_of_other, all_of_one)):
        folders = {folder for file in these for folder in list(accumulate(file.split("/"), "{}/{}".format))[:-1]}
        assert not folders & those


async def test_a_record_of_another_name_is_not_taken_for_this_one(place: Place) -> None:
    """So a folder that does not tell `Hero` from `hero` shows it, and so does a destination inside of another."""
    place.put("Hero.json", record("hero").to_json())
    with pytest.raises(RecordInvalid, match=r"Hero.json is the record of 'hero', not of 'Hero': .* was left as it is"):
        await place.store.read("Hero")
