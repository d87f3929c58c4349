"""What is read as a manifest and what is not, whatever its format; and JSONL."""

import pytest

from prefect_octopusx.batches import ManifestError, read_manifest
from tests.batches.reading import WHEN, faults, videos

ENDINGS = ["a.jsonl", "a.ndjson", "a.csv", "a.yaml", "a.yml"]


@pytest.mark.parametrize("where", ["s3://b/x/launch.CSV", "launch.csv", "/lists/launch.csv"])
def test_the_ending_says_the_format_and_the_stem_the_name(where: str) -> None:
    manifest = read_manifest(b"name,model,prompt\nx,viduq3-pro,a cat\n", where=where)
    assert manifest.name == "launch"
    assert manifest.videos(WHEN)[0].name == "x"


@pytest.mark.parametrize("where", ["a.json", "a.txt", "a", "s3://b/x", ""])
def test_another_ending_is_refused_with_what_is_allowed(where: str) -> None:
    ((place, column, found),) = faults("", where)
    assert (place, column) == ("", "")
    assert ".jsonl, .ndjson, .csv, .yaml, .yml" in found


@pytest.mark.parametrize("where", ENDINGS)
@pytest.mark.parametrize("data", ["", "\n \n", "\ufeff"])
def test_an_empty_manifest_is_refused(where: str, data: str) -> None:
    assert faults(data, where) == [("", "", "it has no videos")]


@pytest.mark.parametrize("where", ENDINGS)
@pytest.mark.parametrize("mark", ["utf-16", "utf-16-be"])
def test_utf_16_is_refused_with_what_to_do(where: str, mark: str) -> None:
    ((_, _, found),) = faults(("" if mark == "utf-16" else "\ufeff").encode(mark) + "name".encode(mark), where)
    assert found == "it is in UTF-16: save it as UTF-8 (in Excel: 'CSV UTF-8')"


@pytest.mark.parametrize("where", ["a.csv", "a.yaml"])
def test_what_is_not_utf_8_is_refused_with_its_line(where: str) -> None:
    ((place, _, found),) = faults("name,prompt\nx,y\nz,caf\u00e9\n".encode("latin-1"), where)
    assert place == "line 3"
    assert "UTF-8" in found


@pytest.mark.parametrize("where", ENDINGS)
def test_too_many_bytes_are_refused(where: str) -> None:
    assert faults(b" " * 32_000_001, where) == [("", "", "a manifest has at most 32 MB (given: 32.0 MB)")]


@pytest.mark.parametrize(
    ("where", "head", "row"),
    [("a.jsonl", "", '{"name": "x%d"}\n'), ("a.csv", "name,model\n", "x%d,\n"), ("a.yaml", "", "- name: x%d\n")],
)
def test_rows_are_10_000_at_most(where: str, head: str, row: str) -> None:
    fits = head + "".join(row % number for number in range(10_000))
    assert len(read_manifest(fits.encode(), where=where).rows) == 10_000
    ((_, _, found),) = faults(fits + row % 10_000, where)
    assert "10,000" in found


@pytest.mark.parametrize(
    ("where", "data"),
    [
        ("a.jsonl", '\ufeff{"name": "x", "model": "viduq3-pro", "prompt": "a cat"}\r\n'),
        ("a.csv", "\ufeffname,model,prompt\r\nx,viduq3-pro,a cat\r\n"),
        ("a.yaml", "\ufeff- name: x\r\n  model: viduq3-pro\r\n  prompt: a cat\r\n"),
    ],
)
def test_files_of_windows_are_read(where: str, data: str) -> None:
    assert videos(data, where)[0].request.prompt == "a cat"


def test_an_error_of_reading_is_a_manifest_error() -> None:
    with pytest.raises(ManifestError, match=r"a\.yaml has a fault:\nline 2: it is not YAML"):
        read_manifest(b"- [\n", where="a.yaml")


def test_the_faults_of_all_lines_of_jsonl_are_told_at_once() -> None:
    lines = [
        b'{"name": "fine", "model": "viduq3-pro", "prompt": "x"}',
        b"",
        b"{",
        b"[1, 2]",
        b'{"name": "x", "name": "y", "model": "viduq3-pro", "prompt": "x"}',
        b'{"name": "nan", "model": "m", "prompt": "x", "size": NaN}',
        b'{"name": "inf", "model": "m", "prompt": "x", "size": [1e999]}',
        rb'{"name": "half", "model": "viduq3-pro", "prompt": "\ud83d"}',
        rb'{"name": "inner_key", "model": "m", "style": [{"\ud83d": 1}]}',
        rb'{"name": "key", "model": "m", "prompt": "x", "\ud83d": 1}',
        b'{"name": "caf\xe9"}',
        b'{"name": "deep", "model": "m", "style": ' + b"[" * 60 + b"]" * 60 + b"}",
        b'{"name": "deeper", "style": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"name": "inner", "model": "m", "style": {"a": {"b": 1, "b": 2}}}',
        b'{"name": "digits", "seed": ' + b"9" * 5000 + b"}",
        b'{"defaults": {}}',
        b'{"name": "short", "model": "viduq3-pro", "prompt": "x", "duration": 0}',
    ]
    found = faults(b"\n".join(lines))
    assert [(place, column) for place, column, _ in found] == [
        ("line 3", ""),
        ("line 4", ""),
        ("line 5", "name"),
        ("line 6", "size"),
        ("line 7", "size"),
        ("line 8", "prompt"),
        ("line 9", "style"),
        ("line 10", r"\ud83d"),
        ("line 11", ""),
        ("line 12", "style"),
        ("line 13", ""),
        ("line 14", "style"),
        ("line 15", ""),
        ("line 16", ""),
        ("line 17", "duration"),
    ]


def test_a_line_separator_within_a_text_is_no_new_line() -> None:
    (item,) = videos('{"name": "x", "model": "viduq3-pro", "prompt": "a\u2028b\u0085c"}\n')
    assert item.request.prompt == "a\u2028b\u0085c"


def test_a_whole_character_in_two_halves_is_one() -> None:
    (item,) = videos(r'{"name": "x", "model": "viduq3-pro", "prompt": "\ud83d\ude00"}')
    assert item.request.prompt == "\U0001f600"


@pytest.mark.parametrize(
    "first",
    ['{"defaults": {}, "name": "y"}', '{"defaults": 1}', '{"defaults": null}', '{"defaults": {}, "defaults": 1}'],
)
def test_defaults_that_are_none_are_refused(first: str) -> None:
    found = faults(f'{first}\n{{"name": "x", "model": "viduq3-pro", "prompt": "x"}}')
    assert len(found) == 1
    assert found[0][0] in {"line 1", "defaults"}
