"""What became of each video of a batch, and the file that keeps it: `NAME-results.jsonl`, a line a video."""

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from prefect_octopusx.api.documented import fields_in_help
from prefect_octopusx.api.errors import OctopusXError
from prefect_octopusx.api.redact import redact
from prefect_octopusx.batches.rows import VideoItem
from prefect_octopusx.storage.errors import NameTaken
from prefect_octopusx.storage.records import VideoRecord

__all__ = [
    "BatchFailed",
    "BatchResult",
    "ResultState",
    "ResultsInvalid",
    "VideoResult",
    "items_of",
    "read_results",
    "results_file",
    "write_results",
]

ResultState = Literal[
    "completed", "submitted", "submitting", "uncertain", "failed", "refused", "released", "not_created", "unknown"
]


@fields_in_help
class VideoResult(BaseModel):
    """A line of a results manifest: how a video stands, and what it was asked for with."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="The video.")
    state: ResultState = Field(
        description="The record's state; `not_created` where it has none, `unknown` where it can't be read."
    )
    uri: str | None = Field(default=None, description="Where it is stored.")
    bytes: int | None = Field(default=None, description="Its size.")
    sha256: str | None = Field(default=None, description="Of the whole file, in hex.")
    seconds: float | None = Field(default=None, description="From the submission until it was stored.")
    attempts: int = Field(default=0, description="Creates under this name, those that did not get through included.")
    error: str | None = Field(default=None, description="Why it is not stored.")
    task_id: str | None = Field(default=None, description="The id at OctopusX.")
    model: str = Field(description="What it was asked of.")
    request: dict[str, Any] | None = Field(
        default=None,
        description="The request, to make it again. Null where it may not be kept: inline and local pictures, and "
        "URLs with a query.",
    )
    place: str = Field(default="", description="Where it stands in the manifest.")
    held: bool = Field(default=False, description="Whether it is not created only because a money guard held it back.")

    @classmethod
    def of(
        cls,
        item: VideoItem,
        record: VideoRecord | None,
        *,
        error: Exception | str | None = None,
        held: bool = False,
        known: bool = True,
    ) -> Self:
        """Return the result of a video.

        Args:
            item: What was asked for.
            record: Its record, as far as it is known.
            error: What went wrong.
            held: Whether a money guard held it back.
            known: Whether the record tells how the video stands now.
        """
        request = None
        with suppress(OSError):  # a local picture is gone
            request = item.request.restorable()
        state: ResultState = record.state.value if record else "not_created"
        found = _of_record(record) if record else {}
        # What an error tells is newer than the record; only a taken name's is another video's.
        told = None if isinstance(error, NameTaken) else getattr(error, "task_id", None)
        found["task_id"] = told or found.get("task_id")
        return cls(
            name=item.name,
            state=state if known else "unknown",
            model=item.request.model,
            place=item.place,
            request=request,
            error=redact(str(error)) if error else None,
            held=held,
            **found,
        )

    @property
    def is_stored(self) -> bool:
        """Whether the video is at the destination."""
        return self.state == "completed" and self.error is None


@fields_in_help
class BatchResult(BaseModel):
    """What became of a batch."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="The batch.")
    results: tuple[VideoResult, ...] = Field(description="What became of each video, in the order of the list.")
    created: int = Field(default=0, description="Creates that this run sent and that were accepted.")
    plan: str | None = Field(default=None, description="What a run would do; of a dry run only.")
    too_late: bool = Field(default=False, description="Whether the run started too late after its time to create any.")
    used_before: float | None = Field(
        default=None,
        description="What the key had used before the first create, in the gateway's units, by all its users together; "
        "null if not known.",
    )
    used_after: float | None = Field(default=None, description="The same at the end.")
    uri: str | None = Field(default=None, description="Where the results manifest is.")

    @property
    def stored(self) -> int:
        """How many videos are at the destination."""
        return sum(result.is_stored for result in self.results)

    @property
    def held(self) -> int:
        """How many were held back by one of the money guards."""
        return sum(result.held for result in self.results)

    @property
    def failed(self) -> int:
        """How many are neither stored nor held back."""
        return len(self.results) - self.stored - self.held

    @property
    def failed_ratio(self) -> float:
        """The share of the failed ones among those that were not held back, from 0 to 1."""
        tried = len(self.results) - self.held
        return self.failed / tried if tried else 0.0

    @property
    def state_name(self) -> str | None:
        """The name of the final state that tells it at a glance; None for the usual one."""
        return "TooLate" if self.too_late and self.held else None

    def summary(self) -> str:
        """Return it in a sentence or two."""
        if self.plan:
            return self.plan
        counts = Counter(result.state for result in self.results if not result.is_stored)
        parts = [f"{self.stored} of {len(self.results)} videos stored"]
        parts += [f"{count} {state.replace('_', ' ')}" for state, count in counts.items()]
        text = f"{', '.join(parts)}; {self.created} created in this run"
        text += f", {self.held} held back" if self.held else ""
        if self.used_before is not None and self.used_after is not None:
            text += f"; the key's usage went from {self.used_before:,.0f} to {self.used_after:,.0f} units"
        return f"{text}. Results: {self.uri}." if self.uri else f"{text}."


class BatchFailed(OctopusXError):
    """More videos of a batch failed than was allowed. The message has the figures, and where the results are."""


class ResultsInvalid(OctopusXError):
    """A results manifest can't be read, or does not hold what is asked of it."""


def results_file(batch: str) -> str:
    """Return the name of a batch's results at the destination: `NAME-results.jsonl`.

    Args:
        batch: The batch's name.
    """
    return f"{batch}-results.jsonl"


def write_results(results: Iterable[VideoResult]) -> bytes:
    """Return the results as JSON Lines, in UTF-8.

    Args:
        results: What became of each video.
    """
    return b"".join(result.model_dump_json(exclude_defaults=True).encode() + b"\n" for result in results)


def read_results(data: bytes, *, where: str) -> list[VideoResult]:
    """Read a results manifest.

    Args:
        data: The file's content.
        where: What it is called in messages.

    Returns:
        What became of each video, in the order of the file.

    Raises:
        ResultsInvalid: It is none; the message names the line.
    """
    results = []
    for number, line in enumerate(data.splitlines(), 1):
        if not line.strip():
            continue
        try:
            results.append(VideoResult.model_validate_json(line))
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False)[0]
            field = ".".join(map(str, problem["loc"]))
            raise ResultsInvalid(f"{where}, line {number}: {field}: {problem['msg']}") from None
    if not results:
        raise ResultsInvalid(f"{where} holds no results.")
    return results


def items_of(results: Sequence[VideoResult]) -> list[VideoItem]:
    """Return the videos to ask for again.

    Args:
        results: What became of them before.

    Raises:
        ResultsInvalid: Some requests could not be kept; all are named.
    """
    if lost := [result.name for result in results if result.request is None]:
        raise ResultsInvalid(
            f"{', '.join(lost)}: the request could not be kept (an inline or local picture, or a URL with a query). "
            'Run `generate_videos` with the manifest itself and `retry_failed=True`, or `on_uncertain="resubmit"`'
        )
    try:
        return [
            VideoItem.model_validate({"name": result.name, "request": result.request, "place": result.place})
            for result in results
        ]
    except ValidationError as error:  # somebody edited it, or an older version was less strict
        problem = error.errors(include_url=False, include_input=False)[0]
        raise ResultsInvalid(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None


def _of_record(record: VideoRecord) -> dict[str, Any]:
    seconds = None
    if record.submitted_at and record.completed_at:
        seconds = round((record.completed_at - record.submitted_at).total_seconds(), 3)
    return {
        "uri": record.uri,
        "bytes": record.size,
        "sha256": record.sha256,
        "seconds": seconds,
        "attempts": len(record.earlier) + 1,
        "task_id": record.task_id,
    }
