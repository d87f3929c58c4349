"""Every rule of every family: the hard ones refuse, the soft ones warn."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from prefect_octopusx.api.requests import RemixRequest, VideoRequest

ONE, TWO, THREE = (["https://img.example.com/a.png"] * count for count in (1, 2, 3))
JIMENG = {"model": "jimeng-video-3.0", "prompt": "x"}
VIDU = {"model": "viduq3-pro", "prompt": "x"}
Q2 = {"model": "viduq2-pro", "prompt": "x", "images": ONE}
VEO = {"model": "veo3.1-fast", "prompt": "x"}
SORA = {"model": "sora-2", "prompt": "x"}
GROK = {"model": "grok-video-3", "prompt": "x"}
CUSTOM = {"model": "kling-3", "family": "custom"}
REMIX = {"model": "grok-video-3", "prompt": "x", "aspect_ratio": "1:1", "task_id": "grok:1"}
UNION: TypeAdapter[Any] = TypeAdapter(VideoRequest)


def made(data: dict[str, Any]) -> Any:  # noqa: ANN401 - any of the requests
    return RemixRequest.model_validate(data) if "task_id" in data else UNION.validate_python(data)


REFUSED = [
    # Jimeng
    (JIMENG | {"model": "jimeng-video-9"}, "model", "jimeng-video-3.0"),
    (JIMENG | {"prompt": ""}, "prompt", "at least 1 character"),
    (JIMENG | {"prompt": " \n"}, "prompt", "must not be blank"),
    ({"model": "jimeng-video-3.0"}, "prompt", "`prompt`"),
    (JIMENG | {"images": THREE}, "images", "at most 2"),
    (
        JIMENG | {"images": "https://img.example.com/a.png"},
        "images",
        "a list, also for one picture (given: 'https://img.example.com/a.png')",
    ),
    (JIMENG | {"aspect_ratio": "2:3"}, "aspect_ratio", "'21:9' (given: '2:3')"),
    (JIMENG | {"aspect_ratio": None}, "aspect_ratio", "None"),
    (JIMENG | {"size": "540P"}, "size", "'1080P' (given: '540P')"),
    (JIMENG | {"duration": 5}, "duration", "`allow_undocumented`"),
    (JIMENG | {"duration": 0, "allow_undocumented": True}, "duration", "(given: 0)"),
    (JIMENG | {"duration": "5", "allow_undocumented": True}, "duration", "valid integer (given: '5')"),
    (JIMENG | {"resolution": "720p"}, "resolution", "`resolution` is not a field of Jimeng requests: use `size`"),
    (JIMENG | {"promt": "x"}, "promt", "use `prompt`"),
    (JIMENG | {"family": "jimeng"}, "family", "`model`"),
    (JIMENG | {"images": ["data:image/png;base64,iVBORw0KGgo="]}, "images", "Jimeng takes URLs only"),
    # Vidu
    (VIDU | {"model": "viduq3-turbo"}, "model", "(given: 'viduq3-turbo'); for what the docs do not list, use Custom"),
    (VIDU | {"prompt": "p" * 2001}, "prompt", "at most 2000"),
    ({"model": "viduq3-pro"}, "prompt", "must not be blank"),
    (VIDU | {"prompt": " "}, "prompt", "must not be blank"),
    (VIDU | {"prompt": "a\0b"}, "prompt", "must not have NUL characters"),
    (VIDU | {"payload": "a\0b"}, "payload", "must not have NUL characters"),
    ({"model": "viduq2-pro", "is_rec": True}, "prompt", "`is_rec`"),
    ({"model": "viduq2-pro", "images": ONE}, "prompt", "`is_rec`"),
    (VIDU | {"images": THREE}, "images", "at most 2"),
    (VIDU | {"aspect_ratio": "21:9"}, "aspect_ratio", "'1:1' (given: '21:9')"),
    (VIDU | {"model": "viduq1", "aspect_ratio": "3:4"}, "aspect_ratio", "viduq1"),
    (Q2 | {"model": "viduq1-classic", "aspect_ratio": "4:3"}, "aspect_ratio", "viduq1-classic"),
    (Q2 | {"model": "vidu2.0", "aspect_ratio": "4:3"}, "aspect_ratio", "vidu2.0"),
    (VIDU | {"audio": "yes"}, "audio", "boolean"),
    (VIDU | {"audio": None}, "audio", "boolean"),
    (VIDU | {"duration": 0}, "duration", "greater than or equal to 1"),
    (VIDU | {"duration": 11}, "duration", "up to 16 with `allow_undocumented` (given: 11)"),
    (VIDU | {"duration": 17, "allow_undocumented": True}, "duration", "(given: 17)"),
    (Q2 | {"duration": 11, "allow_undocumented": True}, "duration", "1 to 10 s (given: 11)"),
    (VIDU | {"duration": 5.5}, "duration", "integer"),
    (VIDU | {"seed": True}, "seed", "integer"),
    (VIDU | {"resolution": "4k"}, "resolution", "'1080p' (given: '4k')"),
    (Q2 | {"resolution": "360p"}, "resolution", "540p, 720p or 1080p"),
    (VIDU | {"payload": "p" * 1_048_577}, "payload", "1048576"),
    (VIDU | {"wm_position": 0}, "wm_position", "1"),
    (VIDU | {"wm_position": 5}, "wm_position", "4 (given: 5)"),
    (VIDU | {"wm_url": "mark.png"}, "wm_url", "http"),
    (VIDU | {"wm_url": "https://"}, "wm_url", "a host"),
    (VIDU | {"meta_data": "{'a': 1}"}, "meta_data", "JSON"),
    (VIDU | {"meta_data": {"a": 1}}, "meta_data", "valid string"),
    (VIDU | {"meta_data": "[" * 100_000}, "meta_data", "JSON"),
    (VIDU | {"meta_data": "NaN"}, "meta_data", "JSON"),
    (VIDU | {"meta_data": '{"a": [-Infinity]}'}, "meta_data", "JSON"),
    (VIDU | {"size": "720P"}, "size", "use `resolution`"),
    (VIDU | {"orientation": "portrait"}, "orientation", "use `aspect_ratio`"),
    (VIDU | {"style": "anime"}, "style", "CustomRequest"),
    # Veo
    (VEO | {"size": "1920x1080"}, "size", "'1280x720'"),
    (VEO | {"orientation": "landscape", "size": "720x1280"}, "orientation", "disagree"),
    (VEO | {"orientation": "landscape", "aspect_ratio": "9:16"}, "orientation", "disagree"),
    (VEO | {"size": "720x1280", "aspect_ratio": "16:9"}, "size", "disagree"),
    (VEO | {"enable_upsample": True, "aspect_ratio": "9:16"}, "enable_upsample", "landscape only"),
    (VEO | {"images": ["data:image/png;base64,iVBORw0KGgo="]}, "images", "Veo takes URLs only"),
    (VEO | {"resolution": "720p"}, "resolution", "use `size`"),
    (VEO | {"enhance_prompt": True}, "enhance_prompt", "CustomRequest"),
    (VEO | {"duration": 0}, "duration", "1"),
    (VEO | {"allow_undocumented": True}, "allow_undocumented", "not a field of Veo requests"),
    # Sora
    (SORA | {"model": "sora-3"}, "model", "'sora-2-pro' (given: 'sora-3')"),
    (SORA | {"duration": 8}, "duration", "10, 15 or 25"),
    (SORA | {"size": "medium"}, "size", "'large'"),
    (SORA | {"style": "noir"}, "style", "'anime'"),
    (SORA | {"orientation": "square"}, "orientation", "'landscape'"),
    (SORA | {"aspect_ratio": "16:9"}, "aspect_ratio", "use `orientation`"),
    (SORA | {"images": [b"picture"]}, "images", "Sora takes URLs only"),
    (SORA | {"duration": None}, "duration", "10, 15 or 25"),
    (SORA | {"allow_undocumented": True}, "allow_undocumented", "not a field of Sora requests"),
    # Grok
    (GROK | {"model": "grok-video-4"}, "model", "'grok-video-3-max'"),
    (GROK | {"images": THREE + THREE + ONE}, "images", "at most 6"),
    (GROK | {"aspect_ratio": "4:3"}, "aspect_ratio", "'3:2'"),
    (GROK | {"size": "480P"}, "size", "'720P'"),
    (GROK | {"duration": 8}, "duration", "6, 10 or 15"),
    (GROK | {"prompt": "@img1 and @img3", "images": TWO}, "prompt", "names @img3, but there are 2 `images`"),
    (GROK | {"prompt": "@img0", "images": ONE}, "prompt", "@img0"),
    (GROK | {"resolution": "720p"}, "resolution", "use `size`"),
    (GROK | {"allow_undocumented": True}, "allow_undocumented", "not a field of Grok requests"),
    # Remix
    (REMIX | {"aspect_ratio": "16:9"}, "aspect_ratio", "'1:1' (given: '16:9')"),
    (REMIX | {"size": "4K"}, "size", "'1080P'"),
    (REMIX | {"prompt": " "}, "prompt", "`prompt` must not be blank"),
    (REMIX | {"task_id": " "}, "task_id", "`task_id` must not be blank"),
    (REMIX | {"images": ONE}, "images", "not a field of Remix"),
    # Other models
    (CUSTOM | {"callback": object()}, "callback", "JSON"),
    (CUSTOM | {"cfg": float("nan")}, "cfg", "JSON"),
    (CUSTOM | {"model": ""}, "model", "at least 1"),
]


@pytest.mark.parametrize(("data", "field", "words"), REFUSED)
def test_a_hard_rule_refuses_and_says_what_is_allowed(data: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        made(data)
    (error,) = caught.value.errors()
    assert error["loc"][0] == field
    assert words in error["msg"]


WARNED = [
    # Jimeng
    (JIMENG | {"duration": 5, "allow_undocumented": True}, ["`duration`: 5 s is sent"]),
    (JIMENG | {"duration": 7, "allow_undocumented": True}, ["5, 10 and 15 are the likely values"]),
    # Vidu
    (VIDU | {"duration": 12, "allow_undocumented": True}, ["12 s is more than the 10 s"]),
    (VIDU | {"images": ONE, "aspect_ratio": "16:9"}, ["`aspect_ratio` is probably ignored"]),
    (VIDU | {"voice_id": "v", "audio": True}, ["`voice_id` has no effect on viduq3-pro"]),
    (Q2 | {"voice_id": "v"}, ["`voice_id` takes effect only with `audio`"]),
    (VIDU | {"bgm": True}, ["`bgm` has no effect on viduq3-pro"]),
    (Q2 | {"bgm": True, "duration": 9}, ["`bgm` has no effect on viduq2-pro at 9 s"]),
    (Q2 | {"is_rec": True}, ["`prompt` is ignored"]),
    (VIDU | {"is_rec": True}, ["`prompt` is ignored", "`is_rec` needs a picture"]),
    (VIDU | {"wm_position": 1}, ["`wm_position` is probably ignored without `watermark`"]),
    (VIDU | {"wm_url": "https://img.example.com/m.png", "watermark": False}, ["`wm_url` is probably ignored"]),
    (VIDU | {"resolution": "360p"}, ["`resolution`: viduq3-pro is known for 540p, 720p, 1080p, not for 360p"]),
    (Q2 | {"resolution": "360p", "allow_undocumented": True}, ["viduq2-pro is known for 540p, 720p, 1080p, not for"]),
    (Q2 | {"model": "viduq2-pro-fast", "resolution": "540p"}, ["viduq2-pro-fast is known for 720p, 1080p, not for"]),
    (Q2 | {"images": TWO, "duration": 9}, ["up to 8 s from a first and a last frame, not for 9 s"]),
    (Q2 | {"images": []}, ["`images`: viduq2-pro is not offered for text to video"]),
    (Q2 | {"model": "viduq2-turbo", "images": []}, ["not offered for text to video"]),
    (Q2 | {"model": "viduq2-pro-fast", "images": [], "duration": 9}, ["not offered for text", "up to 8 s from text"]),
    (Q2 | {"model": "viduq1-classic", "images": []}, ["not offered for text to video"]),
    (Q2 | {"model": "vidu2.0", "images": []}, ["not offered for text to video"]),
    (VIDU | {"model": "viduq1", "duration": 4}, ["`duration`: viduq1 is known for 5 s, not for 4 s"]),
    (VIDU | {"model": "viduq1", "resolution": "720p"}, ["viduq1 is known for 1080p, not for 720p"]),
    (Q2 | {"model": "vidu2.0", "duration": 5}, ["vidu2.0 is known for 4 or 8 s, not for 5 s"]),
    (
        Q2 | {"model": "vidu2.0", "duration": 8, "resolution": "360p"},
        ["vidu2.0 is known for 720p at 8 s, not for 360p"],
    ),
    (Q2 | {"model": "vidu2.0", "resolution": "540p"}, ["360p, 720p, 1080p at 4 s, not for 540p"]),
    (
        Q2 | {"model": "vidu2.0", "duration": 5, "resolution": "360p"},
        ["4 or 8 s, not for 5 s", "`resolution`: vidu2.0 is known for 360p at 4 s only, not at 5 s"],
    ),
    (
        Q2 | {"model": "vidu2.0", "duration": 5, "resolution": "540p"},
        ["4 or 8 s, not for 5 s", "vidu2.0 is known for 360p, 720p, 1080p, not for 540p"],
    ),
    (Q2 | {"model": "vidu2.0", "duration": 5, "resolution": "720p"}, ["4 or 8 s, not for 5 s"]),
    # Veo
    (VEO | {"images": THREE + ONE}, ["known for up to 3, not for 4"]),
    (VEO | {"model": "veo3.1-frames", "images": THREE}, ["known for up to 2"]),
    (VEO | {"model": "veo3-pro-frames", "images": TWO}, ["known for up to 1"]),
    (VEO | {"duration": 5}, ["8 s only, not for 5 s"]),
    (VEO | {"enable_upsample": True}, ["set `orientation`"]),
    # Sora
    (SORA | {"duration": 25}, ["25 s is for sora-2-pro"]),
    # Grok
    (GROK | {"size": "1080P"}, ["only 720P is known to work"]),
    (GROK | {"model": "grok-video-3-pro"}, ["another endpoint"]),
    (GROK | {"model": "grok-video-3-max", "duration": 10}, ["another endpoint", "always makes 15 s, not 10 s"]),
    # Remix
    (REMIX | {"size": "1080P"}, ["only 720P"]),
    (REMIX | {"model": "sora-2"}, ["documented for Grok only"]),
]


@pytest.mark.parametrize(("data", "expected"), WARNED)
def test_a_soft_rule_warns_in_a_sentence_that_names_its_field(data: dict[str, Any], expected: list[str]) -> None:
    warnings = made(data).warnings()
    assert len(warnings) == len(expected)
    for warning, words in zip(warnings, expected, strict=True):
        assert words in warning
        assert warning.endswith(".")
        assert "`" in warning


SILENT = [
    JIMENG,
    JIMENG | {"images": TWO, "aspect_ratio": "21:9"},
    VIDU,
    VIDU | {"duration": 10, "seed": 0, "payload": "p" * 1_048_576},
    VIDU | {"prompt": "\N{GRINNING FACE}" * 2000},
    VIDU | {"aspect_ratio": "3:4", "voice_id": None},
    {"model": "viduq2-pro", "images": ONE, "is_rec": True},
    {"model": "viduq2-pro", "images": ONE, "is_rec": True, "prompt": " "},
    Q2 | {"bgm": True, "duration": 8, "resolution": "540p"},
    Q2 | {"images": TWO, "duration": 8, "off_peak": True},
    Q2 | {"voice_id": "v", "audio": True},
    Q2 | {"watermark": True, "wm_position": 4, "wm_url": "https://img.example.com/m.png?s=1"},
    Q2 | {"model": "vidu2.0", "duration": 8, "resolution": "720p"},
    Q2 | {"model": "vidu2.0", "resolution": "360p"},
    VIDU | {"model": "viduq1", "duration": 5, "resolution": "1080p"},
    VEO | {"images": THREE, "model": "veo3.1-components"},
    VEO | {"orientation": "landscape", "size": "1280x720", "aspect_ratio": "16:9", "enable_upsample": True},
    VEO | {"orientation": "portrait", "size": "720x1280", "aspect_ratio": "9:16", "duration": 8},
    SORA | {"model": "sora-2-pro", "duration": 25, "style": "anime"},
    GROK | {"prompt": "@img1 and @img6", "images": THREE + THREE, "duration": 15},
    CUSTOM | {"cfg": {"a": [1, None]}},
    REMIX | {"parent_post_id": "p"},
]


@pytest.mark.parametrize("data", SILENT)
def test_what_the_rules_allow_warns_of_nothing(data: dict[str, Any]) -> None:
    assert made(data).warnings() == ()


@pytest.mark.parametrize(
    ("data", "field", "sent"),
    [
        (JIMENG | {"size": "720p"}, "size", "720P"),
        (GROK | {"size": "1080p"}, "size", "1080P"),
        (REMIX | {"size": "720p"}, "size", "720P"),
        (VIDU | {"resolution": "720P"}, "resolution", "720p"),
    ],
)
def test_the_case_of_a_resolution_is_repaired(data: dict[str, Any], field: str, sent: str) -> None:
    assert made(data).body()[field] == sent


@pytest.mark.parametrize(
    ("data", "sent"),
    [
        (JIMENG, JIMENG | {"images": [], "aspect_ratio": "16:9", "size": "720P"}),
        (VIDU, VIDU | {"images": [], "audio": False}),
        (
            {"model": "viduq2-pro", "images": ONE, "is_rec": True},
            {"model": "viduq2-pro", "images": ONE, "is_rec": True, "audio": False},
        ),
        (VEO, VEO | {"images": []}),
        (SORA, SORA | {"images": [], "orientation": "landscape", "size": "small", "duration": 10}),
        (GROK, GROK | {"images": [], "aspect_ratio": "16:9", "size": "720P"}),
        (REMIX, REMIX | {"size": "720P"}),
        (CUSTOM | {"body": {"n": None}, "n": None}, {"model": "kling-3", "images": [], "body": {"n": None}, "n": None}),
        (VIDU | {"allow_undocumented": True}, VIDU | {"images": [], "audio": False}),
    ],
)
def test_only_what_is_set_or_required_is_sent(data: dict[str, Any], sent: dict[str, Any]) -> None:
    assert made(data).body() == sent


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (VIDU | {"off_peak": True}, True),
        (VIDU | {"off_peak": False}, False),
        (VIDU, False),
        (CUSTOM | {"off_peak": True}, True),
        (CUSTOM, False),
        (JIMENG, False),
        (REMIX, False),
    ],
)
def test_off_peak_is_known_to_who_waits(data: dict[str, Any], expected: bool) -> None:
    assert made(data).is_off_peak is expected


def test_field_problems_come_before_those_between_fields() -> None:
    data = VIDU | {"model": "viduq1", "aspect_ratio": "3:4", "prompt": " "}
    for more, fields in (({"seed": "1", "bgm": 1}, {"seed", "bgm"}), ({}, {"prompt", "aspect_ratio"})):
        with pytest.raises(ValidationError) as caught:
            made(data | more)
        assert {error["loc"][0] for error in caught.value.errors()} == fields
