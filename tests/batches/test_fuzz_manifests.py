"""Plans and results: names that a manifest makes never meet in one file, and what is written is read again."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_octopusx.batches import ManifestError, ResultsInvalid, items_of, read_manifest, read_results, write_results
from prefect_octopusx.batches.results import VideoResult
from prefect_octopusx.storage.names import folded, is_name
from tests.batches.reading import WHEN, as_csv, as_jsonl, as_yaml
from tests.fuzzing import fuzz, json_values, spoilt, texts

FORMATS: dict[str, Callable[[list[dict[str, Any]]], str]] = {"a.jsonl": as_jsonl, "a.csv": as_csv, "a.yaml": as_yaml}
ROW = {
    "name": "{city}-{date}",
    "model": "viduq3-pro",
    "prompt": "in {city}",
    "city": "Paris",
    "images": ["https://e.com/a"],
}
WHOLE = {where: dumped([ROW, ROW | {"city": "Rome"}]).encode() for where, dumped in FORMATS.items()}
PARTS = st.sampled_from(
    ["a", "A", "é", "e\u0301", "ß", "SS", "/", "..", ".", "-", "{n}", "{n:02d}", "{date:%d}", "con", ".json", ""]
)
names = st.lists(PARTS, min_size=1, max_size=4).map("".join)


@fuzz(150, cheap=20)
@given(st.sampled_from(sorted(FORMATS)), st.lists(st.tuples(names, st.integers(0, 3)), min_size=1, max_size=4))
def test_the_names_of_a_plan_can_be_told_apart_in_every_folder(where: str, given_names: list[tuple[str, int]]) -> None:
    rows = [{"name": name, "n": number, "model": "viduq3-pro", "prompt": "x {n}"} for name, number in given_names]
    try:
        items = read_manifest(FORMATS[where](rows).encode(), where=where).videos(WHEN)
    except ManifestError as error:
        assert error.faults  # noqa: PT017 - many are refused, and some are not
        return
    assert all(is_name(item.name) for item in items)
    assert len({folded(item.name) for item in items}) == len(rows)


@fuzz(150, cheap=20)
@given(st.data(), st.sampled_from(sorted(FORMATS)), st.sampled_from([b"\n", b"\r\n", b"\r"]), st.booleans())
def test_a_spoilt_manifest_is_read_or_refused(data: st.DataObject, where: str, ends: bytes, mark: bool) -> None:
    spoilt_one = data.draw(spoilt(WHOLE[where].replace(b"\n", ends)))
    try:
        items = read_manifest(b"\xef\xbb\xbf" * mark + spoilt_one, where=where).videos(WHEN)
    except ManifestError as error:
        str(error).encode()
    else:
        assert all(is_name(item.name) for item in items)


RESULTS = [
    VideoResult(name="a", state="completed", model="viduq3-pro", request={"model": "viduq3-pro", "prompt": "a cat"}),
    VideoResult(name="b", state="uncertain", model="sora-2", error="lost", place="row 3"),
]
lines = st.dictionaries(st.sampled_from(sorted(VideoResult.model_fields)), json_values(texts), max_size=8).map(
    lambda line: as_jsonl([line]).encode("utf-8", "replace")
)


@fuzz(150, cheap=50)
@given(spoilt(write_results(RESULTS)) | st.binary(max_size=60) | lines)
def test_any_results_are_read_again_or_refused(data: bytes) -> None:
    try:
        results = read_results(data, where="a-results.jsonl")
    except ResultsInvalid as error:
        str(error).encode()
        return
    assert read_results(write_results(results), where="again") == results
    try:
        items_of(results)
    except ResultsInvalid as error:
        str(error).encode()


def test_whole_ones_pass() -> None:
    for where, whole in WHOLE.items():
        assert [item.name for item in read_manifest(whole, where=where).videos(WHEN)] == [
            "Paris-2026-12-01",
            "Rome-2026-12-01",
        ]
    with pytest.raises(ResultsInvalid, match="b: the request could not be kept"):
        items_of(read_results(write_results(RESULTS), where="a-results.jsonl"))
