"""What each Vidu model can do, as far as Vidu itself documents it: reasons to warn, not to refuse.

The vendor's page lists the seven models without such limits, except for 3:4 and 4:3, which are hard.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

__all__ = ["VIDU_MODELS", "ViduModel"]

_ALL = ("360p", "540p", "720p", "1080p")
_FIRST_AND_LAST = 2  # pictures


@dataclass(frozen=True)
class ViduModel:
    """What a model can do. Durations are in seconds."""

    text: bool
    """Whether it makes videos from text alone."""
    three_to_four: bool
    """Whether it knows 3:4 and 4:3 (V-7)."""
    durations: Mapping[int, tuple[str, ...]]
    """Resolutions by duration."""
    default_duration: int = 5
    longest_between_frames: int = 16
    longest_from_text: int = 16

    def findings(self, name: str, *, pictures: int, duration: int | None, resolution: str | None) -> Iterator[str]:
        """Yield what this model, called `name`, is likely to refuse."""
        if not pictures and not self.text:
            yield f"`images`: {name} is not offered for text to video and may refuse a request without a picture."
        seconds = self.default_duration if duration is None else duration
        longest = {0: self.longest_from_text, _FIRST_AND_LAST: self.longest_between_frames}.get(pictures, seconds)
        if seconds not in self.durations:
            yield f"`duration`: {name} is known for {_listed(self.durations)} s, not for {seconds} s."
        elif seconds > longest:
            mode = "text" if not pictures else "a first and a last frame"
            yield f"`duration`: {name} is known for up to {longest} s from {mode}, not for {seconds} s."
        if resolution is not None:
            yield from self._resolution_findings(name, resolution, seconds)

    def _resolution_findings(self, name: str, resolution: str, seconds: int) -> Iterator[str]:
        at = [each for each, resolutions in self.durations.items() if resolution in resolutions]
        if seconds in at or (seconds not in self.durations and len(at) == len(self.durations)):
            return
        if seconds not in self.durations and at:
            yield f"`resolution`: {name} is known for {resolution} at {_listed(at)} s only, not at {seconds} s."
            return
        ever = tuple(each for each in _ALL if any(each in resolutions for resolutions in self.durations.values()))
        known = self.durations.get(seconds, ever)
        where = f" at {seconds} s" if seconds in self.durations and len(set(self.durations.values())) > 1 else ""
        yield f"`resolution`: {name} is known for {', '.join(known)}{where}, not for {resolution}."


def _listed(durations: Collection[int]) -> str:
    return " or ".join(map(str, durations)) if len(durations) <= 2 else f"{min(durations)} to {max(durations)}"


def _any_of(durations: range, *resolutions: str) -> dict[int, tuple[str, ...]]:
    return dict.fromkeys(durations, resolutions)


_Q2 = _any_of(range(1, 11), "540p", "720p", "1080p")
_Q1 = {5: ("1080p",)}

VIDU_MODELS: Mapping[str, ViduModel] = {
    "viduq3-pro": ViduModel(text=True, three_to_four=True, durations=_any_of(range(1, 17), "540p", "720p", "1080p")),
    "viduq2-pro-fast": ViduModel(
        text=False,
        three_to_four=True,
        durations=_any_of(range(1, 11), "720p", "1080p"),
        longest_between_frames=8,
        longest_from_text=8,
    ),
    "viduq2-pro": ViduModel(text=False, three_to_four=True, durations=_Q2, longest_between_frames=8),
    "viduq2-turbo": ViduModel(text=False, three_to_four=True, durations=_Q2, longest_between_frames=8),
    "viduq1": ViduModel(text=True, three_to_four=False, durations=_Q1),
    "viduq1-classic": ViduModel(text=False, three_to_four=False, durations=_Q1),
    "vidu2.0": ViduModel(
        text=False,
        three_to_four=False,
        durations={4: ("360p", "720p", "1080p"), 8: ("720p",)},
        default_duration=4,
    ),
}
