"""What can name a video and what can be a prefix, and what is said of what can't."""

import pytest

from prefect_octopusx.blocks import S3Destination
from prefect_octopusx.storage import S3Options, check_name
from prefect_octopusx.storage.names import folded


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a.", "can't name a video. .* does not end with '.'"),
        ("a./b", "can't name a video"),
        ("ab/" * 233 + "cd", "can't name a video. .* the whole name 700"),
        ("é" * 91, "has at most 180 bytes"),
        ("a\u3164", "can't name a video"),
        ("clips/CON", "Windows has no file or folder 'CON'"),
        ("nul.1/x", "Windows has no file or folder 'nul.1'"),
        ("dog.jpg/one", "the folder 'dog.jpg' may be the file of another video; leave out the ending: 'dog'"),
        ("launch-results.JSONL/one", "the folder 'launch-results.JSONL' may be the file of another video"),
        ("dog.MP4", "is a file name; leave out the ending: 'dog'"),
        ("https://b.example.com/a?sig=SECRET", r"name: 'https://b.example.com/a\?…' can't name a video"),
    ],
)
def test_names_that_are_refused(name: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        check_name(name)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("name", ["ab/" * 233 + "c", "é" * 90, "console/aux-1", "a.jpg", "v1.2/x", "日本/第1", "com10"])
def test_names_that_are_not(name: str) -> None:
    assert check_name(name) == name


def test_names_are_folded_as_file_systems_do() -> None:
    assert folded("Straße/É") == folded("STRASSE/e\u0301")
    assert folded("\u1fd3") == folded("\u0390")
    assert folded("a-b") != folded("a_b")


@pytest.mark.parametrize("prefix", ["a//b", "../a", "a/./b", "a\nb", "\ud83d", "p" * 281])
def test_prefixes_that_are_refused(prefix: str) -> None:
    for make in (S3Options, S3Destination):
        with pytest.raises(ValueError, match=r"prefix: '[^']*"):
            make(bucket="my-bucket", prefix=prefix)


@pytest.mark.parametrize("prefix", ["", "/", "/a/b/", "p" * 280, "ü/ber mut"])
def test_prefixes_that_are_not(prefix: str) -> None:
    assert S3Options(bucket="my-bucket", prefix=prefix).key("x", ".mp4").endswith("x.mp4")
