"""Pictures of a request: what is taken and sent, what is refused, and what gets a warning."""

import base64
from pathlib import Path

import pytest
from pydantic import ValidationError

from prefect_octopusx.api.requests import ViduRequest
from tests.api.picture_requests import custom, grok, jpeg, png, refusal, uri, vidu, webp


@pytest.mark.parametrize(("data", "kind"), [(png(), "png"), (jpeg(), "jpeg"), (webp(), "webp")])
def test_bytes_and_files_are_sent_as_data_uris(data: bytes, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(data)
    expected = [uri(data, kind)]
    for image in (data, path, str(path), uri(data, kind)):
        request = vidu(image)
        assert request.body()["images"] == expected
        assert request.warnings() == ()


def test_a_jpeg_may_be_called_jpg_and_the_scheme_be_in_capitals() -> None:
    assert vidu(uri(jpeg(), "jpg")).body()["images"] == [uri(jpeg(), "jpg")]
    assert vidu(uri(png()).replace("data:image/png", "DATA:Image/PNG")).body()["images"] == [uri(png())]
    assert vidu(" HTTPS://img.example.com/A.png?s=X ").body()["images"] == ["https://img.example.com/A.png?s=X"]


def test_a_path_stays_a_path_and_is_read_when_it_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "first.png"
    path.write_bytes(png())
    request = vidu(path)
    before = request.digest
    assert request.model_dump()["images"] == [str(path)]
    path.write_bytes(png(800, 600))
    assert request.body()["images"] == [uri(png(800, 600))]
    assert request.digest != before
    path.write_bytes(b"GIF89a")
    with pytest.raises(ValueError, match="none of them"):
        request.body()
    path.unlink()
    with pytest.raises(FileNotFoundError):
        request.body()


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (5, "a URL, a data URI, a path or bytes (given: 5)"),
        ("", "not an empty text"),
        ("nowhere.png", "there is no file 'nowhere.png'"),
        ("s3://bucket/a.png", "presigned URL (given: 's3://bucket/a.png')"),
        ("file:///a.png", "without file://"),
        ("https://", "a host"),
        ("https:///a.png", "a host"),
        ("https://img.example.com:port/a.png", "a host"),
        ("https://img.example.com/a b.png", "without spaces"),
        ("https://img.example.com/a.gif?s=SECRET", "not .gif (given: 'https://img.example.com/a.gif?…')"),
        ("https://me:SECRET@img.example.com/a.HEIC", "not .heic (given: 'https://img.example.com/a.HEIC')"),
        ("https://img.example.com/a.mp4", "not .mp4"),
        ("data:image/gif;base64,R0lGODlhAQABAAAAACw=", "begins with data:image/png;base64,"),
        ("data:image/png,raw", "begins with data:image/png;base64,"),
        ("data:image/png;base64,!!!", "not valid base64"),
        ("data:image/png;base64," + "A" * 400, "none of them (300 bytes)"),
        (uri(png(), "webp"), "says image/webp, but its content is png"),
        (base64.b64encode(png(size=200)).decode(), "needs its type before it"),
        ("A" * 5000, "'AAAAAAAAAAAA…, 5000 characters'"),
        (b"GIF89a", "none of them (6 bytes)"),
        (b"RIFF____WAVE", "none of them"),
        (png(size=10_000_001), "10.0 MB; a picture that is sent along has at most 10 MB"),
        (uri(png(size=11_000_000)), "give its URL"),
    ],
)
def test_a_picture_that_cannot_be_used_is_refused_and_not_shown(image: object, words: str) -> None:
    message = refusal(image)
    assert words in message
    assert "SECRET" not in message
    assert len(message) < 300


def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    assert "there is no file" in refusal(tmp_path)
    (tmp_path / "a.png").write_text("not a picture")
    assert "none of them (13 bytes)" in refusal(tmp_path / "a.png")
    (tmp_path / "big.png").write_bytes(png(size=10_000_001))
    assert "at most 10 MB" in refusal(tmp_path / "big.png")


def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.png").write_bytes(png())
    monkeypatch.setattr(Path, "open", refuse)
    assert "cannot be read: Permission denied" in refusal(tmp_path / "a.png")


def test_the_whole_body_stays_below_its_limit(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(size=7_500_000))
    half = uri(png(size=7_500_000))
    vidu(half)
    for image in (half, tmp_path / "a.png"):
        assert "below 20 MB: upload the `images` and give their URLs" in refusal(half, image)
    vidu(half, uri(png(size=6_900_000)), payload="p")
    grok(*[half] * 3)


def test_the_field_that_makes_the_body_too_large_is_named() -> None:
    with pytest.raises(ValidationError) as caught:
        vidu(uri(png(size=1_000)), meta_data=f'"{"m" * 20_000_000}"')
    (error,) = caught.value.errors()
    assert error["loc"] == ("meta_data",)
    assert "below 20 MB: shorten `meta_data`" in error["msg"]


@pytest.mark.parametrize(("width", "height"), [(1000, 249), (249, 1000), (4001, 1000)])
def test_a_picture_that_is_too_long_is_refused_unless_doubt_is_allowed(width: int, height: int) -> None:
    """V-1: the page says the opposite of what it must mean, so that the reading can be overridden."""
    message = refusal(png(width, height))
    assert f"picture 1, {width} x {height} pixels, is not between 1:4 and 4:1" in message
    assert "allow_undocumented" in message
    (warning,) = vidu(png(width, height), allow_undocumented=True).warnings()
    assert "not between 1:4 and 4:1" in warning


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ([png(1000, 250)], "just on the edge"),
        ([png(250, 1000)], "just on the edge"),
        ([png(127, 200)], "below 128 pixels a side"),
        ([png(1000, 1000), png(790, 1000)], "alike in size, 0.8 to 1.25 times (1000 x 1000 and 790 x 1000 pixels)"),
        ([png(1000, 1000), png(1000, 1260)], "alike in size"),
        ([b"\xff\xd8\xff\xe0"], "width and height of picture 1 cannot be read"),
    ],
)
def test_a_picture_that_may_not_work_warns(images: list[bytes], words: str) -> None:
    (warning,) = vidu(*images).warnings()
    assert words in warning
    assert warning.startswith("`images`")


def test_two_alike_pictures_and_pictures_by_url_do_not_warn() -> None:
    assert vidu(png(1000, 1000), png(1250, 800)).warnings() == ()
    assert vidu(png(300, 300), "https://img.example.com/a").warnings() == ()


def test_several_bad_pictures_are_all_named() -> None:
    with pytest.raises(ValidationError) as caught:
        vidu(b"GIF89a", "https://img.example.com/a.png", "nowhere.png")
    assert [error["loc"] for error in caught.value.errors()] == [("images", 0), ("images", 2)]


def test_pictures_cannot_be_added_past_the_checks() -> None:
    given = ["https://h/a.png"]
    for request in (vidu(*given), vidu(), ViduRequest(model="viduq1", prompt="x"), custom(*given)):
        assert isinstance(request.images, tuple)
        assert isinstance(request.body()["images"], list)
        assert isinstance(request.recorded()["images"], list)
        assert isinstance(request.model_dump(mode="json")["images"], list)
        assert '"images":[' in request.model_dump_json()
    assert vidu(*given).images == tuple(given)
    assert ViduRequest(model="viduq3-pro", prompt="x", images=tuple(given)) == vidu(*given)
