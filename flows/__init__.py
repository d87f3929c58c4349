"""What a user runs.

A flow is imported when it is asked for: Prefect makes a form of each that is declared, and a run needs one.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefect_octopusx.flows.adopt import adopt_video
    from prefect_octopusx.flows.batch import generate_videos
    from prefect_octopusx.flows.collect import CollectedVideo, collect_videos
    from prefect_octopusx.flows.due import generate_due_videos
    from prefect_octopusx.flows.redrive import redrive_videos
    from prefect_octopusx.flows.single import generate_video

__all__ = [
    # One video
    "generate_video",
    "adopt_video",
    # Many
    "generate_videos",
    "generate_due_videos",
    "redrive_videos",
    # What other runs left
    "collect_videos",
    "CollectedVideo",
]

_MODULES = {
    "generate_video": "single",
    "adopt_video": "adopt",
    "generate_videos": "batch",
    "generate_due_videos": "due",
    "redrive_videos": "redrive",
    "collect_videos": "collect",
    "CollectedVideo": "collect",
}


if not TYPE_CHECKING:  # it would give any name a type

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
