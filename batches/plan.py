"""What a run is going to do about each video, and what it holds back to spare money."""

from collections.abc import Iterable
from typing import NamedTuple

from prefect_octopusx.batches.rows import VideoItem
from prefect_octopusx.storage.outlook import Outlook, Step

__all__ = ["PlannedVideo", "hold_back"]


class PlannedVideo(NamedTuple):
    """A video, what is known of it, and what is to be done.

    Attributes:
        item: What to make.
        outlook: What its record says, and what comes next.
        held: Why it is not created in this run, although it could be.
    """

    item: VideoItem
    outlook: Outlook
    held: str | None = None

    @property
    def may_pay(self) -> bool:
        """Whether this run may send a create for it."""
        return self.outlook.step.may_pay and self.held is None

    @property
    def is_worked_on(self) -> bool:
        """Whether there is anything to do for this run."""
        return self.may_pay or self.outlook.step is Step.RESUME


def hold_back(
    planned: Iterable[PlannedVideo], *, max_new_videos: int | None = None, why: str | None = None
) -> list[PlannedVideo]:
    """Return the plan with no more than `max_new_videos` creates, the first ones; with `why`, with none at all.

    What is in the making goes on in any case: it is paid for.

    Args:
        planned: The plan.
        max_new_videos: How many may be created; no limit by default.
        why: Why none may be.
    """
    left, kept = max_new_videos, []
    for video in planned:
        held = None
        if video.may_pay:
            if why is not None:
                held = why
            elif left is not None:
                held = "max_new_videos: this run may create no more than it did" if left <= 0 else None
                left -= 1
        kept.append(video._replace(held=held or video.held))
    return kept
