"""The successful replies: what each family says to a create and to a query, and the shapes that leak through."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from prefect_octopusx.sandbox.jobs import Job, Row

__all__ = ["CREATE_SHAPES", "QUERY_SHAPES", "View", "create_reply", "query_reply"]

JsonObject = dict[str, Any]

_BEIJING = timezone(timedelta(hours=8))


@dataclass(frozen=True, slots=True)
class View:
    """A job as a query sees it. `url` is None until the video is ready, or where a fault hides it."""

    job: Job
    row: Row
    url: str | None
    cover_url: str | None

    @property
    def reason(self) -> str:
        """Why the video failed."""
        return (self.job.fate.reason if self.job.fate else "") or "content rejected"

    @property
    def ended_at(self) -> int:
        """When the job ended, as far as the gateway knows; 0 while it runs."""
        return int(self.job.ready_at) if self.row.progress == 100 else 0


# --- creates ---------------------------------------------------------------------------------------------------------


def create_reply(job: Job) -> JsonObject:
    """Return the family's documented reply to a create."""
    seconds, millis = int(job.created_at), int(job.created_at * 1000)
    if job.family in ("jimeng", "vidu"):
        return {"created_at": _rfc3339(job.created_at), "status": "processing", "task_id": job.id}
    if job.family == "veo":
        return {
            "id": job.id,
            "object": "video",
            "model": job.model,
            "status": "queued",
            "progress": 0,
            "created_at": seconds,
            "size": job.body.get("size", "720x1280"),
            "detail": {"input": job.body},
            "status_update_time": seconds,
        }
    if job.family == "sora":
        return {"id": job.id, "object": "video", "status": "pending", "status_update_time": millis}
    return {
        "id": job.id,
        "task_id": job.alt_id,
        "status": "processing",
        "status_update_time": seconds,
        "created_at": _rfc3339(job.created_at),
    }


def _openai_like(job: Job) -> JsonObject:
    return {
        "id": job.id,
        "task_id": job.id,
        "object": "video",
        "model": job.model,
        "status": "queued",
        "progress": 0,
        "created_at": int(job.created_at),
    }


CREATE_SHAPES: dict[str, Callable[[Job], JsonObject]] = {
    "create_failed_inline": lambda job: {**create_reply(job), "status": "failed"},
    "create_openai_like": _openai_like,
    "create_wrapped": lambda job: {"code": "success", "message": "", "data": job.id},
}
"""The replies to a create that a fault asks for."""


def _rfc3339(moment: float) -> str:
    seconds = int(moment)
    when = datetime.fromtimestamp(seconds, UTC).astimezone(_BEIJING)
    return f"{when:%Y-%m-%dT%H:%M:%S}.{int((moment - seconds) * 1e9):09d}+08:00"


# --- queries ---------------------------------------------------------------------------------------------------------


def query_reply(view: View) -> JsonObject:
    """Return the family's documented reply to a query."""
    return {**_FAMILY_REPLIES[view.job.family](view), **_failure(view)}


def _status(view: View) -> str:
    """Return the family's own word: the pages of Jimeng and Vidu know no queue, Grok's calls it unknown."""
    if view.row.state != "queued":
        return view.row.state
    return {"veo": "pending", "sora": "pending", "grok": "unknown"}.get(view.job.family, "processing")


def _plain(view: View) -> JsonObject:
    reply: JsonObject = {
        "id": view.job.id,
        "status": _status(view),
        "progress": view.row.progress,
        "created_at": int(view.job.created_at),
    }
    if view.row.state == "completed":
        reply |= {"completed_at": view.ended_at, "video_url": view.url}
        if view.job.family == "jimeng":
            reply["thumbnail_url"] = view.cover_url
    return reply


def _veo(view: View) -> JsonObject:
    return {
        "id": view.job.id,
        "status": _status(view),
        "video_url": view.url,
        "enhanced_prompt": view.job.prompt if view.row.state == "completed" else "",
        "status_update_time": int(view.row.updated_at * 1000),
    }


def _sora(view: View) -> JsonObject:
    reply: JsonObject = {
        "id": view.job.id,
        "object": "video",
        "model": view.job.model,
        "status": _status(view),
        "progress": str(view.row.progress),
        "created_at": int(view.job.created_at),
        "size": view.job.body.get("size", "small"),
        "status_update_time": int(view.row.updated_at * 1000),
        "detail": {"input": {**view.job.body, "aspect_ratio": view.job.ratio}},
    }
    if view.row.state == "completed":
        reply["video_url"] = view.url
    return reply


def _grok(view: View) -> JsonObject:
    return {
        "id": view.job.id,
        "status": _status(view),
        "video_url": view.url,
        "thumbnail_url": view.cover_url,
        "progress": view.row.progress,
        "prompt": view.job.prompt,
        "ratio": view.job.ratio,
        "status_update_time": int(view.row.updated_at),
    }


_FAMILY_REPLIES: dict[str, Callable[[View], JsonObject]] = {
    "jimeng": _plain,
    "vidu": _plain,
    "veo": _veo,
    "sora": _sora,
    "grok": _grok,
}


def _failure(view: View) -> JsonObject:
    """Return what a failed job's reply says besides; how a failure is told is documented nowhere, so all ways occur."""
    if view.row.state != "failed":
        return {}
    as_object = {"error": {"message": view.reason, "code": "CreationPolicyViolation"}}
    kind, family = view.job.fate_kind, view.job.family
    if kind == "video_failed_bare":
        return {"status": "video_generation_failed"}
    if kind == "video_failed_object" or (kind != "video_failed_string" and family in ("vidu", "sora")):
        return as_object
    if kind == "video_failed_string" or family == "jimeng":
        return {"error": view.reason}
    return {"error_message": view.reason} if family == "veo" else {"fail_reason": view.reason}


# --- shapes that leak through -----------------------------------------------------------------------------------------

_ENGINE_STATES = {"queued": "QUEUED", "processing": "IN_PROGRESS", "completed": "SUCCESS"}
_TIMEOUT_REASON = "任务超时（1440分钟）"  # noqa: RUF001 - the engine's own text


def _wrapped(view: View, fail_reason: str | None = None) -> JsonObject:
    """Return the engine's envelope; a given `fail_reason` takes the place of both the reason and the URL."""
    row = view.row
    state = _ENGINE_STATES.get(row.state, "FAILURE")
    data: JsonObject = {
        "id": 991,
        "task_id": view.job.id,
        "action": "generate",
        "status": state,
        "fail_reason": fail_reason or "",
        "submit_time": int(view.job.created_at),
        "start_time": 0 if row.state == "queued" else int(view.job.created_at) + 1,
        "finish_time": view.ended_at,
        "progress": f"{row.progress}%",
        "data": {"status": row.state},
    }
    if fail_reason is None and state == "FAILURE":
        data["fail_reason"] = view.reason
    if fail_reason is None and view.url:
        data["result_url"] = view.url
    return {"code": "success", "message": "", "data": data}


def _openai_query(view: View) -> JsonObject:
    words = {"processing": "in_progress", "cancelled": "failed"}
    reply: JsonObject = {
        "id": view.job.id,
        "object": "video",
        "model": view.job.model,
        "status": words.get(view.row.state, view.row.state),
        "progress": view.row.progress,
        "created_at": int(view.job.created_at),
    }
    if view.url:
        reply |= {"completed_at": view.ended_at, "metadata": {"url": view.url}}
    return reply | _failure(view)


def _result_url(view: View) -> JsonObject:
    state = view.row.state
    reply: JsonObject = {"id": view.job.id, "object": "video", "progress": view.row.progress}
    reply["status"] = "succeeded" if state == "completed" else state
    return reply | ({"url": view.url, "result_url": view.url} if view.url else {}) | _failure(view)


def _nested(view: View) -> JsonObject:
    reply = _wrapped(view)
    reply["data"].pop("result_url", None)
    inner: JsonObject = {"content": {"video_url": view.url}} if view.url else {}
    reply["data"]["data"] = {"status": "succeeded" if view.row.state == "completed" else "running", **inner}
    return reply


def _native(view: View) -> JsonObject:
    state = view.row.state
    if view.job.family == "jimeng":
        status = {"queued": "in_queue", "processing": "generating", "completed": "done"}.get(state, "failed")
        data: JsonObject = {"status": status, "video_url": view.url or "", "image_urls": None, "binary_data_base64": []}
        return {"code": 10000, "message": "Success", "request_id": "sandbox", "status": 10000, "data": data}
    state_word = {"queued": "queueing", "completed": "success"}.get(state, state)
    creations = [{"id": "c1", "url": view.url, "cover_url": view.cover_url}] if view.url else []
    error = "CreationPolicyViolation" if state == "failed" else ""
    return {"id": view.job.id, "state": state_word, "err_code": error, "credits": 4, "creations": creations}


def _as_running(status: str) -> Callable[[View], JsonObject]:
    """Return a shape that hides the end of the job behind a status word that is not final."""

    def reply(view: View) -> JsonObject:
        row = Row("processing", min(view.row.progress, 80), view.row.updated_at)
        return query_reply(View(view.job, row, None, None)) | {"status": status}

    return reply


QUERY_SHAPES: dict[str, Callable[[View], JsonObject]] = {
    "query_unknown_state": _as_running("unknown"),
    "query_generation_completed": _as_running("video_generation_completed"),
    "query_upsampling": _as_running("video_upsampling"),
    "query_wrapped": _wrapped,
    "query_metadata_url": _openai_query,
    "query_result_url": _result_url,
    "query_nested": _nested,
    "query_native": _native,
    "video_failed_wrapped": _wrapped,
    "video_failed_timeout": lambda view: _wrapped(view, _TIMEOUT_REASON if view.row.state == "failed" else ""),
    "video_url_in_fail_reason": lambda view: _wrapped(view, view.url or None),
}
"""The replies to a query that a fault asks for: by the query's own, else by the one that the job drew."""
