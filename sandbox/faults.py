"""What can go wrong on demand: the faults, and the queue that they wait in until a request draws them."""

import difflib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from prefect_octopusx.sandbox.trouble import ANSWERS

__all__ = ["KINDS", "Fault", "FaultQueue"]

_SPECIAL: Final = {
    "create_slow": "answers as usual, but `delay` seconds late (5 if not given); billed",
    "create_lost_reply": "creates and bills the job, then closes the connection without an answer",
    "create_reset": "creates and bills the job, then resets the connection (TCP RST)",
    "create_closed": "closes the connection without an answer; no job, not billed",
    "create_failed_inline": "200, accepted and failed in the same reply; billed, then refunded",
    "create_openai_like": "200 in the engine's OpenAI shape: `id`, `task_id` task_..., status queued; billed",
    "create_wrapped": '200 `{"code": "success", "data": "<id>"}`; billed',
    "query_slow": "answers as usual, but `delay` seconds late (5 if not given)",
    "query_reset": "resets the connection (TCP RST)",
    "query_closed": "closes the connection without an answer",
    "query_unknown_state": "200 with status `unknown` and no URL",
    "query_generation_completed": "200 with status `video_generation_completed`, which is not final, and no URL",
    "query_upsampling": "200 with status `video_upsampling` and no URL",
    "query_wrapped": 'the true state in `{"code": "success", "data": {...}}`, progress "50%", the URL in `result_url`',
    "query_metadata_url": "the true state in the engine's OpenAI shape, the URL in `metadata.url`",
    "query_result_url": "the true state, success called `succeeded`, the URL in `result_url` and `url`",
    "query_nested": "the true state in the envelope, the URL in `data.data.content.video_url`",
    "query_native": "the true state in the shape of Vidu (`creations`) or, for Jimeng, of ByteDance",
    "video_failed": "the video fails with `reason`, told in the family's own way; refunded",
    "video_failed_string": "as video_failed, `error` is a string",
    "video_failed_object": "as video_failed, `error` is an object with `code` and `message`",
    "video_failed_bare": "as video_failed, status `video_generation_failed` and no reason",
    "video_failed_wrapped": "as video_failed, in the envelope with `fail_reason`, progress 100%",
    "video_failed_timeout": "as video_failed_wrapped, the reason being the gateway's own time limit",
    "video_cancelled": "the video ends as `cancelled`; refunded",
    "video_slow": "the video takes `delay` seconds longer (5 if not given)",
    "video_stuck": "the video never ends",
    "video_url_late": "the next `times` queries of a completed video show no URL yet",
    "video_url_missing": "queries never show a URL; /v1/videos/{id}/content has the video",
    "video_url_in_fail_reason": "the envelope of older engines: the URL of the finished video is in `fail_reason`",
    "video_url_gateway": "the URL is the gateway's own /v1/videos/{id}/content, which wants the key",
    "file_slow": "the bytes come `delay` seconds late (5 if not given)",
    "file_reset": "resets the connection (TCP RST) before the answer",
    "file_truncated": "declares the full length and closes the connection at 60 %",
    "file_cut": "200 with a file cut at 60 %, its length declared as such: a broken MP4",
    "file_no_length": "the right bytes, without Content-Length (chunked)",
    "file_octet_stream": "the right bytes as application/octet-stream",
    "file_redirect_same_origin": "307 to the same address",
    "file_redirect_cross_origin": "307 to another origin (localhost for 127.0.0.1 and the other way round)",
    "file_redirect_private": "307 to http://169.254.169.254, where clouds serve a machine's credentials",
}

KINDS: Final[Mapping[str, str]] = {**{kind: trouble.about for kind, trouble in ANSWERS.items()}, **_SPECIAL}
"""Every kind of fault and what it does."""

_DEFAULT_DELAY = 5.0


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong on demand.

    `create_*` faults are drawn by creates and remixes that are valid and affordable, `query_*` and `usage_*` by
    requests with a good key, `file_*` by downloads (signed URLs and /v1/videos/{id}/content). `video_*` faults are
    drawn when a job is created and stay with it, except `video_url_late`, which queries of completed videos draw.

    Attributes:
        kind: One of `KINDS`.
        times: How many requests (or jobs) draw it; None means all until it is cleared.
        match: Only requests for jobs whose body (model and prompt included) contains this text draw it.
        delay: Seconds to wait before answering; for `video_*`, seconds that the video takes longer.
        reason: For `video_failed*`: what the gateway gives as the reason.
        billed: For `create_*` answers: whether a job is created and billed all the same; None means what the kind
            does by itself.
    """

    kind: str
    times: int | None = 1
    match: str = ""
    delay: float = 0.0
    reason: str = ""
    billed: bool | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            near = difflib.get_close_matches(str(self.kind), KINDS, 3)
            raise ValueError(
                f"unknown kind of fault: {self.kind!r}" + (f"; did you mean {', '.join(near)}?" if near else "")
            )
        if self.times is not None and self.times < 1:
            raise ValueError("times must be at least 1, or None for all")
        if self.delay < 0:
            raise ValueError("delay cannot be negative")
        if self.kind.endswith("_slow") and not self.delay:
            object.__setattr__(self, "delay", _DEFAULT_DELAY)

    @property
    def stage(self) -> str:
        """Who draws it: create, query, usage, video, file, or late (queries of completed videos)."""
        return "late" if self.kind == "video_url_late" else self.kind.partition("_")[0]

    @classmethod
    def from_json(cls, body: object) -> "Fault":
        """Make one from a JSON object with the fields of this class.

        Raises:
            ValueError: It is not one.
        """
        if not isinstance(body, dict):
            raise ValueError("a fault is a JSON object")  # noqa: TRY004 - for the caller, any bad JSON is a bad value
        types: dict[str, tuple[type, ...]] = {
            "kind": (str,), "times": (int, type(None)), "match": (str,), "delay": (int, float), "reason": (str,),
            "billed": (bool, type(None)),
        }  # fmt: skip
        for name, value in body.items():
            if name not in types:
                raise ValueError(f"unknown field: {name}; a fault has {', '.join(f.name for f in fields(cls))}")
            if type(value) not in types[name]:
                raise ValueError(f"wrong type: {name}")
        if "kind" not in body:
            raise ValueError("kind is missing")
        known: dict[str, Any] = body
        return cls(**known)


class FaultQueue:
    """The faults that wait, first come, first drawn. Safe to fill from another thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Add a fault behind the others."""
        with self._lock:
            self._faults.append(fault)

    def draw(self, stage: str, text: str) -> Fault | None:
        """Return the first fault for a stage that matches the text, and count it down; None if there is none."""
        with self._lock:
            for index, fault in enumerate(self._faults):
                if fault.stage != stage or fault.match not in text:
                    continue
                if fault.times == 1:
                    del self._faults[index]
                elif fault.times is not None:
                    self._faults[index] = replace(fault, times=fault.times - 1)
                return fault
        return None

    def waiting(self) -> list[Fault]:
        """Return the faults that wait."""
        with self._lock:
            return list(self._faults)

    def clear(self) -> None:
        """Drop all."""
        with self._lock:
            self._faults.clear()
