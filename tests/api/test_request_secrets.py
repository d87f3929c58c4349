"""What is kept of a request: nothing secret, no picture, and a digest that knows it again."""

import hashlib
from pathlib import Path

import pytest
from pydantic import ValidationError

from prefect_octopusx.api.requests import CustomRequest, ViduRequest
from tests.api.picture_requests import png, uri, vidu


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

    def test_a_url_whose_query_is_gone_finds_its_record_but_is_not_sent(self) -> None:
        whole = vidu("https://h/a.png?s=SECRET", meta_data='{"u": "https://me:SECRET@h/b"}')
        kept = vidu("https://h/a.png?…", meta_data='{"u": "https://…@h/b"}')
        assert kept.digest == whole.digest
        with pytest.raises(ValueError, match="`images`: this URL was given with a query, which is not kept"):
            kept.body()
        assert vidu("https://h/a.png", prompt="what's at https://h/?…").body()["prompt"] == "what's at https://h/?…"

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
