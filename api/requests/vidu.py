"""Vidu: text to video, from a first picture, or between a first and a last one; with sound, music and marks.

Source: the vendor's page "Create Video", Vidu; docs/rules.md explains the codes. What the page leaves open and Vidu
itself documents for each model is in `vidu_models`, and only warns.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal, NoReturn

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from prefect_octopusx.api.requests import images as pictures
from prefect_octopusx.api.requests.base import DoubtAllowed, LowerCase, VideoRequestBase
from prefect_octopusx.api.requests.messages import Problem, rule, shown
from prefect_octopusx.api.requests.vidu_models import VIDU_MODELS

__all__ = ["ViduRequest"]

_DURATION = 10  # vendor page, Vidu, `duration`
_DURATION_Q3 = 16  # V-9
_RATIO = 4  # V-1: between 1:4 and 4:1
_LEAST_SIDE = 128  # V-16, pixels
_ALIKE = (0.8, 1.25)  # V-15
_BODY_LIMIT = 20 * pictures.MB  # V-4
# The form's share of V-5 and V-9.
_LETS_WRITE = {"properties": {"is_rec": {"const": True}}, "required": ["is_rec"]}
_LONG = {
    "properties": {"model": {"pattern": "^viduq3"}, "allow_undocumented": {"const": True}},
    "required": ["model", "allow_undocumented"],
}


class ViduRequest(VideoRequestBase, DoubtAllowed):
    """Vidu: no picture makes a video from text, one makes it from the picture, two are the first and the last frame."""

    model_config = ConfigDict(title="Vidu")
    family: ClassVar[Literal["vidu"]] = "vidu"
    pictures_inline = "yes"
    picture_limits = pictures.STATED
    instead: ClassVar[Mapping[str, str]] = {"size": "resolution", "orientation": "aspect_ratio"}
    form_rules = (
        {"if": _LETS_WRITE, "else": {"required": ["prompt"]}},
        {
            "if": _LONG,
            "then": {"properties": {"duration": {"maximum": _DURATION_Q3}}},
            "else": {"properties": {"duration": {"maximum": _DURATION}}},
        },
    )

    model: Literal["viduq3-pro", "viduq2-pro-fast", "viduq2-pro", "viduq2-turbo", "viduq1", "viduq1-classic", "vidu2.0"]
    """The model. Which one works depends on the channels behind your key."""
    # V-6
    prompt: str | None = Field(default=None, max_length=2000, examples=["a lighthouse in a storm"])
    """What the video shows, in at most 2000 characters. Required, unless is_rec is on and there is a picture."""
    # V-2
    images: Sequence[str | Path | bytes] = Field(default=(), max_length=2, examples=[["https://example.com/first.png"]])
    """0, 1 or 2 pictures: none, the picture to start from, or the first and the last frame. Each is a URL, a path, or
    a data URI; png, jpeg, jpg or webp; between 1:4 and 4:1; at most 50 MB by URL, 10 MB otherwise. Our default: none.
    """
    aspect_ratio: Literal["16:9", "9:16", "3:4", "4:3", "1:1"] | None = None
    """Width to height of the video; 3:4 and 4:3 only with q2 and q3 models. Vendor's default: 16:9."""
    # V-10
    audio: bool = False
    """Dialogue and sound in the video. Always sent. Our default, and the vendor's: false."""
    voice_id: str | None = Field(default=None, title="Voice", min_length=1)
    """The voice; without effect on q3 models. Vendor's default: the system picks one."""
    # V-13
    is_rec: bool | None = Field(default=None, title="Prompt by the system (is_rec)")
    """Let the system write the prompt from the picture; the prompt is then ignored. Costs extra. Vendor's default: none
    stated, treated as false."""
    bgm: bool | None = Field(default=None, title="Background music (bgm)")
    """Add preset background music. Vendor's default: false."""
    # Who may have how many is for the validator below to know, and for the form's rules above.
    duration: Annotated[int, Field(ge=1)] | None = Field(default=None, examples=[5])
    """Seconds, 1 to 10; viduq3-pro up to 16 with allow_undocumented. Vendor's default: 5 on viduq2 models, otherwise
    not stated."""
    seed: int | None = None
    """Seed of the randomness; 0 is random. Vendor's default: random."""
    resolution: Annotated[Literal["360p", "540p", "720p", "1080p"], LowerCase] | None = None
    """Resolution of the video; viduq2 models: 540p, 720p or 1080p. Vendor's default: depends on model and duration;
    720p on viduq2 models."""
    payload: str | None = Field(default=None, max_length=1_048_576)
    """A text of yours that is passed through, at most 1048576 characters. Vendor's default: none."""
    off_peak: bool | None = Field(default=None, title="Off-peak")
    """Render in off-peak hours: cheaper, and may take up to two days. Vendor's default: false."""
    watermark: bool | None = None
    """Put a mark on the video. Vendor's default: false."""
    wm_position: Annotated[int, Field(ge=1, le=4)] | None = Field(
        default=None, title="Position of the watermark (wm_position)", examples=[3]
    )
    """Where the mark is: 1 top left, 2 top right, 3 bottom right, 4 bottom left. Vendor's default: 3."""
    wm_url: str | None = Field(
        default=None, title="Picture of the watermark (wm_url)", examples=["https://example.com/mark.png"]
    )
    """URL of the picture to use as the mark. Vendor's default: a mark that says "AI generated"."""
    meta_data: str | None = Field(default=None, title="Metadata", examples=['{"project": "trailer"}'])
    """A JSON document of yours, as text, that is passed through. Vendor's default: none."""

    @property
    def is_off_peak(self) -> bool:
        """Whether the vendor may take up to two days."""
        return self.off_peak is True

    @field_validator("duration", mode="after")
    @classmethod
    def _duration_is_in_range(cls, duration: int | None, info: ValidationInfo) -> int | None:
        if duration is None or duration <= _DURATION:
            return duration
        q3 = str(info.data.get("model")).startswith("viduq3")
        if not q3:
            raise rule(f"`duration` is 1 to {_DURATION} s (given: {duration})")
        if duration > _DURATION_Q3 or info.data.get("allow_undocumented") is not True:  # V-9
            raise rule(
                f"`duration` is 1 to {_DURATION} s; q3 models take up to {_DURATION_Q3} with `allow_undocumented`"
                f" (given: {duration})"
            )
        return duration

    @field_validator("wm_url", mode="after")
    @classmethod
    def _mark_is_a_url(cls, url: str | None) -> str | None:
        return url if url is None else pictures.normalised_url(url)

    @field_validator("meta_data", mode="after")
    @classmethod
    def _meta_data_is_json(cls, text: str | None) -> str | None:
        if text is None:
            return None
        try:
            json.loads(text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):  # V-17
            raise rule(f"`meta_data` must be a JSON document as text (given: {shown(text)})") from None
        return text

    def _problems(self) -> Iterator[Problem]:
        yield from super()._problems()
        if self.prompt is None and not (self.is_rec and self.images):  # V-5
            yield Problem(
                ("prompt",), "`prompt` must not be blank; only `is_rec` together with a picture makes it needless"
            )
        ability = VIDU_MODELS[self.model]
        if self.aspect_ratio in {"3:4", "4:3"} and not ability.three_to_four:  # V-7
            yield Problem(
                ("aspect_ratio",),
                f"`aspect_ratio` {self.aspect_ratio} works only with q2 and q3 models, not with {self.model}",
            )
        if not self.allow_undocumented:
            for name, finding in self._doubtful():
                message = f"{finding}; `allow_undocumented` sends it all the same"
                yield Problem(("images", name) if isinstance(name, int) else (name,), message)
        yield from self._too_large()

    def _too_large(self) -> Iterator[Problem]:
        body = self._sent(lambda _: "")
        sent_along = sum(pictures.encoded_length(image, self.picture_limits) for image in self._images())
        size = len(json.dumps(body)) + sent_along
        if size < _BODY_LIMIT:
            return
        sizes = {name: len(json.dumps(value)) for name, value in body.items()} | {"images": sent_along}
        largest = max(sizes, key=sizes.__getitem__)
        advice = "upload the `images` and give their URLs" if largest == "images" else f"shorten `{largest}`"
        yield Problem(
            (largest,),
            f"the whole request would have {size / pictures.MB:.1f} MB, and it must stay below"
            f" {_BODY_LIMIT // pictures.MB} MB: {advice}",
        )

    def _doubtful(self) -> Iterator[tuple[int | str, str]]:
        """Yield what is refused although the vendor's page is in doubt, and sent with `allow_undocumented`.

        Each with the field's name, or the index of the picture.
        """
        if self.resolution == "360p" and self.model.startswith("viduq2"):  # listed in general, not for the series
            yield "resolution", f"`resolution` of {self.model} is 540p, 720p or 1080p (given: 360p)"
        for index, width, height in self._dimensions():
            if max(width, height) > _RATIO * min(width, height):  # V-1
                name = f"`images`: picture {index + 1}, {width} x {height} pixels,"
                yield index, f"{name} is not between 1:{_RATIO} and {_RATIO}:1"

    def _dimensions(self) -> Iterator[tuple[int, int, int]]:
        for index, image in enumerate(self._images()):
            picture = pictures.inspected(image, self.picture_limits)
            if picture and picture.width and picture.height:
                yield index, picture.width, picture.height

    def _findings(self) -> Iterator[str]:
        for name, finding in self._doubtful():
            if name != "resolution":  # the table of models, below, has a sentence about it
                yield f"{finding}."
        if self.duration is not None and self.duration > _DURATION:
            yield f"`duration`: {self.duration} s is more than the {_DURATION} s that the vendor's page allows."
        yield from self._fields_without_effect()
        yield from VIDU_MODELS[self.model].findings(
            self.model, pictures=len(self.images), duration=self.duration, resolution=self.resolution
        )
        yield from self._picture_findings()

    def _fields_without_effect(self) -> Iterator[str]:
        q3 = self.model.startswith("viduq3")
        long_q2 = self.model.startswith("viduq2") and self.duration in {9, 10}
        voice, position, mark = (given is not None for given in (self.voice_id, self.wm_position, self.wm_url))
        cases = (
            (self.is_rec and self.prompt, "`prompt` is ignored because `is_rec` lets the system write it."),
            (self.is_rec and not self.images, "`is_rec` needs a picture in `images`."),  # V-5
            (self.images and self.aspect_ratio, "`aspect_ratio` is probably ignored: the `images` decide."),  # V-8
            (voice and q3, f"`voice_id` has no effect on {self.model}."),  # V-11
            (voice and not self.audio and not q3, "`voice_id` takes effect only with `audio`."),
            (self.bgm and q3, f"`bgm` has no effect on {self.model}."),  # V-12
            (self.bgm and long_q2, f"`bgm` has no effect on {self.model} at {self.duration} s."),
            (position and not self.watermark, "`wm_position` is probably ignored without `watermark`."),  # V-14
            (mark and not self.watermark, "`wm_url` is probably ignored without `watermark`."),
        )
        yield from (finding for applies, finding in cases if applies)

    def _picture_findings(self) -> Iterator[str]:
        dimensions = list(self._dimensions())
        for index, width, height in dimensions:
            name = f"`images`: picture {index + 1}, {width} x {height} pixels,"
            if max(width, height) == _RATIO * min(width, height):  # V-1
                yield f"{name} is just on the edge of 1:{_RATIO} to {_RATIO}:1."
            if min(width, height) < _LEAST_SIDE:  # V-16
                yield f"{name} is below {_LEAST_SIDE} pixels a side."
        for index, image in enumerate(self._images()):
            if not pictures.is_url(image) and index not in {known for known, _, _ in dimensions}:
                yield f"`images`: width and height of picture {index + 1} cannot be read; is it whole?"
        if len(dimensions) == 2:
            (_, *first), (_, *last) = dimensions
            least, most = _ALIKE
            if not all(least <= one / other <= most for one, other in zip(first, last, strict=True)):  # V-15
                yield (
                    f"`images`: the first and the last frame should be alike in size, {least} to {most} times"
                    f" ({first[0]} x {first[1]} and {last[0]} x {last[1]} pixels)."
                )


def _refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python's parser takes and JSON has not."""
    raise ValueError(name)
