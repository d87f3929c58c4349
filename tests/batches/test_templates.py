"""Templates: what they bring in, and that they can do nothing else."""

import time
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from prefect_octopusx.batches import read_manifest
from prefect_octopusx.batches.templates import render
from tests.batches.reading import WHEN, as_jsonl, faults, message, one, videos

MANY = "9" * 11


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("no template", "no template"),
        ("{date}", "2026-12-01"),
        ("{weekday}", "tuesday"),
        ("{scheduled}", "2026-12-01T09-05"),
        ("{scheduled:%Y-%m-%d}", "2026-12-01"),
        ("{scheduled:%H:%M:%S on %d.%m.%y, %j, week %V, 100%%}", "09:05:00 on 01.12.26, 335, week 49, 100%"),
        ("{date:%d.%m.}", "01.12."),
        ("{scheduled:at noon}", "at noon"),
        ("in {city}", "in Paris"),
        ("{city}{city}", "ParisParis"),
        ("{City Name}", "two words"),
        ("{nr}/{nr:03}/{nr:03d}", "7/007/007"),
        ("{text_nr:04d}", "0012"),
        ("{below:03d}", "-05"),
        ("{half}, {yes}", "0.5, true"),
        ("{empty}|", "|"),
        ("{{city}}", "{city}"),
        ("{{{city}}}", "{Paris}"),
        ("{braces}", "{city} {date"),
        ("{model} for {duration} s", "viduq3-pro for 5 s"),
        ("{name}", "launch/x"),
    ],
)
def test_what_a_template_brings_in(template: str, text: str) -> None:
    own = {"city": "Paris", "City Name": "two words", "nr": 7, "text_nr": "12", "below": -5, "half": 0.5, "yes": True}
    own |= {"empty": "", "braces": "{city} {date", "duration": 5, "name": "launch/x"}
    # Each column is one that some template uses, also where this one does not.
    used = {"name": "used", "prompt": "".join(f"{{{column}}}" for column in own)}
    first, _ = videos(as_jsonl([own | {"prompt": template}, own | used]), model="viduq3-pro")
    assert first.request.prompt == text


def test_templates_are_in_name_prompt_and_pictures_only() -> None:
    item = one(
        {
            "name": "{city}/{date}",
            "city": "paris",
            "images": ["https://example.com/{city}.png", "https://example.com/{name}.png"],
            "payload": "{city} {nothing}",
        }
    )
    assert item.name == "paris/2026-12-01"
    assert item.request.images == ("https://example.com/paris.png", "https://example.com/paris/2026-12-01.png")
    assert item.request.body()["payload"] == "{city} {nothing}"


@pytest.mark.parametrize(
    ("template", "part"),
    [
        ("{citty}", "`{citty}` is no column of the manifest: use `{city}`; for a literal brace write {{ or }}"),
        ("{xyz}", "there is {city}, {date}, {model}, {name}, {nothing}, {nr}, {obj}, {scheduled}, {weekday}"),
        ("{}", "`{}` is no column"),
        ("{0}", "`{0}` is no column"),
        ('{"scene": "rain"}', '`{"scene"}` is no column'),
        ("{nothing}", "`{nothing}` has no value in this row"),
        ("{city.upper}", "nothing inside"),
        ("{city[0]}", "nothing inside"),
        ("{date.year}", "nothing inside"),
        ("{scheduled.__class__}", "nothing inside"),
        ("{city!r}", "no conversion"),
        ("{date!s}", "no conversion"),
        ("{city:>10}", "no format but digits"),
        ("{nr:>99999999999}", "no format but digits"),
        (f"{{nr:0{MANY}d}}", "no format but digits"),
        ("{nr:{nr}}", "no format but digits"),
        ("{city:03d}", "no whole number"),
        ("{weekday:%A}", "takes no format"),
        ("{scheduled:%A}", "takes %Y, %y, %m, %d"),
        ("{scheduled:%99999999Y}", "takes %Y, %y, %m, %d"),
        ("{date:%}", "takes %Y, %y, %m, %d"),
        ("{obj}", "not a text or a number in this row (given: 1 item)"),
        ("{images}", "no template brings it in"),
        ("{prompt}", "no template brings it in"),
        ("{city", "braces can't be read"),
        ("city}", "braces can't be read"),
        ("{city!}", "braces can't be read"),
    ],
)
def test_what_a_template_can_not_do(template: str, part: str) -> None:
    rows: list[dict[str, Any]] = [{"city": "Paris", "nr": 7, "obj": {"a": 1}, "prompt": template}]
    # Another row's template makes these the manifest's own columns.
    rows.append({"name": "y", "city": "a", "nr": 1, "obj": "b", "nothing": "c", "prompt": "{city}{nr}{obj}{nothing}"})
    ((place, column, found),) = faults(as_jsonl(rows), name="x", model="viduq3-pro")
    assert (place, column) == ("line 1", "prompt")
    assert part in found


def test_a_name_can_not_bring_in_itself() -> None:
    assert message({"name": "a-{name}"}) == "a name can't bring in itself"


def test_all_faults_of_a_template_are_told_at_once_and_each_once() -> None:
    found = faults(as_jsonl([{"prompt": "{a} {b} {a!r} {a} {"}]), name="x", model="viduq3-pro")
    assert [column for _, column, _ in found] == ["prompt"] * 4


def test_what_a_template_makes_too_long_is_refused_before_it_is_made() -> None:
    row = {"long": "x" * 90_000, "prompt": "{long}" * 15_000}
    began = time.monotonic()
    assert "over 100000 characters" in message(row)
    assert "at most 100000 characters" in message({"prompt": "{{" * 100_000})
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("date", "prompt"),
    [
        ("2027-02-03", "2027-02-03 wednesday 2027-02-03T00-00"),
        ("2027-02-03T18:30", "2027-02-03 wednesday 2027-02-03T18-30"),
        ("2027-02-03 18:30:59", "2027-02-03 wednesday 2027-02-03T18-30"),
    ],
)
def test_a_row_with_a_date_has_its_own_times(date: str, prompt: str) -> None:
    item = one({"date": date, "prompt": "{date} {weekday} {scheduled}", "name": "v/{date}"})
    assert (item.name, item.request.prompt) == ("v/2027-02-03", prompt)


def test_times_are_in_the_zone_of_the_schedule() -> None:
    scheduled = datetime(2026, 12, 1, 23, 30, tzinfo=UTC).astimezone(ZoneInfo("Asia/Tokyo"))
    row = as_jsonl([{"name": "{date}-{weekday}", "model": "viduq3-pro", "prompt": "{scheduled:%d %H}"}])
    (found,) = read_manifest(row.encode(), where="a.jsonl").rows
    assert found.name_at(scheduled) == "2026-12-02-wednesday"
    assert found.video(scheduled).request.prompt == "02 08"


def test_a_name_is_checked_after_it_is_rendered() -> None:
    assert "can't name a video" in message({"name": "{city}", "city": "S\u00e3o Paulo"})
    assert one({"name": "{city}", "city": "Sa\u0303o"}).name == "S\u00e3o"


def test_what_a_row_of_a_csv_brings_in_is_the_text_of_the_cell() -> None:
    data = "name,model,prompt,duration,nr\nx-{nr:03d},kling-3,{duration} s {nr},05,7\n"
    (item,) = videos(data, "a.csv")
    assert (item.name, item.request.prompt) == ("x-007", "05 s 7")


def test_a_template_that_brings_in_nothing_is_not_sent_as_it_stands() -> None:
    assert "prompt" not in one({"model": "kling-3", "prompt": "{text}", "text": ""}).request.body()


def test_the_default_time_of_a_date_is_midnight_whatever_the_schedule() -> None:
    (row,) = read_manifest(as_jsonl([{"name": "{scheduled}", "date": "2027-02-03"}]).encode(), where="a.jsonl").rows
    assert row.name_at(WHEN) == row.name_at(WHEN.replace(hour=23)) == "2027-02-03T00-00"


def test_a_template_with_thousands_of_faults_among_thousands_of_columns_is_refused_soon() -> None:
    """To look for the nearest of all columns for each of all faults took minutes."""
    template = "".join(f"{{x{number}}}" for number in range(12_000))
    text, problems = render(template, WHEN, {}, [f"c{number}" for number in range(20_000)])
    assert text is None
    assert len(problems) == 20
    assert problems[0].message.startswith(
        "`{x0}` is no column of the manifest: there is {date}, {scheduled}, {weekday};"
    )
