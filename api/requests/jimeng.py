"""Jimeng: text to video, from a first picture, or between a first and a last one.

Source: the vendor's page "Create Video", Jimeng; docs/rules.md explains the codes.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from prefect_octopusx.api.requests import images as pictures
from prefect_octopusx.api.requests.base import DoubtAllowed, UpperCase, VideoRequestBase
from prefect_octopusx.api.requests.messages import rule

__all__ = ["JimengRequest"]

_DURATIONS = (5, 10, 15)  # J-2: from the vendor's page for the OpenAI format


class JimengRequest(VideoRequestBase, DoubtAllowed):
    """Jimeng: no picture makes a video from text, one is the first frame, two are the first and the last frame."""

    model_config = ConfigDict(title="Jimeng")
    family: ClassVar[Literal["jimeng"]] = "jimeng"
    pictures_inline = "undocumented"  # J-4
    picture_limits = pictures.STATED
    instead: ClassVar[Mapping[str, str]] = {"resolution": "size", "orientation": "aspect_ratio"}

    model: Literal["jimeng-video-3.0", "jimeng-video-2.0"]
    """The model. Which one works depends on the channels behind your key."""
    prompt: str = Field(min_length=1, examples=["a paper boat drifts down a rainy street"])
    """What the video shows, in Chinese or English."""
    # J-1
    images: Sequence[str | Path | bytes] = Field(default=(), max_length=2, examples=[["https://example.com/first.png"]])
    """URLs of 0, 1 or 2 pictures: none, the first frame, or the first and the last frame. Allowed are png, jpeg, jpg
    and webp. Our default: none."""
    # J-5, J-6
    aspect_ratio: Literal["16:9", "4:3", "1:1", "3:4", "9:16", "21:9"] = "16:9"
    """Width to height of the video. The vendor requires it. Our default: 16:9."""
    size: Annotated[Literal["720P", "1080P"], UpperCase] = "720P"
    """Resolution of the video. The vendor requires it. Our default: 720P."""
    duration: Annotated[int, Field(ge=1)] | None = Field(default=None, examples=[5])
    """Seconds; probably 5, 10 or 15. The vendor's page names this field but does not describe it, so it needs
    allow_undocumented. Vendor's default: not stated."""

    @field_validator("duration", mode="after")
    @classmethod
    def _duration_is_undocumented(cls, duration: int | None, info: ValidationInfo) -> int | None:
        if duration is not None and info.data.get("allow_undocumented") is not True:  # J-2
            raise rule(
                "`duration` is not documented for Jimeng: leave it out, or set `allow_undocumented` to send it"
                f" (given: {duration})"
            )
        return duration

    def _findings(self) -> Iterator[str]:
        if self.duration is not None:
            hint = "" if self.duration in _DURATIONS else ", and 5, 10 and 15 are the likely values"
            yield f"`duration`: {self.duration} s is sent although the vendor's page does not describe it{hint}."
        if not all(map(pictures.is_url, self._images())):
            yield "`images`: the vendor's page names URLs only for Jimeng; a picture that is sent along may be refused."
