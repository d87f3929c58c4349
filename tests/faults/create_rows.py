"""What can go wrong while the create is sent."""

import json
import re

from prefect_octopusx.sandbox import Fault
from tests.faults.relay import BOMB, Reply, answer, edited, flooding, half_closed, raw, reset, silent, slowly
from tests.faults.table import (
    BUSY,
    FAILED,
    REFUSED,
    RELEASED,
    STORED,
    UNCERTAIN,
    Called,
    Elsewhere,
    Odd,
    Provocation,
    Row,
)

__all__ = ["CREATE_ROWS"]

_JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_HASTE = 0.3  # seconds that the whole answer may take where the gateway takes for ever


def _refused(said: str) -> str:
    return f"InvalidRequest: The gateway refused the create of viduq3-pro: {said} …"


def _lost(why: str) -> str:
    return f"SubmissionUncertain: hero: No certain answer to the create of viduq3-pro…{why}… nothing is sent again …"


def _kinds(*kinds: str) -> tuple[Provocation, ...]:
    return tuple(Fault(f"create_{kind}", times=None) for kind in kinds)


def _said(status: str, *codes: str) -> tuple[Provocation, ...]:
    bodies = [json.dumps({"code": code, "message": "said so", "data": None}).encode() for code in codes]
    return tuple(Odd(answer(status, body)) for body in bodies)


def _page(*kinds: str) -> tuple[Provocation, ...]:
    return _kinds(*(f"html_{kind}" for kind in kinds))


def _status(line: str) -> Odd:
    return Odd(edited(lambda reply: Reply(re.sub(rb"^HTTP/1.1 200 OK", line.encode(), reply.head), reply.body)))


def _head(*headers: bytes, without: bytes = b"content-type") -> Odd:
    def change(reply: Reply) -> Reply:
        head = re.sub(rb"(?i)\r\n%s:[^\r]*" % without, b"", reply.head)
        return Reply(b"\r\n".join([head, *headers]), reply.body)

    return Odd(edited(change))


_HTML = "HTTP … with an HTML page, as a proxy in between sends it"
_NO_JSON = "HTTP 200 with something that is not a JSON object"
_UNREADABLE = "(DecodingError: …)"
_BROKEN_OFF = "(RemoteProtocolError: …)"

CREATE_ROWS = (
    # What the gateway says.
    Row("400, the body is no good (`bad JSON`, model missing)", REFUSED, _refused("no model"),
        (Odd(answer("400 Bad Request", b'{"error":{"message":"no model","type":"new_api_error","code":""}}')),)),
    Row("400, refused by the gateway (`invalid_request`, `model_price_error`, `task_failed` …)", REFUSED,
        _refused("said so"), _said("400 Bad Request", "invalid_request", "invalid_json", "missing_model",
                                   "invalid_size", "model_mapping_failed", "model_price_error", "invalid_api_platform",
                                   "task_failed")),
    Row("400, refused by the model's vendor (moderation, a field, a picture, its own credits …)", REFUSED,
        _refused("said so"), _said("400 Bad Request", "TaskPromptPolicyViolation", "AuditSubmitIllegal", "FieldInvalid",
                                   "ImageDownloadFailure", "PageSizeOutOfRange", "CreditInsufficient",
                                   "OperationInProcess")),
    Row("401, the key is unknown, disabled, expired or used up", RELEASED,
        "AuthenticationError: OctopusX does not accept the API key (unknown, disabled, expired or used up) for …",
        _kinds("invalid_key")),
    Row("402, or 403 by the wallet or the key's quota", RELEASED,
        "QuotaExceeded: The wallet or the key's quota is too low for the create of viduq3-pro: …",
        _kinds("402", "quota", "user_quota")),
    Row("403, address, group or model not allowed", RELEASED,
        "AccessDenied: This API key may not do the create of viduq3-pro: …",
        _kinds("ip_not_allowed", "model_not_allowed")),
    Row("404 or 501, no such route", RELEASED,
        "EndpointNotFound: The gateway has no such address for the create of viduq3-pro: …; check `base_url` …",
        _kinds("not_found", "501")),
    Row("408 or 499, a timeout or a cancel somewhere behind the gateway", UNCERTAIN, _lost("HTTP 4… code …"),
        _kinds("408", "499")),
    Row("409, a conflict at the vendor", REFUSED, _refused("conflict"), _kinds("409")),
    Row("413, by the gateway or a proxy: the body is too large", REFUSED, _refused("…"), _kinds("413", "html_413")),
    Row("429, too many requests, or the upstream is saturated", BUSY,
        "RateLimited: The gateway or the model's vendor is too busy for the create of viduq3-pro: …",
        _kinds("rate_limited", "rate_limited_empty", "upstream_saturated")),
    Row("500, no channel (`get_channel_failed`) or a database error", UNCERTAIN, _lost("HTTP 500, code …"),
        _kinds("no_channel", "database_error")),
    Row("500, the gateway lost the vendor's answer, or could not read it", UNCERTAIN, _lost("HTTP 500, code …"),
        (*_kinds("do_request_failed", "read_response_failed", "unmarshal_failed"),
         *_said("500 Internal Server Error", "unmarshal_response_failed"))),
    Row("500 whose code is a number: refused by ByteDance", REFUSED, _refused("Pre Img Risk Not Pass"),
        _kinds("business_code")),
    Row("5xx of the vendor, relayed (`fail_to_fetch_task`)", UNCERTAIN, _lost("HTTP 50…, code fail_to_fetch_task"),
        _kinds("500", "502_relayed", "503_relayed", "504_relayed")),
    Row("500 before it was submitted (`build_request_failed` …)", BUSY,
        "NotSubmitted: The gateway failed before it submitted the create of viduq3-pro: …",
        _kinds("build_request_failed", "gen_relay_info_failed", "get_origin_task_failed")),
    Row("500 with an empty body", UNCERTAIN, _lost("HTTP 500 with an empty body"), _kinds("500_empty")),
    Row("502, 503, 504, 520, 524 with a proxy's page", UNCERTAIN, _lost(_HTML),
        _page("502", "503", "504", "520", "524")),
    Row("503, no channel has the model (`model_not_found`)", BUSY,
        "ModelUnavailable: No channel serves the model for this key now (a wrong model name, or an outage) for …",
        _kinds("model_not_found")),
    # Statuses of success.
    Row("201 or 202, with an id", STORED, "", (_status("HTTP/1.1 201 Created"), _status("HTTP/1.1 202 Accepted"))),
    Row("200 without an id, empty, or not JSON", UNCERTAIN, _lost("HTTP 200 …"), _kinds("no_id", "empty", "not_json")),
    Row("200 with `success: false`", REFUSED, _refused("system busy"), _kinds("success_false")),
    Row("200 with an error code", UNCERTAIN, _lost("HTTP 200, code fail_to_fetch_task"), _kinds("code_error")),
    Row("200, accepted and failed in one reply", FAILED, "VideoFailed: hero: viduq3-pro failed, task …",
        _kinds("failed_inline")),
    # Redirects are never followed by a create.
    Row("redirected to another host, to http, or to itself", RELEASED,
        "EndpointNotFound: The gateway has no such address for the create of viduq3-pro: it redirects to …; check …",
        (*_kinds("redirect", "redirect_303"),
         Odd(answer("301 Moved Permanently", b"", "Location: http://elsewhere.example.com/v1/video/create")),
         Odd(answer("308 Permanent Redirect", b"", "Location: /v1/video/create")))),
    Row("redirected to nowhere: no address, or none that can be read", RELEASED,
        "EndpointNotFound: The gateway has no such address for the create of viduq3-pro: …",
        (Odd(answer("302 Found", b"")), Odd(answer("302 Found", b"", "Location: http://[")))),
    # The way there.
    Row("the connection is refused", BUSY,
        "GatewayUnreachable: The create of viduq3-pro was not sent: http://127.0.0.1:… can't be reached (ConnectError…",
        (Elsewhere("refused"),)),
    Row("the gateway's name does not resolve", BUSY,
        "GatewayUnreachable: The create of viduq3-pro was not sent: http://gateway.invalid can't be reached …",
        (Elsewhere("unknown"),)),
    Row("TLS fails: no TLS there, or a certificate that nobody vouches for", BUSY,
        "GatewayUnreachable: The create of viduq3-pro was not sent: https://… can't be reached (ConnectError: [SSL…",
        (Elsewhere("plain"), Elsewhere("untrusted"))),
    Row("the connection is closed or half closed without an answer", UNCERTAIN, _lost(_BROKEN_OFF),
        (Odd(raw(b"")), Odd(half_closed))),
    Row("the connection is reset", UNCERTAIN, _lost("(ReadError…)"), (Odd(reset),)),
    Row("no answer ever comes", UNCERTAIN, _lost("(not there, whole, after 0.3 s)"), (Odd(silent, limit=_HASTE),)),
    Row("the answer drips, a byte now and then (slow-loris), in its head or its body", UNCERTAIN,
        _lost("(not there, whole, after 0.3 s)"),
        (Odd(slowly(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"), limit=_HASTE),
         Odd(slowly(_JSON + b"Content-Length: 100000\r\n\r\n{", b" "), limit=_HASTE))),
    Row("the answer breaks off in its head or its body", UNCERTAIN, _lost(_BROKEN_OFF),
        (Odd(raw(b"HTTP/1.1 200 OK\r\nContent-Ty")), Odd(answer("200 OK", b'{"id":"t', "Content-Length: 1000")),
         Odd(raw(_JSON + b'Transfer-Encoding: chunked\r\n\r\n8\r\n{"id":"t')))),
    Row("the answer is not HTTP, its head has no end, or its length is no number", UNCERTAIN, _lost(_BROKEN_OFF),
        (Odd(raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")), Odd(flooding(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x" * 65536, 40)),
         Odd(raw(_JSON + b'Content-Length: many\r\n\r\n{"id":"t"}')))),
    # Its content.
    Row("a reply of 100 MB", UNCERTAIN, _lost("the reply is larger than 8388608 bytes"),
        (Odd(flooding(_JSON + b"Content-Length: 104857600\r\n\r\n", b'{"id": "t"     ' * 65536, 107)),)),
    Row("a gzip bomb: 32 MB in 150 KB", UNCERTAIN, _lost("the reply is larger than 8388608 bytes"),
        (Odd(answer("200 OK", BOMB, "Content-Encoding: gzip")),)),
    Row("a reply that says gzip and is not", UNCERTAIN, _lost(_UNREADABLE),
        (Odd(answer("200 OK", b'{"id":"t"}', "Content-Encoding: gzip")),)),
    Row("JSON that is nested 100,000 deep", UNCERTAIN, _lost(_NO_JSON),
        (Odd(answer("200 OK", b'{"id":"t","data":' + b"[" * 100_000)),
         Odd(answer("200 OK", b'{"id":' * 100_000 + b"0" + b"}" * 100_000)))),
    Row("JSON with an id, nested tens deep", STORED, "",
        tuple(Odd(edited(lambda reply, deep=deep: reply.with_body(
            reply.body.rstrip()[:-1] + b',"detail":' + b'{"data":' * deep + b"0" + b"}" * (deep + 1)
        ))) for deep in (20, 50, 90))),
    Row("a reply with raw NUL bytes", UNCERTAIN, _lost(_NO_JSON),
        (Odd(answer("200 OK", b'{"id":"t\0"}')), Odd(answer("200 OK", b"\0" * 100)))),
    Row("the wrong content type, or none, with an id", STORED, "",
        (_head(b"Content-Type: text/html"), _head(b"Content-Type: image/png"), _head())),
    Row("an HTML page that calls itself JSON", UNCERTAIN, _lost(_HTML),
        (Odd(answer("200 OK", b"<!DOCTYPE html><p>One moment")),)),
    Row("an answer before the answer (103), or one of HTTP/1.0 without a length", STORED, "",
        (Odd(edited(lambda reply: Reply(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + reply.head, reply.body))),
         Odd(edited(lambda reply: Reply(b"HTTP/1.0 200 OK\r\nContent-Type: application/json", reply.body))))),
    Row("a refusal of 100 KB, with NUL characters and half an emoji", REFUSED, _refused("no ?…"),
        (Odd(answer("400 Bad Request", rb'{"code":"invalid_request","message":"no \ud83d\u0000' + b"x" * 100_000
                    + b'"}')),)),
    Row("a refusal whose code or request id is 50 KB long", REFUSED, _refused("no"),
        (Odd(answer("400 Bad Request", b'{"message":"no","code":"' + b"c" * 50_000 + b'"}')),
         Odd(answer("400 Bad Request", b'{"message":"no"}', f"X-Oneapi-Request-Id: {'r' * 50_000}")))),
    # Ids are opaque, and kept as they are.
    Row("a task id with `/`, `..`, `:`, `%`, `?` or `&` in it", STORED, "",
        tuple(map(Called, ("grok:3f2a/../../etc", "..", "a&id=b?c#d%2F", "video_01:1.2", "\\\\srv\\c$", "-rf")))),
    Row("a task id of 4 KB, in Unicode, or a number", STORED, "",
        tuple(map(Called, ("i" * 4096, "任务-🎬-é-\u202e", "1234567890123456789")))),
    Row("a task id of 100 KB, or with control characters, which is none", UNCERTAIN,
        _lost(": HTTP 200 without a task id"),
        (Odd(answer("200 OK", b'{"id":"' + b"i" * 100_000 + b'"}')),
         Odd(answer("200 OK", rb'{"id":"t\u0000\u001b[2J"}')))),
)  # fmt: skip
