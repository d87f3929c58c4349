"""Veo, Google's: text to video, from frames or from reference pictures.

Source: the vendor's unified "Create Video" page, Veo. It lists no models: "as the channel offers".
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from prefect_octopusx.api.requests.base import VideoRequestBase
from prefect_octopusx.api.requests.messages import Problem

__all__ = ["VeoRequest"]

_LANDSCAPE = ("landscape", "1280x720", "16:9")
_GEOMETRY = ("orientation", "size", "aspect_ratio")
_SECONDS = 8
# How many pictures a variant takes, by the end of its name; the first that fits counts.
_PICTURES = (("veo3-pro-frames", 1), ("-frames", 2), ("", 3))


class VeoRequest(VideoRequestBase):
    """Veo: a video from text, from frames or from reference pictures, as the variant of the model says."""

    model_config = ConfigDict(title="Veo")
    family: ClassVar[Literal["veo"]] = "veo"
    instead: ClassVar[Mapping[str, str]] = {"resolution": "size"}

    model: str = Field(pattern=r"^veo", examples=["veo3.1-fast", "veo3.1-fast-components"])
    """The model, which begins with veo. Which one works depends on the channels behind your key."""
    prompt: str = Field(min_length=1, examples=["a cow takes off"])
    """What the video shows, best in English."""
    images: Sequence[str | Path | bytes] = Field(default=(), examples=[["https://example.com/cow.png"]])
    """URLs of pictures: up to 3 with components models, 2 with frames models. Our default: none."""
    orientation: Literal["portrait", "landscape"] | None = None
    """Landscape is 1280x720 and 16:9, portrait is 720x1280 and 9:16. Vendor's default: not stated."""
    size: Literal["720x1280", "1280x720"] | None = None
    """Width x height of the video; must agree with orientation and aspect_ratio. Vendor's default: 720x1280."""
    duration: Annotated[int, Field(ge=1)] | None = Field(default=None, examples=[_SECONDS])
    """Seconds; only 8 is known to work. Vendor's default: 8."""
    aspect_ratio: Literal["16:9", "9:16"] | None = None
    """Width to height of the video; must agree with orientation and size. Vendor's default: not stated."""
    enable_upsample: bool | None = None
    """Upsample to high definition; landscape only. Vendor's default: not stated."""

    def _problems(self) -> Iterator[Problem]:
        yield from super()._problems()
        given = {name: value for name in _GEOMETRY if (value := getattr(self, name)) is not None}
        if len({value in _LANDSCAPE for value in given.values()}) > 1:
            listed = ", ".join(f"`{name}` {value}" for name, value in given.items())
            yield Problem(
                (next(iter(given)),),
                f"{listed} disagree: landscape is 1280x720 and 16:9, portrait is 720x1280 and 9:16; give one of them",
            )
        portrait = [f"`{name}` {value}" for name, value in given.items() if value not in _LANDSCAPE]
        if self.enable_upsample and portrait:
            yield Problem(
                ("enable_upsample",), f"`enable_upsample` works for landscape only (given: {', '.join(portrait)})"
            )

    def _findings(self) -> Iterator[str]:
        yield from self._unusual_pictures()
        most = next(most for ending, most in _PICTURES if self.model.endswith(ending))
        if len(self.images) > most:
            yield f"`images`: {self.model} is known for up to {most}, not for {len(self.images)}."
        if self.duration not in {None, _SECONDS}:
            yield f"`duration`: Veo is known for {_SECONDS} s only, not for {self.duration} s."
        if self.enable_upsample and not any(getattr(self, name) for name in _GEOMETRY):
            yield "`enable_upsample` works for landscape only, and the default is portrait: set `orientation`."
