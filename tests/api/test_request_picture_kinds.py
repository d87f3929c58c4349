"""The kinds of pictures: each family takes what its page states, and any where it states none."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from prefect_octopusx.api.requests import GrokRequest, JimengRequest, SoraRequest, VeoRequest
from tests.api.picture_requests import custom, grok, png, uri, vidu

GIF = b"GIF89a" + bytes(20)


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
