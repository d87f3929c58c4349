"""What a batch comes to, in words and as an error."""

from collections import Counter
from collections.abc import Sequence

from prefect_octopusx.batches import BatchFailed, BatchResult, PlannedVideo
from prefect_octopusx.flows.options import BatchOptions
from prefect_octopusx.storage import Step

__all__ = ["judged", "plan_in_words"]


def plan_in_words(planned: Sequence[PlannedVideo]) -> str:
    """Return how many videos there are, and how many of each kind: to create, in the making, stored."""
    counts = Counter("held back" if video.held else _WORDS[video.outlook.step] for video in planned)
    return f"{len(planned)} videos: " + ", ".join(f"{count} {words}" for words, count in counts.items())


_WORDS = {
    Step.CREATE: "to create",
    Step.FOLLOW: "being submitted by another run, alive or dead",
    Step.RESUME: "in the making",
    Step.SKIP: "stored",
    Step.STOP: "that can't go on by themselves",
}


def judged(result: BatchResult, options: BatchOptions) -> BatchResult:
    """Return the result, if not more of them failed than the options allow.

    Raises:
        BatchFailed: More did.
    """
    if not result.failed or result.failed_ratio <= options.fail_if_failed_ratio:
        return result
    wrong = [one for one in result.results if not one.is_stored and not one.held]
    names = ", ".join(f"{one.name} ({one.state})" for one in wrong[:_NAMED])
    more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
    raise BatchFailed(
        f"{result.name}: {result.summary()} Not stored: {names}{more}. Run it again for what is missing: nothing is "
        "paid twice. What failed is paid for anew only if asked: `redrive_videos`. The first one's error: "
        f"{wrong[0].error}"
    )


_NAMED = 10
