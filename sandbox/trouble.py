"""The faults that are nothing but an answer: for each kind its status and body, and whether a create is billed.

A row that fits several endpoints is written once and makes one kind for each, such as `create_rate_limited` and
`query_rate_limited`. Billing follows the engine: an error of its own gives the money back, while a proxy's page says
nothing about the job that the gateway goes on with. `Fault.billed` can say otherwise.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from prefect_octopusx.sandbox.answers import (
    Answer,
    engine_error,
    html_page,
    relay_error,
    storage_error,
    task_error,
    vendor_error,
)

__all__ = ["ANSWERS", "OTHER_ORIGIN", "Trouble"]

OTHER_ORIGIN = "{other-origin}"
"""Stands in a Location header for the address of the request at another origin."""

_SATURATED = "当前分组上游负载已饱和，请稍后再试"  # noqa: RUF001 - the engine's own text
_REDIRECT = (("location", OTHER_ORIGIN),)


@dataclass(frozen=True, slots=True)
class Trouble:
    """An answer for a fault, and whether a create that gets it is billed."""

    about: str
    answer: Answer
    billed: bool


_BOTH = ("create", "query")
_CREATE = ("create",)
_QUERY = ("query",)
_ALL = ("create", "query", "usage")
_FILE = ("file",)

_ROWS: tuple[tuple[tuple[str, ...], str, str, Answer], ...] = (
    # Accounts, limits and routing: the engine's outer part, before anything is submitted.
    (_BOTH, "invalid_key", "401: key unknown, disabled, expired or exhausted", relay_error(401, "Invalid token")),
    (_CREATE, "402", "402: out of funds", relay_error(402, "payment required")),
    (_BOTH, "ip_not_allowed", "403: caller's address not allowed", relay_error(403, "IP not allowed", "access_denied")),
    (_BOTH, "model_not_allowed", "403: key may not use the model",
        relay_error(403, "This token has no access to model")),
    (_BOTH, "not_found", "404: invalid URL", relay_error(404, "Invalid URL", kind="invalid_request_error")),
    (_BOTH, "rate_limited", "429 by the gateway's own limit, Retry-After: 1",
        replace(relay_error(429, "rate limit exceeded", "rate_limit"), headers=(("retry-after", "1"),))),
    (_ALL, "rate_limited_empty", "429 with an empty body, no Retry-After", Answer(429)),
    (_BOTH, "model_not_found", "503: no channel has the model",
        relay_error(503, "No available channel for this model under group default", "model_not_found")),
    (_BOTH, "database_error", "500 of the gateway's database", relay_error(500, "Database error", "database_error")),
    (_BOTH, "501", "501: not offered", task_error(501, "api_not_implemented", "api not implemented")),
    # The engine's task part.
    (_CREATE, "invalid_request", "400: refused by the engine", task_error(400, "invalid_request", "invalid request")),
    (_CREATE, "model_price_error", "400: the model has no price", task_error(400, "model_price_error", "no price set")),
    (_CREATE, "task_failed", "400: task failed", task_error(400, "task_failed", "task failed")),
    (_QUERY, "task_not_exist", "400: unknown id, as in the moments after a create",
        task_error(400, "task_not_exist", "task_not_exist")),
    (_QUERY, "404_unknown", "404: unknown id, as some channels say it",
        task_error(404, "TaskNotFound", "task not found")),
    (_CREATE, "quota", "403: the key's quota is too low",
        task_error(403, "pre_consume_token_quota_failed", "token quota is not enough")),
    (_CREATE, "user_quota", "403: the account's wallet is too low",
        task_error(403, "insufficient_user_quota", "user quota is not enough")),
    (_CREATE, "413", "413 by the gateway: body too large",
        task_error(413, "read_request_body_failed", "request body too large")),
    (_BOTH, "upstream_saturated", "429: all channels are busy", task_error(429, "fail_to_fetch_task", _SATURATED)),
    (_BOTH, "no_channel", "500 get_channel_failed", task_error(500, "get_channel_failed", "get channel failed")),
    (_BOTH, "do_request_failed", "500: the upstream's answer was lost",
        task_error(500, "do_request_failed", "upstream error: do request failed")),
    (_BOTH, "read_response_failed", "500: the upstream's answer could not be read",
        task_error(500, "read_response_body_failed", "unexpected EOF")),
    (_BOTH, "unmarshal_failed", "500: the upstream's answer was not understood",
        task_error(500, "unmarshal_response_body_failed", "invalid character '<'")),
    (_CREATE, "business_code", "500 with a number as the code: refused by ByteDance",
        task_error(500, "50411", "Pre Img Risk Not Pass")),
    (_BOTH, "500", "500 relayed from the upstream", task_error(500, "fail_to_fetch_task", "internal error")),
    (_BOTH, "500_empty", "500 with an empty body", Answer(500)),
    (_BOTH, "502_relayed", "502 relayed from the upstream", task_error(502, "fail_to_fetch_task", "bad gateway")),
    (_BOTH, "503_relayed", "503 relayed from the upstream",
        task_error(503, "fail_to_fetch_task", "service unavailable")),
    (_BOTH, "504_relayed", "504 relayed from the upstream", task_error(504, "fail_to_fetch_task", "gateway timeout")),
    (_CREATE, "build_request_failed", "500 before submitting",
        task_error(500, "build_request_failed", "build request failed")),
    (_CREATE, "gen_relay_info_failed", "500 before submitting",
        task_error(500, "gen_relay_info_failed", "no relay info")),
    (_CREATE, "get_origin_task_failed", "500 before submitting",
        task_error(500, "get_origin_task_failed", "get origin task failed")),
    # What the model's vendor says, relayed.
    (_CREATE, "policy_violation", "400 TaskPromptPolicyViolation",
        vendor_error("TaskPromptPolicyViolation", "prompt policy violation")),
    (_CREATE, "audit_submit_illegal", "400 AuditSubmitIllegal",
        vendor_error("AuditSubmitIllegal", "the content did not pass the audit")),
    (_CREATE, "image_download_failure", "400 ImageDownloadFailure",
        vendor_error("ImageDownloadFailure", "cannot download the image")),
    (_CREATE, "image_format_invalid", "400 ImageFormatInvalid",
        vendor_error("ImageFormatInvalid", "unknown image format")),
    (_CREATE, "page_size_out_of_range", "400 PageSizeOutOfRange: the picture is too long or too wide",
        vendor_error("PageSizeOutOfRange", "image aspect ratio out of range")),
    (_CREATE, "model_unavailable", "400 ModelUnavailable", vendor_error("ModelUnavailable", "model unavailable")),
    (_CREATE, "operation_in_process", "400 OperationInProcess",
        vendor_error("OperationInProcess", "operation in process")),
    (_CREATE, "credit_insufficient", "400 CreditInsufficient: the gateway's own credits",
        vendor_error("CreditInsufficient", "credit insufficient")),
    (_BOTH, "408", "408: timeout somewhere", task_error(408, "fail_to_fetch_task", "request timeout")),
    (_BOTH, "409", "409 Conflict", vendor_error("Conflict", "conflict", 409)),
    (_BOTH, "499", "499: the upstream saw a cancel", vendor_error("Canceled", "context canceled", 499)),
    # Logical errors and broken answers with status 200.
    (_BOTH, "success_false", "200 with success: false", engine_error(200, "system busy")),
    (_BOTH, "code_error", "200 with an error code in the body",
        task_error(200, "fail_to_fetch_task", "upstream error")),
    (_CREATE, "no_id", "200 without an id", Answer(200, {"status": "processing"})),
    (_BOTH, "not_json", "200 that is not JSON", Answer(200, "OK")),
    (_BOTH, "empty", "200 with an empty body", Answer(200)),
    (_QUERY, "null_data", '200 `{"code": "success", "data": null}`', Answer(200, {"code": "success", "data": None})),
    (_BOTH, "redirect", "307 to another origin", Answer(307, "", _REDIRECT)),
    (_CREATE, "redirect_303", "303 to another origin, which asks for a GET", Answer(303, "", _REDIRECT)),
    # Proxies before the gateway.
    (_CREATE, "html_413", "413 by a proxy", html_page(413, "Request Entity Too Large")),
    (_ALL, "html_502", "502 by a proxy", html_page(502, "Bad Gateway")),
    (_ALL, "html_503", "503 by a proxy", html_page(503, "Service Temporarily Unavailable")),
    (_ALL, "html_504", "504 by a proxy", html_page(504, "Gateway Time-out")),
    (_BOTH, "html_520", "520 by a CDN", html_page(520, "Web server is returning an unknown error")),
    (_BOTH, "html_524", "524 by a CDN", html_page(524, "A timeout occurred")),
    (_QUERY, "html", "200 with an HTML page", html_page(200, "One moment")),
    # Only the usage endpoint.
    (("usage",), "refused", "200 with success: false, as older engines refuse a key",
        engine_error(200, "token not found")),
    # Downloads.
    (_FILE, "expired", "403: the signature has expired", storage_error(403, "AccessDenied", "Request has expired")),
    (_FILE, "404", "404", storage_error(404, "NoSuchKey", "The specified key does not exist.")),
    (_FILE, "410", "410", Answer(410, "Gone")),
    (_FILE, "500", "500", storage_error(500, "InternalError", "We encountered an internal error.")),
    (_FILE, "502", "502: the gateway could not fetch the video", relay_error(502, "failed to fetch video content")),
    (_FILE, "503", "503", storage_error(503, "SlowDown", "Please reduce your request rate.")),
    (_FILE, "html", "200 with an HTML page", html_page(200, "One moment")),
    (_FILE, "json", "200 with a JSON error", relay_error(200, "video is not available")),
    (_FILE, "empty", "200 with no bytes, as video/mp4", Answer(200, "", (("content-type", "video/mp4"),))),
)  # fmt: skip

_BILLED = {"no_id", "not_json", "empty", "html_502", "html_504", "html_520", "html_524"}


def _kinds() -> Iterator[tuple[str, Trouble]]:
    for stages, name, about, answer in _ROWS:
        for stage in stages:
            billed = stage == "create" and name in _BILLED
            yield f"{stage}_{name}", Trouble(f"{about}; billed" if billed else about, answer, billed)


ANSWERS: Final[dict[str, Trouble]] = dict(_kinds())
"""The answer for each of these kinds."""
