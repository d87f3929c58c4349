"""Pictures of a request: what is taken, what is refused, what is sent and what is kept."""

import base64
import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from prefect_octopusx.api.requests import (
    CustomRequest,
    GrokRequest,
    JimengRequest,
    SoraRequest,
    VeoRequest,
    ViduRequest,
)


def png(width: int = 640, height: int = 360, *, size: int = 0) -> bytes:
    """Return the head of a png, filled up to `size` bytes: all that is ever looked at."""
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", width, height, 8, 2, 0, 0, 0) + bytes(4)
    return head.ljust(size, b"\0")


def jpeg(width: int = 640, height: int = 360) -> bytes:
    return b"\xff\xd8\xff\xc0" + struct.pack(">HBHHB", 17, 8, height, width, 3) + bytes(9) + b"\xff\xd9"


def webp(width: int = 640, height: int = 360) -> bytes:
    frame = b"\x30\x01\x00\x9d\x01\x2a" + struct.pack("<HH", width, height) + bytes(10)
    return b"RIFF" + struct.pack("<I", 12 + len(frame)) + b"WEBPVP8 " + struct.pack("<I", len(frame)) + frame


def uri(data: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def vidu(*images: object, **more: Any) -> ViduRequest:  # noqa: ANN401 - any field
    return ViduRequest.model_validate({"model": "viduq3-pro", "prompt": "x", "images": list(images), **more})


def grok(*images: object) -> GrokRequest:
    return GrokRequest.model_validate({"model": "grok-video-3", "prompt": "x", "images": list(images)})


def custom(*images: object) -> CustomRequest:
    return CustomRequest.model_validate({"model": "kling-3", "images": list(images)})


def refusal(*images: object, **more: Any) -> str:  # noqa: ANN401 - any field
    with pytest.raises(ValidationError) as caught:
        vidu(*images, **more)
    (error,) = caught.value.errors()
    assert error["loc"][0] == "images"
    return error["msg"]


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


def test_jimeng_takes_inline_pictures_only_where_doubt_is_allowed() -> None:
    data = {"model": "jimeng-video-3.0", "prompt": "x", "images": [uri(png())]}
    with pytest.raises(ValidationError, match="URLs only"):
        JimengRequest.model_validate(data)
    request = JimengRequest.model_validate(data | {"allow_undocumented": True})
    assert request.body()["images"] == [uri(png())]
    assert "URLs only" in request.warnings()[0]


def test_grok_and_other_models_take_inline_pictures() -> None:
    for request in (grok(png()), custom(png())):
        assert request.body()["images"] == [uri(png())]


GIF = b"GIF89a" + bytes(20)


class TestKinds:
    """Only where a page states the kinds of pictures is another one refused."""

    @pytest.mark.parametrize("model", ["veo3.1-fast", "sora-2", "grok-video-3"])
    def test_the_suffix_of_a_url_only_warns_where_no_kinds_are_stated(self, model: str) -> None:
        kind = {"v": VeoRequest, "s": SoraRequest, "g": GrokRequest}[model[0]]
        images = ["https://h/a.png", "https://h/b.gif?s=1"]
        request: Any = kind.model_validate({"model": model, "prompt": "x", "images": images})
        assert request.body()["images"] == images
        assert request.warnings() == ("`images`: picture 2 is .gif; only png, jpeg and webp are likely to work.",)

    def test_jimeng_states_them(self) -> None:
        with pytest.raises(ValidationError, match=r"png, jpeg, jpg or webp, not \.gif"):
            JimengRequest.model_validate({"model": "jimeng-video-3.0", "prompt": "x", "images": ["https://h/b.gif"]})

    def test_grok_warns_of_what_is_sent_along(self, tmp_path: Path) -> None:
        (tmp_path / "b.bmp").write_bytes(b"BM" + bytes(20))
        request = grok(GIF, tmp_path / "b.bmp", "data:image/heic;base64,AAAA", png())
        gif, bmp, heic, plain = request.body()["images"]
        assert (gif, heic, plain) == (uri(GIF, "gif"), "data:image/heic;base64,AAAA", uri(png()))
        assert bmp.startswith("data:image/")
        numbers = [warning.partition(" is ")[0] for warning in request.warnings()]
        assert numbers == [f"`images`: picture {number}" for number in (1, 2, 3)]

    def test_other_models_take_everything(self, tmp_path: Path) -> None:
        (tmp_path / "a.mp4").write_bytes(b"movie")
        large = "data:image/png;base64," + "A" * 14_000_000
        images = ["https://h/b.gif", "data:;base64,!", large, tmp_path / "a.mp4", GIF]
        request = custom(*images)
        assert request.body()["images"] == [
            *images[:3],
            "data:video/mp4;base64," + base64.b64encode(b"movie").decode(),
            uri(GIF, "gif"),
        ]
        assert request.warnings() == ()
        assert "AAAA" not in json.dumps(request.recorded()) + repr(request) + request.model_dump_json()

    def test_grok_keeps_a_limit_of_ours(self) -> None:
        with pytest.raises(ValidationError, match="at most 10 MB"):
            grok(png(size=10_000_001))

    @pytest.mark.parametrize("family", [grok, custom])
    @pytest.mark.parametrize(
        ("image", "words"),
        [
            (b"something", "the kind of the inline picture cannot be told (9 bytes)"),
            ("data:image/svg+xml,<svg/>", "begins with data:image/png;base64, (or another type)"),
            ("nowhere.png", "there is no file"),
        ],
    )
    def test_what_cannot_be_sent_is_refused_all_the_same(self, family: Any, image: object, words: str) -> None:  # noqa: ANN401
        with pytest.raises(ValidationError) as caught:
            family(image)
        assert words in caught.value.errors()[0]["msg"]


def test_the_mark_may_be_a_picture_of_any_kind() -> None:
    request = vidu(watermark=True, wm_url="https://h/mark.svg")
    assert request.body()["wm_url"] == "https://h/mark.svg"
    assert request.warnings() == ()


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


class TestNothingSecretIsKept:
    """What is logged, recorded or stored as a flow's parameters has no picture in it, and no signature of a URL."""

    SIGNED = "https://me:SECRET@img.example.com/a.png?X-Signature=SECRET"

    def request(self) -> ViduRequest:
        return vidu(
            png(size=300), self.SIGNED, watermark=True, wm_url=self.SIGNED, meta_data=f'{{"u": "{self.SIGNED}"}}'
        )

    def test_recorded(self) -> None:
        payload = uri(png(size=300)).partition(",")[2]
        digest = hashlib.sha256(payload.encode()).hexdigest()
        assert self.request().recorded() == {
            "model": "viduq3-pro",
            "prompt": "x",
            "images": [f"data:image/png;base64,<400 characters, sha256 {digest}>", "https://img.example.com/a.png"],
            "audio": False,
            "watermark": True,
            "wm_url": "https://img.example.com/a.png",
            "meta_data": '{"u": "https://img.example.com/a.png?…"}',
        }

    def test_recorded_file(self, tmp_path: Path) -> None:
        (tmp_path / "first.png").write_bytes(png())
        digest = hashlib.sha256(png()).hexdigest()
        assert vidu(tmp_path / "first.png").recorded()["images"] == [f"first.png <33 bytes, sha256 {digest}>"]

    def test_recorded_extras(self) -> None:
        request = CustomRequest.model_validate(
            {
                "model": "kling-3",
                "image": uri(png()).upper().replace("DATA", "Data"),
                "more": [{"url": self.SIGNED}],
                "n": 1,
            }
        )
        recorded = request.recorded()
        assert recorded["image"].startswith("data:image/png;base64,<")
        assert recorded["more"] == [{"url": "https://img.example.com/a.png"}]
        assert recorded["n"] == 1

    def test_repr(self) -> None:
        for text in (repr(self.request()), str(self.request()), repr(vidu("https://h/a.png", payload="p" * 999))):
            assert "SECRET" not in text
            assert "AAAAAAAA" not in text
            assert "=None" not in text
            assert len(text) < 700

    def test_serialised(self) -> None:
        """Prefect keeps this: a URL must stay usable, a picture must not be in it."""
        dumped = self.request().model_dump(mode="json")
        assert dumped["images"][0].startswith("data:image/png;base64,<400 characters, sha256 ")
        assert dumped["images"][1] == self.SIGNED
        assert "seed" not in dumped
        assert "AAAAAAAA" not in self.request().model_dump_json()

    def test_a_masked_picture_is_refused(self) -> None:
        with pytest.raises(ValidationError, match="given inline and is not kept with a run; give a URL or a path"):
            ViduRequest.model_validate(self.request().model_dump())
        extra = CustomRequest.model_validate({"model": "kling-3", "more": [{"image": uri(png())}]})
        assert "AAAA" not in extra.model_dump_json()
        with pytest.raises(ValidationError, match="`more`: this picture was given inline"):
            CustomRequest.model_validate(extra.model_dump())

    def test_error_messages(self) -> None:
        with pytest.raises(ValidationError) as caught:
            vidu(uri(png()), uri(png()), uri(png()), wm_url=[self.SIGNED], seed=self.SIGNED, image=uri(png(size=99)))
        assert len(caught.value.errors()) == 4
        for text in (str(caught.value), repr(caught.value.errors())):
            assert "SECRET" not in text
            assert "iVBORw0KGgo" not in text


def test_the_digest_knows_the_request_but_not_the_signature_of_a_url() -> None:
    one, same, other = (vidu(f"https://h/{name}.png?s={sig}") for name, sig in (("a", 1), ("a", 2), ("b", 1)))
    assert one.digest == same.digest != other.digest
    assert len(one.digest) == 64
    assert vidu(png()).digest != vidu(png(641)).digest
    assert vidu(prompt="y").digest != vidu().digest == vidu(allow_undocumented=True).digest
