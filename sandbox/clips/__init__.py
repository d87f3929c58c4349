"""The clips that stand in for generated videos: one of three seconds, with a cover picture, for every aspect ratio."""

from importlib import resources
from importlib.resources.abc import Traversable

__all__ = ["RATIOS", "clip_path", "cover_path"]

RATIOS = ("16:9", "4:3", "1:1", "3:4", "9:16", "21:9", "3:2", "2:3")


def clip_path(ratio: str) -> Traversable:
    """Return the MP4 file for an aspect ratio; the 16:9 one for a ratio that has none."""
    return _file(ratio, "mp4")


def cover_path(ratio: str) -> Traversable:
    """Return the first frame of the clip for an aspect ratio, a JPEG file."""
    return _file(ratio, "jpg")


def _file(ratio: str, ending: str) -> Traversable:
    known = ratio if ratio in RATIOS else RATIOS[0]
    return resources.files(__name__) / f"{known.replace(':', 'x')}.{ending}"
