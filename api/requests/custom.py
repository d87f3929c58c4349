"""The way out: a model that a channel offers and the vendor's pages do not list, with whatever fields it takes."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import ConfigDict, Field

from prefect_octopusx.api.requests import images as pictures
from prefect_octopusx.api.requests.base import VideoRequestBase
from prefect_octopusx.api.requests.messages import Problem, shown

__all__ = ["CustomRequest"]


class CustomRequest(VideoRequestBase):
    """Any other model that your channels offer. Every further field is sent as it is."""

    model_config = ConfigDict(title="Other model", extra="allow")
    not_sent: ClassVar[frozenset[str]] = frozenset({"family"})
    pictures_inline = "yes"
    picture_limits = pictures.UNCHECKED

    model: str = Field(min_length=1, examples=["veo4-preview"])
    """The model's name, as the channel knows it. Required."""
    prompt: str | None = Field(default=None, examples=["a paper boat drifts down a rainy street"])
    """What the video shows. Vendor's default: depends on the model."""
    images: Sequence[str | Path | bytes] = Field(default=(), examples=[["https://example.com/first.png"]])
    """Pictures: URLs, paths or data URIs, of any kind and size. Our default: none."""
    family: Literal["custom"] = "custom"
    """Marks this request as one that is sent unchecked. Not sent itself."""

    @property
    def is_off_peak(self) -> bool:
        """Whether the vendor may take up to two days."""
        return self._further().get("off_peak") is True

    def _problems(self) -> Iterator[Problem]:
        problems = [
            Problem((name,), f"`{name}` cannot be written as JSON (given: {shown(value)})")
            for name, value in self._further().items()
            if not _is_json(value)
        ]
        yield from problems or super()._problems()

    def _further(self) -> dict[str, object]:
        return self.model_extra or {}


def _is_json(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return True
