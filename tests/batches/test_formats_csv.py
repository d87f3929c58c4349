"""What CSV means as a manifest, and what is refused of it."""

import pytest

from prefect_octopusx.api import CustomRequest
from tests.batches.reading import faults, videos


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_header_says_the_delimiter(delimiter: str) -> None:
    cells = [["name", "model", "prompt"], ["x", "viduq3-pro", '"a, b; c\td"']]
    (item,) = videos("\n".join(map(delimiter.join, cells)), "a.csv")
    assert item.request.prompt == "a, b; c\td"


def test_places_are_the_numbers_that_a_spreadsheet_shows() -> None:
    data = (
        "\n"
        ",,,\n"
        "name,model,prompt,duration\n"
        'one,viduq3-pro,"two\nlines, and\r\na third",5\n'
        "\n"
        " , ,\t,\n"
        'two,viduq3-pro,"a ""quoted"" word",\n'
    )
    items = videos(data, "a.csv")
    assert [(item.name, item.place) for item in items] == [("one", "row 4"), ("two", "row 7")]
    assert items[0].request.prompt == "two\nlines, and\r\na third"
    assert items[1].request.prompt == 'a "quoted" word'


@pytest.mark.parametrize("word", ["true", "TRUE", "yes", "Yes"])
def test_words_for_yes(word: str) -> None:
    (item,) = videos(f"name,model,prompt,audio\nx,viduq3-pro,a cat,{word}\n", "a.csv")
    assert item.request.body()["audio"] is True


@pytest.mark.parametrize("word", ["false", "False", "no", "NO", ""])
def test_words_for_no(word: str) -> None:
    (item,) = videos(f"name,model,prompt,audio\nx,viduq3-pro,a cat,{word}\n", "a.csv")
    assert item.request.body()["audio"] is False


@pytest.mark.parametrize("word", ["0", "1", "on", "maybe"])
def test_other_words_are_refused_by_the_request(word: str) -> None:
    ((place, column, found),) = faults(f"name,model,prompt,audio\nx,viduq3-pro,a cat,{word}\n", "a.csv")
    assert (place, column) == ("row 2", "audio")
    assert found == f"Input should be a valid boolean (given: '{word}')"


@pytest.mark.parametrize("cell", ["five", "5.0", "5 s", "1_0", "\u0665", "0x5"])
def test_what_is_no_whole_number_is_refused_by_the_request(cell: str) -> None:
    ((place, column, found),) = faults(f"name,model,prompt,duration\nx,viduq3-pro,a cat,{cell}\n", "a.csv")
    assert (place, column) == ("row 2", "duration")
    assert found == f"Input should be a valid integer (given: {cell!r})"


def test_cells_become_what_the_family_of_the_row_has() -> None:
    rows = "a,sora-2, 42 ,15,large\nb,veo3.1,7,8,\nc,custom-9,7,12,720\nd,grok-video-3,x,6,\n"
    data = f"name,model,prompt,duration,size\n{rows}"
    bodies = [item.request.body() for item in videos(data, "a.csv")]
    assert [(body["prompt"], body["duration"], body.get("size")) for body in bodies] == [
        ("42", 15, "large"),
        ("7", 8, None),
        ("7", 12, 720),
        ("x", 6, "720P"),
    ]


def test_cells_of_unlisted_fields_are_json_where_they_can_be() -> None:
    cells = {"a": "12", "b": '{""x"": [true]}', "c": "plain", "d": "NaN", "e": '""12""', "f": "{broken", "g": "null"}
    quoted = ",".join(f'"{cell}"' for cell in cells.values())
    (item,) = videos(f"name,model,{','.join(cells)}\nx,kling-3,{quoted}\n", "a.csv")
    assert isinstance(item.request, CustomRequest)
    assert item.request.model_extra == {
        "a": 12,
        "b": {"x": [True]},
        "c": "plain",
        "d": "NaN",
        "e": "12",
        "f": "{broken",
    }


@pytest.mark.parametrize(
    "cell",
    [
        "https://example.com/a.png https://example.com/b.png",
        '"https://example.com/a.png\n\n https://example.com/b.png"',
        '"[""https://example.com/a.png"", ""https://example.com/b.png""]"',
    ],
)
def test_pictures_of_a_cell(cell: str) -> None:
    (item,) = videos(f"name,model,prompt,images\nx,viduq3-pro,a cat,{cell}\n", "a.csv")
    assert item.request.images == ("https://example.com/a.png", "https://example.com/b.png")


def test_a_cell_that_begins_like_a_list_and_is_none_is_refused() -> None:
    ((place, column, found),) = faults("name,model,prompt,images\nx,viduq3-pro,a cat,[a\n", "a.csv")
    assert (place, column) == ("row 2", "images")
    assert "not a list in JSON" in found


def test_all_faults_of_a_csv_are_told_at_once() -> None:
    data = (
        "name,model,prompt,seed,seed,\n"
        "a,viduq3-pro,x,1,2,\n"
        "b,viduq3-pro,x,,,stray\n"
        "c,viduq3-pro,x,,,,extra\n"
        "d,viduq3-pro,x,,,,,\n"
        "e,,x\n"
        'f,viduq3-pro,"x" y\n'
    )
    assert [(place, column) for place, column, _ in faults(data, "a.csv")] == [
        ("row 1", "seed"),
        ("row 1", "number 6"),
        ("row 4", ""),
        ("row 6", "model"),
        ("row 7", ""),
    ]


@pytest.mark.parametrize("cell", ['"never closed', '"' + "x" * 140_000 + '"'])
def test_a_cell_that_breaks_the_rest_ends_the_reading(cell: str) -> None:
    data = f"name,model,prompt\na,viduq3-pro,\nb,viduq3-pro,{cell}\nc,viduq3-pro,\n"
    assert [(place, column) for place, column, _ in faults(data, "a.csv")] == [("row 2", "prompt"), ("row 3", "")]
