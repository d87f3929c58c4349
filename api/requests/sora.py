"""Sora, OpenAI's: text to video or from pictures.

Source: the vendor's unified "Create Video" page, Sora.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import ConfigDict, Field

from prefect_octopusx.api.requests.base import VideoRequestBase

__all__ = ["SoraRequest"]

_PRO_SECONDS = 25


class SoraRequest(VideoRequestBase):
    """Sora: a video from text, or from pictures."""

    model_config = ConfigDict(title="Sora")
    family: ClassVar[Literal["sora"]] = "sora"
    instead: ClassVar[Mapping[str, str]] = {"resolution": "size", "aspect_ratio": "orientation"}

    model: Literal["sora-2", "sora-2-pro"]
    """The model. Which one works depends on the channels behind your key."""
    prompt: str = Field(min_length=1, examples=["clay animation of a fox"])
    """What the video shows."""
    images: Sequence[str | Path | bytes] = Field(default=(), examples=[["https://example.com/fox.png"]])
    """URLs of pictures. Our default: none."""
    # Always sent, these three: another gateway with the same interface requires them.
    orientation: Literal["portrait", "landscape"] = "landscape"
    """Portrait or landscape. Vendor's default: not stated. Our default: landscape."""
    size: Literal["small", "large"] = "small"
    """Resolution of the video; small is about 720p. Vendor's default: not stated. Our default: small."""
    duration: Literal[10, 15, 25] = 10
    """Seconds: 10, 15 or 25; 25 is for sora-2-pro. Our default, and the vendor's: 10."""
    watermark: bool | None = None
    """True tries without a mark first and may fall back to a marked video; false insists on none. Vendor's default:
    true."""
    private: bool | None = None
    """Unpublished, and cannot be remixed. Vendor's default: false."""
    style: Literal["thanksgiving", "comic", "news", "selfie", "nostalgic", "anime"] | None = None
    """A style, on models that support it. Vendor's default: none."""
    storyboard: bool | None = None
    """Finer control of shots. Vendor's default: not stated."""

    def _findings(self) -> Iterator[str]:
        yield from self._unusual_pictures()
        if self.duration == _PRO_SECONDS and self.model != "sora-2-pro":
            yield f"`duration`: {self.duration} s is for sora-2-pro, not for {self.model}."
