"""Manifests: columns, defaults, names, faults all at once."""

import pickle
import time
from datetime import date, datetime

import pytest
from pydantic import ValidationError

from prefect_octopusx.api import OctopusXError, VideoRequest, ViduRequest
from prefect_octopusx.batches import Fault, ManifestError, VideoItem, read_manifest
from prefect_octopusx.batches.cells import family_of
from tests.batches.reading import WHEN, as_csv, as_jsonl, as_yaml, faults, message, one, videos

CAT = {"model": "viduq3-pro", "prompt": "a cat"}
SIGNED = "https://bucket.example.com/a.png?X-Amz-Signature=verysecret"


# Columns


def test_a_row_is_a_name_and_the_fields_of_a_request() -> None:
    row = {"name": "launch/hero", "model": "viduq3-pro", "prompt": "a cat", "duration": 5, "aspect_ratio": "9:16"}
    request = ViduRequest(model="viduq3-pro", prompt="a cat", duration=5, aspect_ratio="9:16")
    item = one(row)
    assert (item.name, item.request, item.place) == ("launch/hero", request, "line 1")


def test_own_columns_are_not_sent() -> None:
    custom = {"model": "kling-3", "prompt": "{city}", "city": "Paris", "seconds": 12}
    assert one(custom).request.body() == {"model": "kling-3", "prompt": "Paris", "images": [], "seconds": 12}


def test_a_column_that_a_template_of_another_row_uses_is_an_own_one() -> None:
    rows = [{"name": "a", "city": "Paris"}, {"name": "b", "city": "Rome", "prompt": "{city}"}]
    assert [item.request.prompt for item in videos(as_jsonl(rows), **CAT)] == ["a cat", "Rome"]


@pytest.mark.parametrize("model", ["viduq3-pro", "kling-3"])
def test_a_field_of_requests_is_sent_also_where_a_template_uses_it(model: str) -> None:
    assert one({"model": model, "prompt": "{duration} s", "duration": 5}).request.body()["duration"] == 5


def test_another_column_is_refused_with_the_requests_hint() -> None:
    assert message({"size": "720p"}) == (
        "`size` is not a field of Vidu requests: use `resolution`; and no template of the manifest brings in `{size}`"
    )
    assert "use `duration`" in message({"durration": 5})
    assert "is it `Name`?" in faults('{"Name": "x", "model": "kling-3"}')[0][2]


@pytest.mark.parametrize("column", ["weekday", "scheduled"])
def test_a_column_can_not_be_called_like_a_time(column: str) -> None:
    assert "give this column another name" in message({column: "x", "prompt": f"{{{column}}}"})


@pytest.mark.parametrize("model", ["jimeng-video-3.0", "viduq3-pro", "veo3.1", "sora-2", "grok-video-3", "kling-3"])
def test_the_family_is_the_one_that_a_request_finds(model: str) -> None:
    assert family_of({"model": model}) is type(one({"model": model}).request)
    assert family_of({"model": model, "family": "custom"}) is type(one({"model": model, "family": "custom"}).request)


def test_every_family_can_be_found() -> None:
    families = VideoRequest.__origin__.__args__  # type: ignore[attr-defined] # a union in Annotated
    assert {family_of({"model": getattr(family, "family", "another")}) for family in families} == set(families)


# Defaults


def test_a_row_comes_before_the_files_defaults_and_these_before_the_arguments() -> None:
    rows = [{"name": "a"}, {"name": "b", "resolution": "1080p"}, {"name": "c", "seed": 3, "prompt": None}]
    theirs = {"resolution": "720p", "seed": 2, "prompt": "theirs"}
    argument = {"seed": 1, "prompt": "argument", "model": "viduq3-pro", "duration": 5}
    for data, where in ((as_jsonl(rows[:2], theirs), "a.jsonl"), (as_yaml(rows[:2], theirs), "a.yaml")):
        first, second = (item.request.body() for item in videos(data, where, **argument))
        assert (first["resolution"], first["seed"], first["prompt"], first["duration"]) == ("720p", 2, "theirs", 5)
        assert (second["resolution"], second["seed"]) == ("1080p", 2)
    assert faults(as_jsonl(rows, theirs), **argument)[0][1] == "prompt"


def test_null_takes_a_default_away() -> None:
    rows = [{"name": "a", "resolution": None}, {"name": "b", "audio": None}]
    first, second = videos(as_jsonl(rows), **CAT, resolution="720p", audio=True)
    assert "resolution" not in first.request.body()
    assert second.request.body()["audio"] is False
    taken = {"seed": None}
    assert "seed" not in videos(as_jsonl([{"name": "a"}], taken), **CAT, seed=5)[0].request.body()


def test_an_empty_cell_takes_no_default_away() -> None:
    (item,) = videos("name,resolution\na,\n", "a.csv", **CAT, resolution="720p")
    assert item.request.body()["resolution"] == "720p"


def test_defaults_may_be_templates() -> None:
    rows = [{"city": "paris"}, {"city": "rome"}]
    items = videos(as_jsonl(rows, {"name": "{city}-{date}", "prompt": "in {city}"}), model="viduq3-pro")
    assert [(item.name, item.request.prompt) for item in items] == [
        ("paris-2026-12-01", "in paris"),
        ("rome-2026-12-01", "in rome"),
    ]


def test_a_fault_of_the_defaults_is_told_once() -> None:
    rows = [{"name": f"v{number}"} for number in range(3)]
    assert faults(as_jsonl(rows, {"prompt": "{citty}"}), model="viduq3-pro")[0][:2] == ("defaults", "prompt")
    assert len(faults(as_jsonl(rows, {"prompt": "{citty}"}), model="viduq3-pro")) == 1
    assert faults(as_jsonl(rows), **CAT, date="soon")[0][:2] == ("defaults", "date")
    assert faults(as_jsonl(rows), **CAT, images=["\ud83d"])[0][:2] == ("defaults", "images")


def test_what_a_row_lacks_for_a_default_is_told_of_that_row() -> None:
    rows = [{"name": "a", "city": "Paris"}, {"name": "b"}]
    ((place, column, found),) = faults(as_jsonl(rows, {"prompt": "{city}"}), model="viduq3-pro")
    assert (place, column, found) == ("line 3", "prompt", "`{city}` has no value in this row")


def test_what_a_row_can_not_have_by_default_is_told_of_that_row() -> None:
    rows = [{"name": "a"}, {"name": "b", "model": "jimeng-video-3.0"}]
    ((place, column, found),) = faults(as_jsonl(rows), **CAT, resolution="720p")
    assert (place, column) == ("line 2", "resolution")
    assert found.endswith("(from the defaults)")


def test_a_default_does_not_take_the_place_of_a_value_that_is_wrong() -> None:
    ((place, column, _),) = faults('{"name": "a", "prompt": "\\ud83d", "model": "viduq3-pro"}', prompt="{citty}")
    assert (place, column) == ("line 1", "prompt")


# Dates


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, None),
        ("2027-02-03", date(2027, 2, 3)),
        ("2027-02-03T18:30", datetime(2027, 2, 3, 18, 30)),  # noqa: DTZ001 - the schedule has the zone
        ("2027-02-03 18:30:59", datetime(2027, 2, 3, 18, 30, 59)),  # noqa: DTZ001
    ],
)
def test_a_row_has_its_date(given: str | None, expected: object) -> None:
    rows = [{"name": "a", "date": given}]
    for data, where in ((as_jsonl(rows), "a.jsonl"), (as_csv(rows), "a.csv"), (as_yaml(rows), "a.yaml")):
        (row,) = read_manifest(data.encode(), where=where).rows
        assert row.date == expected


def test_a_date_is_not_sent() -> None:
    assert "date" not in one({"model": "kling-3", "date": "2027-02-03"}).request.body()


@pytest.mark.parametrize(
    "given",
    ["01.12.2026", "2026-13-01", "2026-12-01T25:00", "2026-12-01T09:00Z", "2026-12-01T09:00+01:00", "20261201", "", 5],
)
def test_another_date_is_refused(given: object) -> None:
    assert f"(given: {given!r})" in message({"date": given})


def test_a_default_date_may_be_one_of_python() -> None:
    for given in (date(2027, 2, 3), datetime(2027, 2, 3, 18, 30)):  # noqa: DTZ001 - the schedule has the zone
        assert one({"name": "{date}"}, date=given).name == "2027-02-03"
    assert "without offset" in message({}, date=WHEN)


# Names


def test_names_that_are_equal_are_refused_with_both_places() -> None:
    rows = [{"name": "S\u00e3o"}, {"name": "b"}, {"name": "Sa\u0303o"}, {"name": "{x}", "x": "b", "duration": 0}]
    assert faults(as_jsonl(rows), **CAT) == [
        ("line 3", "name", "'S\u00e3o' is the name of line 1 already"),
        ("line 4", "duration", "Input should be greater than or equal to 1 (given: 0)"),
        ("line 4", "name", "'b' is the name of line 2 already"),
    ]


def test_names_that_differ_only_by_case_are_refused() -> None:
    ((place, column, found),) = faults(as_jsonl([{"name": "Hero"}, {"name": "hero"}]), **CAT)
    assert (place, column) == ("line 2", "name")
    assert found == "'hero' differs only by letter case from 'Hero', line 1: not every folder tells them apart"


@pytest.mark.parametrize(
    ("name", "part"),
    [
        (5, "a name is a text"),
        (None, "it is missing"),
        ("", "can't name a video"),
        ("a b", "can't name a video"),
        ("../a", "can't name a video"),
        ("a.mp4", "leave out the ending: 'a'"),
    ],
)
def test_a_name_that_is_none_is_refused(name: object, part: str) -> None:
    assert part in message({"name": name})


# Faults


def test_all_faults_of_all_rows_are_told_in_one_error_by_row() -> None:
    rows = [
        {"name": "a b", "model": "viduq3-pro", "prompt": "{citty}", "duration": "5", "aspect_ratio": "5:4"},
        {"name": "fine", **CAT},
        {"name": "c", "date": "tomorrow", "durration": 5, **CAT, "images": ["https://example.com/a.gif", "no file"]},
        {"name": "d"},
    ]
    with pytest.raises(ManifestError) as raised:
        videos(as_csv(rows), "s3://b/launch.csv")
    told = [(fault.place, fault.column, fault.name) for fault in raised.value.faults]
    assert told == [
        ("row 2", "name", None),
        ("row 2", "prompt", None),
        ("row 2", "aspect_ratio", None),
        ("row 4", "date", "c"),
        ("row 4", "images", "c"),
        ("row 4", "images", "c"),
        ("row 4", "durration", "c"),
        ("row 5", "model", "d"),
    ]
    first, *lines = str(raised.value).splitlines()
    assert first == "s3://b/launch.csv has 8 faults:"
    assert lines[2] == (
        "row 2, column aspect_ratio: Input should be '16:9', '9:16', '3:4', '4:3' or '1:1' (given: '5:4')"
    )
    assert "picture 2: there is no file 'no file' here" in lines[5]
    assert len(lines) == 8


def test_a_row_by_itself_tells_its_own_faults_only() -> None:
    first, second = read_manifest(as_jsonl([{"name": "a", **CAT}, {"name": "b b"}]).encode(), where="a.jsonl").rows
    assert first.video(WHEN) == videos(as_jsonl([{"name": "a", **CAT}]))[0]
    assert first.name_at(WHEN) == "a"
    for call in (second.video, second.name_at):
        with pytest.raises(ManifestError) as raised:
            call(WHEN)
        assert {fault.place for fault in raised.value.faults} == {"line 2"}


def test_a_manifest_with_a_fault_outside_of_its_rows_has_no_rows_to_use() -> None:
    (row,) = read_manifest(b"name,model,prompt,seed,seed\na,viduq3-pro,x,1,2\n", where="a.csv").rows
    for call in (row.video, row.name_at):
        with pytest.raises(ManifestError, match="row 1, column seed: two columns have this name"):
            call(WHEN)


def test_a_name_is_told_without_a_look_at_the_request() -> None:
    (row,) = read_manifest(b'{"name": "a-{date}", "model": "viduq3-pro", "duration": 99}', where="a.jsonl").rows
    assert row.name_at(WHEN) == "a-2026-12-01"


def test_a_long_list_of_faults_is_cut_and_hides_none_that_is_another() -> None:
    rows = [{"name": f"v{number}", "sizee": 1} for number in range(60)] + [{"name": "a b"}]
    with pytest.raises(ManifestError) as raised:
        videos(as_jsonl(rows), **CAT)
    _, *lines = str(raised.value).splitlines()
    assert len(raised.value.faults) == 61
    assert [line[:24] for line in lines] == ["line 1, column sizee: `s", "line 61, column name: 'a"]
    assert lines[0].endswith("(the same in 59 more)")

    rows = [{"name": f"v {number}"} for number in range(60)]
    with pytest.raises(ManifestError) as raised:
        videos(as_jsonl(rows), **CAT)
    _, *lines = str(raised.value).splitlines()
    assert (len(lines), lines[-1]) == (51, "... and 10 more")


def test_the_error_survives_pickling() -> None:
    with pytest.raises(OctopusXError) as raised:
        videos('{"name": "a"}\n{')
    again = pickle.loads(pickle.dumps(raised.value))  # noqa: S301 - our own bytes
    assert (type(again), str(again), again.faults) == (ManifestError, str(raised.value), raised.value.faults)
    assert not again.resend_safe


def test_no_fault_shows_a_signed_url_or_a_picture() -> None:
    picture = "data:image/png;base64," + "iVBORw0KGgo" * 100
    rows = [
        {"name": SIGNED, "model": SIGNED, SIGNED: SIGNED, "prompt": f"{{{SIGNED}}}", "date": SIGNED, "images": SIGNED},
        {"name": "a", **CAT, "images": [f"{SIGNED}&{{x}}", SIGNED.replace("png", "gif"), picture]},
        {"name": picture, **CAT, "duration": picture, picture: picture, "date": picture},
        {"name": {SIGNED: 1}, "family": "custom", "model": "m", SIGNED: {SIGNED: float("nan")}},
    ]
    header = f"{SIGNED},{SIGNED}\n{SIGNED},a\n"
    for data, where in ((as_jsonl(rows), "a.jsonl"), (as_yaml(rows), "a.yaml"), (header, "a.csv")):
        with pytest.raises(ManifestError) as raised:
            videos(data, where)
        for text in (str(raised.value), repr(raised.value), repr(raised.value.faults)):
            assert "verysecret" not in text
            assert "iVBORw0KGgoiVBORw0KGgo" not in text
    manifest = read_manifest(as_jsonl(rows).encode(), where="a.jsonl")
    assert "verysecret" not in repr(manifest)


def test_a_fault_is_one_line() -> None:
    fault = Fault(place="row 3", column="a\nb", message="x\r\n\u2028y")
    assert str(fault) == "row 3, column a b: x y"


# Items


def test_an_item_can_be_made_by_hand_and_is_checked() -> None:
    item = VideoItem(name="Sa\u0303o", request={"model": "viduq3-pro", "prompt": "a cat"})  # type: ignore[arg-type]
    assert (item.name, item.place, type(item.request)) == ("S\u00e3o", "", ViduRequest)
    with pytest.raises(ValidationError):
        VideoItem(name="a b", request=item.request)


@pytest.mark.parametrize(("where", "count"), [("a.jsonl", 10_000), ("a.csv", 10_000), ("a.yaml", 2_000)])
def test_thousands_of_rows_are_a_matter_of_seconds(where: str, count: int) -> None:
    row = {"prompt": "In {city}, slow pan", "city": "Paris", "duration": 5, "images": ["https://example.com/a.png"]}
    rows = [{"name": f"launch/{number}-{{city}}", "model": "viduq3-pro", **row} for number in range(count)]
    data = {"a.jsonl": as_jsonl, "a.csv": as_csv, "a.yaml": as_yaml}[where](rows)
    began = time.monotonic()
    assert len(videos(data, where)) == count
    assert time.monotonic() - began < 30  # measured: 1 s each
