"""What can go wrong while a video is waited for. None of it fails the video, but for the API's own word."""

import json

from prefect_octopusx.sandbox import Fault
from tests.faults.relay import BOMB, Act, Reply, answer, edited, flooding, half_closed, raw, reset, silent, slowly
from tests.faults.table import FAILED, FORBIDDEN, LATER, STORED, Elsewhere, Odd, Provocation, Row

__all__ = ["QUERY_ROWS"]

_JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_HASTE = 0.05  # seconds that the whole answer may take where the gateway takes for ever


def _kinds(*kinds: str) -> tuple[Provocation, ...]:
    return tuple(Fault(f"query_{kind}", times=None) for kind in kinds)


def _fates(*kinds: str) -> tuple[Provocation, ...]:
    return tuple(Fault(f"video_{kind}", times=None) for kind in kinds)


def _no_answer(why: str) -> str:
    return f"GatewayError: No answer to GET /v1/video/query ({why})"


def _no_use(why: str) -> str:
    return f"GatewayError: The gateway gave no usable answer about task …: {why} …"


def _also(**fields: object) -> Odd:
    """Let the true reply have these fields, too."""

    def change(reply: Reply) -> Reply:
        return reply.with_body(json.dumps(json.loads(reply.body) | fields).encode())

    return Odd(edited(change))


def _ended(**fields: object) -> Act:
    """Answer that it is over, with these fields."""
    return answer("200 OK", json.dumps({"id": "t", **fields}).encode())


_HTML = "HTTP … with an HTML page, as a proxy in between sends it"
_NO_JSON = "HTTP 200 with something that is not a JSON object"
_UNKNOWN = "TaskNotFound: The gateway does not know task …. The gateway may have lost it, or the key is of another …"
_LATE = "VideoTimeout: Task … was not ready 3600 s after its submission (last seen …). It may still finish, and is …"
_TOO_LATE = FORBIDDEN._replace(then="run it again, with a longer `deadline`")

QUERY_ROWS = (
    Row("401, the key is not accepted any more", FORBIDDEN,
        "AuthenticationError: OctopusX does not accept the API key (unknown, disabled, expired or used up) for task …",
        _kinds("invalid_key")),
    Row("402 or 403 by the wallet or the key's quota", FORBIDDEN,
        "QuotaExceeded: The wallet or the key's quota is too low for task …",
        (Odd(answer("402 Payment Required", b"{}")),
         Odd(answer("403 Forbidden", b'{"code":"insufficient_user_quota","message":"said so","data":null}')))),
    Row("403, address, group or model not allowed", FORBIDDEN, "AccessDenied: This API key may not do task …",
        _kinds("ip_not_allowed", "model_not_allowed")),
    Row("400, the question is refused", FORBIDDEN, "InvalidRequest: The gateway refused task …: said so …",
        (Odd(answer("400 Bad Request", b'{"code":"invalid_request","message":"said so","data":null}')),)),
    Row("404 or 501, no such route", FORBIDDEN,
        "EndpointNotFound: The gateway has no such address: …; check `base_url` (it ends before /v1) …",
        _kinds("not_found", "501")),
    Row("the task is unknown (400 `task_not_exist`, or 404), also two minutes after the create",
        FORBIDDEN, _UNKNOWN, _kinds("task_not_exist", "404_unknown")),
    Row("429, too many requests, or the upstream is saturated", LATER,
        "RateLimited: The gateway or the model's vendor is too busy for task …",
        _kinds("rate_limited", "rate_limited_empty", "upstream_saturated")),
    Row("429, try again in a year", _TOO_LATE, "VideoTimeout: Task … was not ready 3600 s after its submission …",
        (Odd(answer("429 Too Many Requests", b"", "Retry-After: 31536000")),)),
    Row("408, 409, 499, or a 5xx of the gateway or the vendor", LATER, _no_use(""),
        _kinds("408", "409", "499", "no_channel", "database_error", "do_request_failed", "read_response_failed",
               "unmarshal_failed", "500", "500_empty", "502_relayed", "503_relayed", "504_relayed")),
    Row("502, 503, 504, 520, 524 or 200 with a proxy's page", LATER, _no_use(_HTML),
        _kinds("html_502", "html_503", "html_504", "html_520", "html_524", "html")),
    Row("503, no channel has the model now", LATER,
        "ModelUnavailable: No channel serves the model for this key now (a wrong model name, or an outage) for task …",
        _kinds("model_not_found")),
    Row("200 with `success: false` or an error code, empty, or not JSON", LATER, _no_use(""),
        _kinds("success_false", "code_error", "empty", "not_json")),
    # Redirects.
    Row("redirected to another host or to http", FORBIDDEN,
        "EndpointNotFound: The gateway has no such address: it redirects to http…; check `base_url` …",
        (*_kinds("redirect"), Odd(answer("302 Found", b"", "Location: https://elsewhere.example.com/v1/video/query")))),
    Row("redirected to itself, again and again", FORBIDDEN,
        "EndpointNotFound: GET /v1/video/query is redirected again and again; check `base_url`",
        (Odd(answer("307 Temporary Redirect", b"", "Location: /v1/video/query?id=t")),)),
    # The way there.
    Row("the connection is refused, or TLS fails", LATER,
        "GatewayUnreachable: GET /v1/video/query was not sent: … can't be reached (…). Check `base_url`, the network …",
        (Elsewhere("refused"), Elsewhere("plain"), Elsewhere("untrusted"))),
    Row("the connection is closed, half closed or reset, or the answer breaks off or is not HTTP", LATER,
        _no_answer("…Error…"),
        (*_kinds("closed", "reset"), Odd(half_closed), Odd(reset), Odd(answer("200 OK", b'{"id', "Content-Length: 99")),
         Odd(raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")))),
    Row("no answer ever comes, or it drips (slow-loris)", LATER, _no_answer("not there, whole, after 0.05 s"),
        (Odd(silent, limit=_HASTE), Odd(slowly(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"), limit=_HASTE),
         Odd(slowly(_JSON + b"Content-Length: 100000\r\n\r\n{", b" "), limit=_HASTE))),
    # Its content.
    Row("a reply of 100 MB, or a gzip bomb", LATER, _no_answer("DecodingError: the reply is larger than 8388608 bytes"),
        (Odd(flooding(_JSON + b"Content-Length: 104857600\r\n\r\n", b'{"id": "t"     ' * 65536, 107)),
         Odd(answer("200 OK", BOMB, "Content-Encoding: gzip")))),
    Row("JSON that is nested 100,000 deep, or has raw NUL bytes", LATER, _no_use(_NO_JSON),
        (Odd(answer("200 OK", b'{"status":"processing","data":' + b"[" * 100_000)),
         Odd(answer("200 OK", b'{"status":"process\0ing"}')))),
    Row("fields of any kind where others belong: numbers, lists, NaN, times beyond all time", STORED, "",
        (_also(progress=float("nan"), created_at=1e300, completed_at="9999-99-99", error=[1], url=7, task_id=[]),
         _also(progress={"a": 1}, created_at=[], thumbnail_url={"url": 1}, detail=[[]], result="x", output=0),
         _also(progress="\uff11\uff12", created_at=-1, video={"url": []}, videos=[[]], metadata=[], fail_reason=""))),
    Row("the wrong content type", STORED, "",
        (Odd(edited(lambda reply: Reply(reply.head.replace(b"application/json", b"text/plain"), reply.body))),)),
    # What it says of the video.
    Row("an odd shape: wrapped, nested, a vendor's own, the URL elsewhere", STORED, "",
        (*_kinds("wrapped", "metadata_url", "result_url", "nested", "native"),
         *_fates("url_in_fail_reason", "url_gateway"))),
    Row("completed, but the URL is late, missing for ever, or none of http", STORED, "",
        (Fault("video_url_late", times=3), *_fates("url_missing"), _also(video_url="javascript:alert(1)"),
         _also(video_url="file:///etc/passwd"))),
    Row("a state that is unknown, or not final, and never another", _TOO_LATE, _LATE,
        _kinds("null_data", "unknown_state", "generation_completed", "upsampling")),
    Row("a state that the docs do not list, and NUL in it", _TOO_LATE, _LATE,
        (Odd(_ended(status="over\0", video_url="https://x.example/a.mp4")), Odd(_ended(status=["completed"])))),
    Row("failed, told in any way, or cancelled", FAILED, "VideoFailed: hero: viduq3-pro failed, task …",
        _fates("failed", "failed_string", "failed_object", "failed_bare", "failed_wrapped", "failed_timeout",
               "cancelled")),
    Row("failed, with a reason of 1 MB and NUL characters", FAILED,
        "VideoFailed: hero: viduq3-pro failed, task …: no?…",
        (Fault("video_failed_string", times=None, reason="no\0" + "x" * 2**20),)),
)  # fmt: skip
