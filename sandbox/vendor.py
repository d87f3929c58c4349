"""What the model vendors accept: the fields of each family's requests, as a table, and the check against it.

The limits are most of the documented ones. It does not open pictures, and limits that are only said elsewhere are left
out where they would refuse something that the vendor may take.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from prefect_octopusx.sandbox.answers import RefusedError, relay_error, task_error, vendor_error

__all__ = ["Family", "check_create", "check_remix"]

_DATA_URI = re.compile(r"data:image/(?P<kind>[\w.+-]+);base64,(?P<data>.+)", re.DOTALL)
_WEB_URL = re.compile(r"https?://[^/\s]+(/\S*)?", re.IGNORECASE)
_UPLOAD_LIMIT = 20_000_000  # Vidu's, for the whole body


@dataclass(frozen=True, slots=True)
class Field:
    """What one field takes; `limits` are for numbers, and for the length of strings and arrays."""

    type: type
    required: bool = False
    choices: tuple[str | int, ...] = ()
    limits: tuple[int, int] | None = None

    def problem(self, value: object) -> str | None:
        """Return what is wrong with a value."""
        # Not isinstance: True is no integer here, and 5.0 is not 5.
        if type(value) is not self.type:
            return f"must be {_JSON_NAMES[self.type]}"
        if self.choices and value not in self.choices:
            return f"must be one of {', '.join(map(str, self.choices))}"
        if self.limits:
            amount = value if isinstance(value, int) else len(value) if isinstance(value, str | list) else 0
            if not self.limits[0] <= amount <= self.limits[1]:
                return f"must be within {self.limits[0]} and {self.limits[1]}"
        return None


_JSON_NAMES = {str: "a string", int: "an integer", bool: "a boolean", list: "an array"}
_TEXT, _FLAG = Field(str), Field(bool)


@dataclass(frozen=True, slots=True)
class Family:
    """The models of a family, the fields of their requests besides `model`, and the rules that tie fields together."""

    name: str
    models: re.Pattern[str]
    fields: Mapping[str, Field]
    rule: Callable[[dict[str, Any]], str | None] = field(default=lambda _: None)
    data_uris: bool = False
    kinds: frozenset[str] = frozenset()
    """The kinds of pictures in data URIs; empty for any."""


def _vidu_rule(body: dict[str, Any]) -> str | None:
    model = body["model"]
    if body.get("aspect_ratio") in ("3:4", "4:3") and not model.startswith(("viduq2", "viduq3")):
        return "aspect_ratio: 3:4 and 4:3 are for q2 and q3 models"
    if body.get("resolution") == "360p" and model.startswith("viduq2"):
        return "resolution: q2 models take 540p, 720p and 1080p"
    # The documented range is 1 to 10; Vidu itself takes up to 16 s on q3.
    if body.get("duration", 1) > (16 if model.startswith("viduq3") else 10):
        return "duration: too long for this model"
    try:
        json.loads(body.get("meta_data", "{}"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return "meta_data: must be a JSON document"
    return None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity: Python takes them, JSON has not


def _veo_rule(body: dict[str, Any]) -> str | None:
    upright = {body[name] == value for name, value in _VEO_UPRIGHT.items() if name in body}
    if len(upright) > 1:
        return "orientation, size and aspect_ratio disagree"
    if body.get("enable_upsample") and True in upright:
        return "enable_upsample: landscape only"
    return None


_VEO_UPRIGHT = {"orientation": "portrait", "size": "720x1280", "aspect_ratio": "9:16"}


def _grok_rule(body: dict[str, Any]) -> str | None:
    named = max((int(number) for number in re.findall(r"@img(\d+)", body["prompt"])), default=0)
    return f"prompt: @img{named} has no image" if named > len(body.get("images", [])) else None


_RATIOS = ("16:9", "4:3", "1:1", "3:4", "9:16", "21:9")
_ORIENTATION = Field(str, choices=("portrait", "landscape"))
_BIG_SIZES = Field(str, required=True, choices=("720P", "1080P"))

_FAMILIES = (
    Family(
        "jimeng",
        re.compile(r"jimeng-video-[23]\.0"),
        {
            "prompt": Field(str, required=True),
            "images": Field(list, required=True, limits=(0, 2)),
            "aspect_ratio": Field(str, required=True, choices=_RATIOS),
            "size": _BIG_SIZES,
            "duration": Field(int, choices=(5, 10, 15)),  # named by the page, and described elsewhere
        },
    ),
    Family(
        "vidu",
        re.compile(r"viduq3-pro|viduq2-(pro|turbo|pro-fast)|viduq1(-classic)?|vidu2\.0"),
        {
            "prompt": Field(str, limits=(0, 2000)),
            "images": Field(list, required=True, limits=(0, 2)),
            "aspect_ratio": Field(str, choices=("16:9", "9:16", "3:4", "4:3", "1:1")),
            "audio": _FLAG,
            "voice_id": _TEXT,
            "is_rec": _FLAG,
            "bgm": _FLAG,
            "duration": Field(int, limits=(1, 16)),
            "seed": Field(int),
            "resolution": Field(str, choices=("360p", "540p", "720p", "1080p")),
            "payload": Field(str, limits=(0, 1_048_576)),
            "off_peak": _FLAG,
            "watermark": _FLAG,
            "wm_position": Field(int, choices=(1, 2, 3, 4)),
            "wm_url": _TEXT,
            "meta_data": _TEXT,
        },
        rule=_vidu_rule,
        data_uris=True,
        kinds=frozenset({"png", "jpeg", "jpg", "webp"}),
    ),
    Family(
        "veo",
        re.compile(r"veo[23](\.\d)?(-[a-z0-9]+)*"),
        {
            "prompt": Field(str, required=True),
            "images": Field(list),
            "orientation": _ORIENTATION,
            "size": Field(str, choices=("720x1280", "1280x720")),
            "duration": Field(int, limits=(1, 60)),
            "aspect_ratio": Field(str, choices=("16:9", "9:16")),
            "enable_upsample": _FLAG,
        },
        rule=_veo_rule,
    ),
    Family(
        "sora",
        re.compile(r"sora-2(-pro)?"),
        {
            "prompt": Field(str, required=True),
            "images": Field(list),
            "orientation": _ORIENTATION,
            "size": Field(str, choices=("small", "large")),
            "duration": Field(int, choices=(10, 15, 25)),
            "watermark": _FLAG,
            "private": _FLAG,
            "style": Field(str, choices=("thanksgiving", "comic", "news", "selfie", "nostalgic", "anime")),
            "storyboard": _FLAG,
        },
    ),
    Family(
        "grok",
        re.compile(r"grok-video-3(-pro|-max)?"),
        {
            "prompt": Field(str, required=True),
            "images": Field(list, limits=(0, 6)),
            "aspect_ratio": Field(str, choices=("16:9", "9:16", "2:3", "3:2", "1:1")),
            "size": Field(str, choices=("720P", "1080P")),
            "duration": Field(int, choices=(6, 10, 15)),
        },
        rule=_grok_rule,
        data_uris=True,
    ),
)

_GROK_REMIX = {
    "prompt": Field(str, required=True),
    "size": _BIG_SIZES,
    "aspect_ratio": Field(str, required=True, choices=("2:3", "3:2", "1:1")),
    "task_id": Field(str, required=True, limits=(1, 200)),
    "parent_post_id": _TEXT,
}


def check_create(body: dict[str, Any], size: int) -> Family:
    """Return the family that a create is for.

    Args:
        body: The request's JSON object.
        size: The request's length in bytes.

    Raises:
        RefusedError: The engine or the model's vendor refuses it.
    """
    family = _route(body)
    if family.name == "vidu" and size > _UPLOAD_LIMIT:
        raise RefusedError(task_error(413, "fail_to_fetch_task", "request body too large"))
    if not (family.name == "vidu" and body.get("is_rec") is True and body.get("images")):
        _require_prompt(body)
    _check_fields(body, family.fields)
    for number, image in enumerate(body.get("images", [])):
        _check_image(f"images[{number}]", image, family)
    if problem := family.rule(body):
        raise RefusedError(vendor_error("FieldInvalid", problem))
    return family


def check_remix(body: dict[str, Any]) -> Family:
    """Return the family that a remix is for; only Grok has remixes here.

    Raises:
        RefusedError: The engine or the model's vendor refuses it.
    """
    family = _route(body)
    if family.name != "grok":
        raise RefusedError(task_error(400, "invalid_request", "this model has no remix"))
    _require_prompt(body)
    _check_fields(body, _GROK_REMIX)
    return family


def _route(body: dict[str, Any]) -> Family:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise RefusedError(relay_error(400, "model name is required"))
    for family in _FAMILIES:
        if family.models.fullmatch(model):
            return family
    message = f"No available channel for model {model} under group default"
    raise RefusedError(relay_error(503, message, "model_not_found"))


def _require_prompt(body: dict[str, Any]) -> None:
    prompt = body.get("prompt")
    if prompt is None or (isinstance(prompt, str) and not prompt.strip()):
        raise RefusedError(task_error(400, "invalid_request", "prompt is required"))


def _check_fields(body: dict[str, Any], known: Mapping[str, Field]) -> None:
    for name, value in body.items():
        if name == "model":
            continue
        if name not in known:
            raise RefusedError(vendor_error("FieldUnwanted", f"{name}: not a field of this model"))
        if problem := known[name].problem(value):
            raise RefusedError(vendor_error("FieldInvalid", f"{name}: {problem}"))
    for name, rules in known.items():
        if rules.required and name not in body:
            raise RefusedError(vendor_error("FieldLacking", f"{name}: missing"))


def _check_image(name: str, image: object, family: Family) -> None:
    if not isinstance(image, str):
        raise RefusedError(vendor_error("FieldInvalid", f"{name}: must be a string"))
    if _WEB_URL.fullmatch(image):
        return
    found = _DATA_URI.fullmatch(image)
    if not found or not family.data_uris or (family.kinds and found["kind"] not in family.kinds):
        kinds = f" ({', '.join(sorted(family.kinds))})" if family.kinds else ""
        wanted = f"a URL or a data URI of an image{kinds}" if family.data_uris else "a URL"
        raise RefusedError(vendor_error("FieldInvalid", f"{name}: must be {wanted}"))
    try:
        base64.b64decode(found["data"], validate=True)
    except binascii.Error:
        raise RefusedError(vendor_error("ImageFormatInvalid", f"{name}: bad Base64")) from None
