"""What holds of every manifest, whoever wrote it."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from prefect_octopusx.api import VideoRequest
from prefect_octopusx.batches import ManifestError, VideoItem, read_manifest
from tests.batches.reading import WHEN, as_csv, as_jsonl, as_yaml, faults, videos

REQUEST: TypeAdapter[Any] = TypeAdapter(VideoRequest)
FORMATS: dict[str, Callable[[list[dict[str, Any]]], str]] = {
    "a.jsonl": as_jsonl,
    "a.csv": as_csv,
    "a.yaml": as_yaml,
}

# Round trip

# To the YAML library three characters end a line that since YAML 1.2 do not; it writes them as if they did not.
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0\x85\u2028\u2029")
texts = st.text(CHARACTERS, max_size=60).map(str.strip).filter(bool)
pictures = st.lists(st.sampled_from([f"https://example.com/{letter}.png" for letter in "abc"]), max_size=2)
vidu = st.fixed_dictionaries(
    {"model": st.sampled_from(["viduq3-pro", "viduq2-pro"]), "prompt": texts},
    optional={
        "duration": st.integers(1, 10),
        "seed": st.integers(0, 2**40),
        "audio": st.booleans(),
        "aspect_ratio": st.sampled_from(["16:9", "9:16", "1:1"]),
        "images": pictures,
        "payload": texts,
    },
)
sora = st.fixed_dictionaries(
    {"model": st.just("sora-2"), "prompt": texts},
    optional={"duration": st.sampled_from([10, 15]), "private": st.booleans(), "images": pictures},
)
json_values = st.recursive(
    st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
custom = st.fixed_dictionaries(
    {"model": st.just("kling-3")}, optional={"prompt": texts, "seconds": json_values, "style": json_values}
)
requests = st.lists(vidu | sora | custom, min_size=1, max_size=6)


@given(requests, st.data())
def test_the_same_rows_make_the_same_videos_in_every_format(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    named = [{"name": f"v{number}", **row} for number, row in enumerate(rows)]
    expected = [(row["name"], REQUEST.validate_python(fields)) for row, fields in zip(named, rows, strict=True)]
    for row in named:  # the same prompt, by way of a template
        if "prompt" in row and data.draw(st.booleans()):
            row["own"] = row["prompt"]
            row["prompt"] = "{own}"
        elif "prompt" in row:
            row["prompt"] = row["prompt"].replace("{", "{{").replace("}", "}}")
    for where, dumped in FORMATS.items():
        text = dumped(named)
        assert [(item.name, item.request) for item in videos(text, where)] == expected, text


# Faults

GOOD = {"model": "viduq3-pro", "prompt": "in {city}", "city": "Paris", "duration": 5}
INJECTED: dict[str, dict[str, Any]] = {  # by the column that is told
    "name": {"name": "a b"},
    "duration": {"duration": "five"},
    "durration": {"durration": 5},
    "prompt": {"prompt": "{city} {citty}"},
    "date": {"date": "01.12.2026"},
    "images": {"images": ["ftp://example.com/a.png"]},
    "aspect_ratio": {"aspect_ratio": "5:4"},
    "model": {"model": "viduq9"},
    "weekday": {"weekday": "monday"},
}
LONE = {"model", "weekday"}  # by itself each of these says enough; what else is wrong may depend on it


@given(
    st.lists(
        st.sets(st.sampled_from(sorted(INJECTED))).map(
            lambda found: found if not found & LONE else {min(found & LONE)}
        ),
        min_size=1,
        max_size=8,
    )
)
@pytest.mark.parametrize("where", FORMATS)
def test_every_fault_is_told_with_its_row_and_column_and_all_at_once(where: str, injected: list[set[str]]) -> None:
    rows = [{"name": f"v{number}", **GOOD} for number in range(len(injected))]
    for row, columns in zip(rows, injected, strict=True):
        for column in columns:
            row.update(INJECTED[column])
    text = FORMATS[where](rows)
    if not any(injected):
        assert len(videos(text, where)) == len(rows)
        return
    first = 2 if where == "a.csv" else 1
    expected = {(number, column) for number, columns in enumerate(injected, first) for column in columns}
    told = faults(text, where)
    assert {(int(place.split(",")[0].split()[1]), column) for place, column, _ in told} == expected
    assert len(told) == len(expected)
    assert [place for place, _, _ in told] == sorted(
        (place for place, _, _ in told), key=lambda at: int(at.split(",")[0].split()[1])
    )


# Hostile bytes

WHOLE = {
    where: dumped([{"name": "a-{date}", **GOOD, "images": ["https://example.com/a.png"]}] * 2).encode()
    for where, dumped in FORMATS.items()
}
PIECES = [
    *(bytes([byte]) for byte in b"{}[]\"'\n\r\x00\xff\t ,;%"),
    *(b"\xef\xbb\xbf", b"\xc2\x85", b"\xed\xa0\xbd"),  # a mark of the byte order, a line's end, half a character
    *(b"&a ", b"*a", b"!!", b"!x ", b"%YAML 1.1\n", b"---\n", b"...\n", b"? ", b": ", b"- ", b"|\n", b">\n", b"<<"),
    *(b"NaN", b"1e999", b"9" * 5000, b"0x" + b"f" * 5000, b"null", b"\\u", b"\\ud83d", b"\\UFFFFFFFF"),
    *(b"{a!r}", b"{date:%", b"{:", b"{name:0", b"date: 0000-00-00", b"defaults", b"images", b"data:image/png;base64,"),
]


@given(st.sampled_from([*FORMATS, "a.ndjson", "a.yml"]), st.binary(max_size=300))
@example("a.yaml", b"%YAML 9.9\n---\n- a")
@example("a.yaml", b"- !<tag:yaml.org,2002:x> \xc2\x85")
@example("a.csv", b"\x00,\x00\n\x00")
@example("a.jsonl", b'{"name": "\\u0000", "model": "veo", "prompt": "\\u0000", "images": ["\\u0000"]}')
def test_any_bytes_are_read_or_refused(where: str, data: bytes) -> None:
    _read(data, where)


@settings(max_examples=150)
@given(
    st.sampled_from(sorted(FORMATS)),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 20), st.sampled_from(PIECES)), min_size=1, max_size=8),
)
def test_spoilt_manifests_are_read_or_refused(where: str, changes: list[tuple[float, int, bytes]]) -> None:
    data = WHOLE[where]
    for at, gone, put in changes:
        position = int(at * len(data))
        data = data[:position] + put + data[position + gone :]
    _read(data, where)


@settings(max_examples=150)
@given(st.sampled_from(sorted(FORMATS)), st.lists(st.sampled_from(PIECES), max_size=30))
def test_what_looks_like_a_manifest_is_read_or_refused(where: str, pieces: list[bytes]) -> None:
    _read(b"".join(pieces), where)


@given(
    st.dictionaries(
        st.sampled_from(["name", "prompt", "images", "date", "model", "x"]),
        st.none() | texts | json_values | st.lists(texts),
    )
)
def test_any_defaults_are_taken_or_refused(defaults: dict[str, Any]) -> None:
    _read(b'{"name": "a", "model": "viduq3-pro", "prompt": "{x}"}', "a.jsonl", defaults)


def _read(data: bytes, where: str, defaults: dict[str, Any] | None = None) -> None:
    """Read a manifest; anything raised but a ManifestError fails the test."""
    try:
        manifest = read_manifest(data, where=where, defaults=defaults)
        items = manifest.videos(WHEN)
    except ManifestError as error:
        assert error.faults  # noqa: PT017 - most of these fail, and some do not
        str(error).encode()
    else:
        assert all(isinstance(item, VideoItem) for item in items)
        assert [item.name for item in items] == [row.name_at(WHEN) for row in manifest.rows]
