"""What an HTTP answer that is not a success means: which error, and so whether a create may be sent again.

One table for creates (`create_error`) and one for questions (`query_error`). The difference that matters is money: a
create may be sent again by itself only where the gateway surely did not accept it. A JSON error of the gateway's own
says so for the codes listed here; a proxy's page, a timeout or an unknown 5xx says nothing, and is uncertain.

Statuses, shapes and codes are those of the engine under the gateway; messages are often Chinese and are never matched.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from prefect_octopusx.api.errors import (
    AccessDenied,
    AuthenticationError,
    EndpointNotFound,
    GatewayError,
    InvalidRequest,
    ModelUnavailable,
    NotSubmitted,
    OctopusXError,
    QuotaExceeded,
    RateLimited,
    SubmissionUncertain,
    TaskNotFound,
)
from prefect_octopusx.api.redact import redact, redact_url
from prefect_octopusx.api.replies import TaskState, VideoTask, read_created

__all__ = ["Answer", "create_error", "error_code", "error_text", "query_error"]

_QUOTA_CODES = frozenset({"insufficient_user_quota", "pre_consume_token_quota_failed", "insufficient_quota"})
# The gateway failed before it asked the model's vendor.
_BEFORE_SUBMIT_CODES = frozenset({"build_request_failed", "gen_relay_info_failed", "get_origin_task_failed"})
# The gateway asked the vendor and lost, or could not read, the answer.
_LOST_UPSTREAM_CODES = frozenset(
    {"do_request_failed", "read_response_body_failed", "unmarshal_response_failed", "unmarshal_response_body_failed"}
)
_REFUSAL_CODES = frozenset(
    {"unsuccessful", "invalid_request", "invalid_json", "missing_model", "invalid_size", "model_mapping_failed"}
    | {"model_price_error", "invalid_api_platform", "task_failed", "task_not_exist"}
)
_NO_SUCH_TASK_CODES = frozenset({"task_not_exist", "task_not_found", "TaskNotFound"})
_NOT_OFFERED_CODES = frozenset({"api_not_implemented", "not_implemented"})
_REFUSALS_BY_STATUS: dict[int, type[OctopusXError]] = {
    401: AuthenticationError,
    403: AccessDenied,
    404: EndpointNotFound,
    405: EndpointNotFound,
    429: RateLimited,
}
_ACCEPTED = frozenset({TaskState.QUEUED, TaskState.RUNNING, TaskState.SUCCEEDED})
_LONGEST_MESSAGE = 500
_MOST_LEVELS = 100


class Answer(NamedTuple):
    """What is looked at of an HTTP answer."""

    status: int
    content: bytes
    request_id: str | None = None
    retry_after: float | None = None
    location: str | None = None

    @property
    def body(self) -> Mapping[str, Any] | None:
        """The JSON object in the answer; None for HTML, text, nothing, over 100 levels."""
        try:
            body = json.loads(self.content)
            # A text cut in the midst of an emoji has half a character, which nothing could be written down with.
            body = json.loads(json.dumps(body, ensure_ascii=False).encode(errors="replace"))
        except (ValueError, RecursionError):
            return None
        return body if isinstance(body, dict) and not _is_deep(body) else None


def _is_deep(body: object) -> bool:
    """Tell whether a body has more levels than any answer. What Python itself can read depends on who calls it."""
    level = [body]
    for _ in range(_MOST_LEVELS):
        level = [part for value in level for part in _parts(value)]
        if not level:
            return False
    return True


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def create_error(answer: Answer, *, what: str) -> OctopusXError:
    """Return the error for an unsuccessful answer to a create or remix.

    Args:
        answer: Any answer but a 2xx with an id.
        what: The request in a few words, for the message: `create of viduq3-pro`.
    """
    body, code, said = _read(answer)
    kind = _create_kind(answer.status, code, own_words=body is not None)
    task = _task_in(body) if body is not None else None
    if task is not None and (200 <= answer.status < 300 or task.state in _ACCEPTED):
        # A refusal that has an id contradicts itself; who knows which half is true?
        message = (
            f"The answer to the {what} is a refusal, yet it has the id {task.id}: {said}. The video may be in the "
        )
        return _error(SubmissionUncertain, answer, code, message + "making and billed", task_id=task.id)
    if kind is SubmissionUncertain:
        return _error(
            kind, answer, code, f"No certain answer to the {what}: {said}. The video may be in the making and billed"
        )
    if kind is EndpointNotFound:
        return _error(
            kind, answer, code, f"The gateway has no such address for the {what}: {_wrong_address(answer, said)}"
        )
    return _error(kind, answer, code, f"{_SENTENCES.get(kind, 'The gateway refused')} the {what}: {said}")


def _task_in(refusal: Mapping[str, Any]) -> VideoTask | None:
    """Return the task that a refusal speaks of as if it were made; a bare text as its `data` is a reason, not an id."""
    return read_created(refusal if not isinstance(refusal.get("data"), str) else {**refusal, "data": None})


def query_error(answer: Answer, *, task_id: str | None = None) -> OctopusXError:
    """Return the error for an unsuccessful answer to a query (or to any other question, without `task_id`)."""
    body, code, said = _read(answer)
    what = f"task {task_id}" if task_id else "the question"
    wrong_route = body is None or _is_wrong_route(body)
    kind = _query_kind(answer.status, code, about_task=task_id is not None, speaks_of_task=not wrong_route)
    if kind is TaskNotFound:
        message = (
            f"The gateway does not know task {task_id}: {said}. "
            "Only a key of the account that created it can ask for it"
        )
    elif kind is EndpointNotFound:
        message = f"The gateway has no such address: {_wrong_address(answer, said)}"
    elif kind is GatewayError:
        message = f"The gateway gave no usable answer about {what}: {said}"
    else:
        message = f"{_SENTENCES.get(kind, 'The gateway refused')} {what}: {said}"
    return _error(kind, answer, code, message, task_id=task_id)


_SENTENCES: dict[type[OctopusXError], str] = {
    AuthenticationError: "OctopusX does not accept the API key (unknown, disabled, expired or used up) for",
    QuotaExceeded: "The wallet or the key's quota is too low for",
    AccessDenied: "This API key may not do",
    ModelUnavailable: "No channel serves the model for this key now (a wrong model name, or an outage) for",
    RateLimited: "The gateway or the model's vendor is too busy for",
    NotSubmitted: "The gateway failed before it submitted",
}


def _create_kind(status: int, code: str, *, own_words: bool) -> type[OctopusXError]:  # noqa: PLR0911 - a table
    if code in _QUOTA_CODES or status == 402:
        return QuotaExceeded
    if code in _LOST_UPSTREAM_CODES:
        return SubmissionUncertain
    if not own_words:
        # A proxy speaks, or nobody. Only where the request can't have passed is that certain.
        certain = {**_REFUSALS_BY_STATUS, 400: InvalidRequest, 413: InvalidRequest}
        return EndpointNotFound if 300 <= status < 400 else certain.get(status, SubmissionUncertain)
    if 200 <= status < 300:
        # Under a 2xx only plain words are a refusal; dialects have many codes for success.
        return InvalidRequest if code in _REFUSAL_CODES else SubmissionUncertain
    if 300 <= status < 400:
        return EndpointNotFound
    if status >= 500:
        if status == 503 and code == "model_not_found":
            return ModelUnavailable
        if code in _NOT_OFFERED_CODES or status == 501:
            return EndpointNotFound
        if code in _BEFORE_SUBMIT_CODES:
            return NotSubmitted
        # ByteDance's business codes, like 50411: an explicit refusal (moderation, parameters), relayed with status 500.
        return (
            InvalidRequest
            if status == 500 and code.isascii() and code.isdigit() and len(code) >= 5
            else SubmissionUncertain
        )
    refusals = {
        401: AuthenticationError,
        403: AccessDenied,
        404: EndpointNotFound,
        405: EndpointNotFound,
        429: RateLimited,
    }
    return SubmissionUncertain if status in {408, 499} or status < 400 else refusals.get(status, InvalidRequest)


def _query_kind(  # noqa: PLR0911 - a table
    status: int, code: str, *, about_task: bool, speaks_of_task: bool
) -> type[OctopusXError]:
    if about_task and code in _NO_SUCH_TASK_CODES:
        return TaskNotFound
    if code in _QUOTA_CODES or status == 402:
        return QuotaExceeded
    if status == 429:
        return RateLimited
    if status == 503 and code == "model_not_found":
        return ModelUnavailable
    if status == 404 and about_task and speaks_of_task:
        return TaskNotFound
    if status in {404, 405, 501} or 300 <= status < 400:
        return EndpointNotFound
    if status == 401:
        return AuthenticationError
    if status == 403:
        return AccessDenied
    return InvalidRequest if status in {400, 413, 422} else GatewayError


def _read(answer: Answer) -> tuple[Mapping[str, Any] | None, str, str]:
    """Return the JSON body, the API's code ("" if none) and its words, from any of the known shapes."""
    body = answer.body
    if body is None:
        return None, "", _describe(answer)
    error = body.get("error")
    inner: Mapping[str, Any] = error if isinstance(error, Mapping) else body
    code = error_code(inner) or ("unsuccessful" if body.get("success") is False else "")
    missing = "a task id" if 200 <= answer.status < 300 and not code else "a reason"
    said = error_text(error if isinstance(error, str) else inner) or f"HTTP {answer.status} without {missing}"
    return body, code, redact(said, most=_LONGEST_MESSAGE)


def error_text(error: str | Mapping[str, Any]) -> str:
    """Return the words of an error, given as text or as an object with a `message`; "" where there are none."""
    message = error if isinstance(error, str) else error.get("message")
    return message.strip() if isinstance(message, str) else ""


def _is_wrong_route(body: Mapping[str, Any]) -> bool:
    """Tell "Invalid URL", which is about the address, from a 404 about the task."""
    error = body.get("error")
    return isinstance(error, Mapping) and error.get("type") == "invalid_request_error"


def error_code(body: Mapping[str, Any]) -> str:
    """Return the `code` of a reply, as text; "" where there is none or it says success."""
    code = body.get("code")
    text = str(code).strip() if isinstance(code, str | int) and not isinstance(code, bool) else ""
    return "" if text.lower() in {"success", "ok"} else text


def _describe(answer: Answer) -> str:
    start = answer.content[:200].lstrip().lower()
    if not start:
        return f"HTTP {answer.status} with an empty body"
    if start.startswith((b"<!doctype html", b"<html")):
        return f"HTTP {answer.status} with an HTML page, as a proxy in between sends it"
    return f"HTTP {answer.status} with something that is not a JSON object"


def _wrong_address(answer: Answer, said: str) -> str:
    hint = "check `base_url` (it ends before /v1)"
    there = redact_url(answer.location)[:_LONGEST_MESSAGE] if answer.location else None
    return f"it redirects to {there}; {hint}" if there else f"{said}; {hint}"


def _error(
    kind: type[OctopusXError], answer: Answer, code: str, message: str, *, task_id: str | None = None
) -> OctopusXError:
    return kind(
        message,
        status=answer.status,
        code=code or None,
        request_id=answer.request_id,
        task_id=task_id,
        retry_after=answer.retry_after,
    )
