"""Every shape of reply becomes one `VideoTask`.

The gateway relays what its channels answer, so one route speaks many dialects: flat objects, wrappers, wrappers in
wrappers, upper and lower case, percentages as text, times in seconds, milliseconds or RFC 3339, the URL under a dozen
names. This module is the only place that knows them. Its rules are written against recorded examples
(`tests/api/golden`), and it never guesses: a status that it does not know is `unknown`, and waiting goes on.
"""

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from prefect_octopusx.api.documented import fields_in_help
from prefect_octopusx.api.redact import redact

__all__ = ["TaskState", "VideoTask", "read_created", "read_queried", "read_time"]

JSONObject = Mapping[str, Any]


class TaskState(StrEnum):
    """What the API says of a video. Only `failed`, and `succeeded` with a URL, are final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"


@fields_in_help
class VideoTask(BaseModel):
    """A video in the making, as one reply of the API describes it.

    The URLs are signed and short-lived (about a day): they stay out of `repr` and logs.
    """

    model_config = ConfigDict(frozen=True)

    id: str = Field(description="The id to ask with: verbatim from the create reply.")
    alt_ids: tuple[str, ...] = Field(default=(), description="Other ids that the reply carries.")
    state: TaskState = Field(description="How it is doing, in the words of `TaskState`.")
    progress: float | None = Field(default=None, description="0 to 100, in the gateway's coarse steps.")
    video_url: str | None = Field(default=None, repr=False, description="Where the finished video lies.")
    thumbnail_url: str | None = Field(default=None, repr=False, description="Where a picture of it lies.")
    error: str | None = Field(default=None, description="The API's reason, once it failed.")
    error_code: str | None = Field(default=None, description="The code of that reason, if it has one.")
    created_at: datetime | None = Field(default=None, description="When it was created, in UTC, if the reply tells.")
    completed_at: datetime | None = Field(default=None, description="When it was over, in UTC, if the reply tells.")

    @property
    def final(self) -> bool:
        """Whether waiting is over: it failed, or it succeeded and says where the video is."""
        return self.state is TaskState.FAILED or (self.state is TaskState.SUCCEEDED and self.video_url is not None)


_STATES = {
    TaskState.QUEUED: "pending queued queueing created submitted not_start waiting initializing in_queue",
    # A Veo channel's `video_generation_completed` is not the end: upsampling may follow.
    TaskState.RUNNING: "processing in_progress running generating image_downloading downloading uploading"
    " video_generating video_generation_completed video_upsampling",
    TaskState.SUCCEEDED: "completed success succeeded succeed done finished video_upsampling_completed",
    TaskState.FAILED: "failed failure fail error cancelled canceled expired rejected"
    " video_generation_failed video_upsampling_failed",
}
_STATE_OF_STATUS = {status: state for state, names in _STATES.items() for status in names.split()}
_PLAIN_FAILURES = frozenset({"failed", "failure", "fail", "error"})

_URLS = (
    "video_url", "videoUrl", "url", "result_url", "metadata.url", "content.video_url", "video.url", "videos.0.url",
    "creations.0.url", "output.video_url", "output.url", "result.video_url", "result.url", "task_result.videos.0.url",
)  # fmt: skip
_THUMBNAILS = ("thumbnail_url", "thumbnailUrl", "cover_url", "creations.0.cover_url", "metadata.thumbnail_url")
_ERRORS = ("error", "fail_reason", "failure_reason", "error_message", "err_code", "message", "detail")
_NESTS = ("data", "result", "output", "video", "task_result", "properties", "detail")
_URL = re.compile(r"(?i)https?://\S+")
_DEEPEST = 20  # levels of wrappers that are looked into; replies have three
_LONGEST_ID = 4096  # characters; a longer one could not be asked for in a URL
_LONGEST_CODE = 200  # characters
_LONGEST_ERROR = 2000  # characters
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def read_created(body: JSONObject) -> VideoTask | None:
    """Read a 2xx reply to a create; None where it carries no id (the answer is then not certain)."""
    ids = _ids(body)
    return _task(body, ids[0], ids) if ids else None


def read_queried(body: JSONObject, asked: str) -> VideoTask:
    """Read a 2xx reply to a query about the id `asked`, which stays the id: replies may show it without its prefix."""
    return _task(body, asked, _ids(body))


def _task(body: JSONObject, task_id: str, ids: list[str]) -> VideoTask:
    task = _unwrapped(body)
    status = next(_statuses(task), "")
    state = _STATE_OF_STATUS.get(status, TaskState.UNKNOWN)
    error, code = _error(task, status) if state is TaskState.FAILED else (None, None)
    return VideoTask(
        id=task_id,
        alt_ids=tuple(other for other in ids if other != task_id),
        state=state,
        progress=_progress(task),
        video_url=_video_url(task) if state is TaskState.SUCCEEDED else None,
        thumbnail_url=_first_url(task, _THUMBNAILS),
        error=error,
        error_code=code,
        created_at=_first_time(task, ("created_at", "submit_time", "created")),
        completed_at=_first_time(task, ("completed_at", "finish_time")),
    )


def _unwrapped(body: JSONObject) -> JSONObject:
    """Take the task out of `{"code": "success", "data": {...}}`; a body with an id of its own is the task."""
    inner = body.get("data")
    if isinstance(inner, Mapping) and not (_text(body.get("id")) or _text(body.get("task_id"))):
        return inner
    return body


def _nested(task: JSONObject, depth: int = 1) -> Iterator[JSONObject]:
    """Yield the task, then what lies inside it, outermost first."""
    yield task
    for name in _NESTS if depth < _DEEPEST else ():
        inner = task.get(name)
        if isinstance(inner, Mapping):
            yield from _nested(inner, depth + 1)


def _statuses(task: JSONObject) -> Iterator[str]:
    for level in _nested(task):
        for name in ("status", "state", "task_status"):
            status = _text(level.get(name)).lower()
            if status:
                yield status


def _ids(body: JSONObject) -> list[str]:
    """Return every id in the reply, the one to ask with first. Text comes before numbers, which are database rows."""
    paths = ("id", "task_id", "data.id", "data.task_id", "data", "result.id", "video_id", "data.video_id")
    found = [value for path in paths if isinstance(value := _at(body, path), str | int) and not isinstance(value, bool)]
    texts = [value.strip() for value in found if isinstance(value, str) and _is_id(value.strip())]
    numbers = [str(value) for value in found if isinstance(value, int) and value > 0]
    return list(dict.fromkeys(texts or numbers))


def _is_id(text: str) -> bool:
    """Tell whether this can be asked for, and be written down anywhere."""
    return 0 < len(text) <= _LONGEST_ID and not _CONTROL.search(text)


def _video_url(task: JSONObject) -> str | None:
    # Older gateways keep a success's URL in `fail_reason`.
    return _first_url(task, _URLS) or _first_url(task, ("fail_reason",))


def _first_url(task: JSONObject, paths: tuple[str, ...]) -> str | None:
    for prefix in ("", "data.", "data.data."):
        for path in paths:
            value = _text(_at(task, prefix + path))
            if _URL.fullmatch(value):
                return value
    return None


def _error(task: JSONObject, status: str) -> tuple[str | None, str | None]:
    message = code = None
    for level in _nested(task):
        for name in _ERRORS:
            value = level.get(name)
            if isinstance(value, Mapping):
                message = message or _text(value.get("message")) or None
                code = code or _scalar(value.get("code"))
            else:
                message = message or _text(value) or None
        code = code or _text(level.get("err_code")) or None
    if code is None and status not in _PLAIN_FAILURES:
        code = status
    return _told(message, _LONGEST_ERROR), _told(code, _LONGEST_CODE)


def _told(text: str | None, most: int) -> str | None:
    return redact(text, most=most) if text else None


def _progress(task: JSONObject) -> float | None:
    for level in _nested(task):
        for name, scale in (("progress", 1.0), ("progress_pct", 100.0)):
            value = level.get(name)
            number = _number(value.strip().removesuffix("%") if isinstance(value, str) else value)
            if number is not None:
                return min(100.0, max(0.0, number * scale))
    return None


def _first_time(task: JSONObject, names: tuple[str, ...]) -> datetime | None:
    for level in _nested(task):
        for name in names:
            if (time := read_time(level.get(name))) is not None:
                return time
    return None


_MILLISECONDS_FROM = 1e11  # as seconds, this is the year 5138


def read_time(value: object) -> datetime | None:
    """Read Unix seconds or milliseconds (0 is unset), or RFC 3339 with up to nine digits of fraction."""
    number = _number(value)
    try:
        if number is None and isinstance(value, str):
            moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", value.strip()))
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        if number is None or number <= 0:
            return None
        return datetime.fromtimestamp(number / 1000 if number >= _MILLISECONDS_FROM else number, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _at(body: object, path: str) -> object:
    for step in path.split("."):
        if isinstance(body, Mapping):
            body = body.get(step)
        elif isinstance(body, list) and step.isdigit() and int(step) < len(body):
            body = body[int(step)]
        else:
            return None
    return body


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _scalar(value: object) -> str | None:
    if isinstance(value, str | int) and not isinstance(value, bool):
        return str(value).strip() or None
    return None


def _number(value: object) -> float | None:
    """Read a finite number, given as one or as text; what has no place in a float is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
