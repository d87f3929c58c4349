"""Grok, xAI's: text to video, from pictures, and the remix of an earlier video.

Source: the vendor's unified pages "Create Video" and "Video Remix", Grok.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, field_validator

from prefect_octopusx.api.requests.base import RequestBase, UpperCase, VideoRequestBase, not_blank
from prefect_octopusx.api.requests.messages import Problem, shown

__all__ = ["GrokRequest", "RemixRequest"]

_PLACEHOLDER = re.compile(r"@img(\d+)")
_FIXED = {"grok-video-3-pro": 10, "grok-video-3-max": 15}  # seconds; from the vendor's page for the OpenAI format
_ONLY_720P = "`size`: only 720P is known to work, 1080P may be ignored."


class GrokRequest(VideoRequestBase):
    """Grok: a video from text or pictures; two are the first and the last frame, up to six are references."""

    model_config = ConfigDict(title="Grok")
    family: ClassVar[Literal["grok"]] = "grok"
    pictures_inline = "yes"
    instead: ClassVar[Mapping[str, str]] = {"resolution": "size", "orientation": "aspect_ratio"}

    model: Literal["grok-video-3", "grok-video-3-pro", "grok-video-3-max"]
    """The model; pro makes 10 s and max 15 s. Which one works depends on the channels behind your key."""
    prompt: str = Field(min_length=1, examples=["@img1 walks towards @img2"])
    """What the video shows; names the pictures as @img1, @img2 in the order of images."""
    images: Sequence[str | Path | bytes] = Field(default=(), max_length=6, examples=[["https://example.com/fox.png"]])
    """Up to 6 pictures; two are the first and the last frame. Each is a URL, a path, or a data URI; by URL of any size,
    otherwise at most 10 MB, a limit of ours. Our default: none."""
    aspect_ratio: Literal["16:9", "9:16", "2:3", "3:2", "1:1"] = "16:9"
    """Width to height of the video; a picture may decide instead. Vendor's default: not stated. Our default: 16:9."""
    size: Annotated[Literal["720P", "1080P"], UpperCase] = "720P"
    """Resolution of the video; only 720P is known to work. Vendor's default: not stated. Our default: 720P."""
    duration: Literal[6, 10, 15] | None = None
    """Seconds: 6, 10 or 15. Vendor's default: 10."""

    def _problems(self) -> Iterator[Problem]:
        yield from super()._problems()
        unknown = sorted({int(number) for number in _PLACEHOLDER.findall(self.prompt)} - set(self._numbers()))
        if unknown:
            listed = ", ".join(f"@img{number}" for number in unknown)
            yield Problem(
                ("prompt",), f"`prompt` names {listed}, but there are {len(self.images)} `images`, counted from @img1"
            )

    def _numbers(self) -> range:
        return range(1, len(self.images) + 1)

    def _findings(self) -> Iterator[str]:
        yield from self._unusual_pictures()
        if self.model in _FIXED:
            yield f"`model`: {self.model} is documented for another endpoint and may not work here."
            if self.duration not in {None, _FIXED[self.model]}:
                yield f"`duration`: {self.model} always makes {_FIXED[self.model]} s, not {self.duration} s."
        if self.size == "1080P":
            yield _ONLY_720P


class RemixRequest(RequestBase):
    """A new video from an earlier Grok video. Billed like a new one."""

    model_config = ConfigDict(title="Remix")
    family: ClassVar[Literal["grok"]] = "grok"
    instead: ClassVar[Mapping[str, str]] = {"resolution": "size", "orientation": "aspect_ratio", "id": "task_id"}

    model: str = Field(min_length=1, examples=["grok-video-3"])
    """The model, for instance grok-video-3."""
    prompt: str = Field(min_length=1, examples=["same scene at dusk"])
    """What the new video shows."""
    size: Annotated[Literal["720P", "1080P"], UpperCase] = "720P"
    """Resolution of the video. The vendor requires it. Our default: 720P."""
    aspect_ratio: Literal["2:3", "3:2", "1:1"]
    """Width to height of the video: 2:3, 3:2 or 1:1. The vendor requires it."""
    task_id: str = Field(min_length=1, examples=["grok:11111111-2222-4333-8444-555555555555"])
    """The task id of the earlier video, verbatim and with its prefix."""
    parent_post_id: str | None = Field(default=None, min_length=1)
    """The upstream's id of the earlier post, if it is needed. Vendor's default: none."""

    _is_not_blank = field_validator("model", "prompt", "task_id", mode="after")(not_blank)

    def _findings(self) -> Iterator[str]:
        if not self.model.startswith("grok"):
            yield f"`model`: remix is documented for Grok only, not for {shown(self.model)}."
        if self.size == "1080P":
            yield _ONLY_720P
