"""Replies: whatever a gateway answers, a documented error or a consistent task comes of it, and no second payment."""

import asyncio
import contextlib
import json
import math
import pickle
from collections.abc import Awaitable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from prefect_octopusx.api import KeyUsage, OctopusXClient, OctopusXError, SubmissionUncertain, TaskState, VideoTask
from prefect_octopusx.api.replies import read_created, read_queried
from prefect_octopusx.api.usage import read_usage
from prefect_octopusx.api.verdicts import Answer, create_error, query_error
from tests.api.gateways import CAT
from tests.fuzzing import fuzz, json_values, spoilt, texts

GOLDEN = Path(__file__).parent / "golden"
RECORDED = [json.loads(path.read_text()) for path in sorted(GOLDEN.glob("*.json")) if path.name[:3] in ("res", "err")]
BODIES: list[Any] = [example["body"] for example in RECORDED if "body" in example]
SECRETS = ("s3cr3t-of-a-query", "czNjcjN0LW9mLWEtcGljdHVyZQ", "s3cr3t-of-a-key")
KEY = f"{SECRETS[2]}/+=x"
PICTURE = f"data:image/png;base64,{SECRETS[1] * 3}"
STATUSES = st.sampled_from(
    [
        *(200, 200, 200, 201, 204, 299, 301, 307, 400, 401, 402, 403, 404, 405, 408, 409, 413, 422, 429, 451, 499),
        *(500, 501, 502, 503, 504, 520, 599),
    ]
)
WORDS = st.sampled_from(
    [
        *(
            "pending",
            "processing",
            "in_progress",
            "completed",
            "SUCCESS",
            "failed",
            "cancelled",
            "success",
            "ok",
            "true",
        ),
        *("error", "do_request_failed", "fail_to_fetch_task", "task_not_exist", "model_not_found", "invalid_request"),
        *("insufficient_user_quota", "build_request_failed", "50411", "10000", "new_api_error", "1764549000123", "50%"),
        *("invalid_request_error", "2026-01-01T00:00:00Z", "video_upsampling"),
    ]
)
SPOKEN = st.sampled_from(
    [
        f"can't load https://b.example.com/a.png?X-Amz-Signature={SECRETS[0]} of {PICTURE}",
        f"https://me:{SECRETS[0]}@b.example.com/v.mp4?sig={SECRETS[0]}",
        f"Invalid token: Bearer {KEY}",
        f"Invalid token: {KEY}",
        PICTURE,
        "x" * 490 + f" https://me:{SECRETS[0]}@b.example.com/",
    ]
)
TEXTS = WORDS | SPOKEN | texts
KEYS = sorted(
    {"id", "task_id", "video_id", "data", "result", "output", "video", "task_result", "properties", "detail", "status"}
    | {"state", "task_status", "code", "message", "error", "success", "type", "err_code", "fail_reason", "progress"}
    | {"progress_pct", "url", "video_url", "result_url", "metadata", "content", "videos", "creations", "created_at"}
    | {"completed_at", "submit_time", "finish_time", "total_granted", "total_used", "total_available", "name"}
    | {"unlimited_quota", "model_limits", "model_limits_enabled", "expires_at", "thumbnail_url", "cover_url"}
)
values = json_values(TEXTS)
shaped: st.SearchStrategy[Any] = st.recursive(
    TEXTS | values,
    lambda inner: st.dictionaries(st.sampled_from(KEYS), inner, max_size=5) | st.lists(inner, max_size=2),
    max_leaves=12,
)


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 - JSON
    yield place
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from _places(part, (*place, key))


@st.composite
def changed(draw: st.DrawFn) -> Any:  # noqa: ANN401 - JSON
    """Draw a recorded reply in which some values are others, or are missing, or have others beside them."""
    body = json.loads(json.dumps(draw(st.sampled_from(BODIES))))
    for _ in range(draw(st.integers(0, 4))):
        *inside, last = draw(st.sampled_from(list(_places(body)))) or (None,)
        holder = body
        for key in inside:
            holder = holder[key]
        if last is None:
            body = {draw(st.sampled_from(KEYS)): body} if draw(st.booleans()) else body
        elif isinstance(holder, dict) and draw(st.booleans()):
            holder[draw(st.sampled_from(KEYS))] = draw(shaped)
        elif isinstance(holder, dict) and draw(st.integers(0, 4)) == 0:
            del holder[last]
        else:
            holder[last] = draw(shaped)
    return body


def _nest(depth: int, key: str, body: bytes) -> bytes:
    return b'{"id":"t","' + key.encode() + b'":' + (b'{"' + key.encode() + b'":') * depth + body + b"}" * (depth + 1)


replies = st.one_of(
    changed().map(lambda body: json.dumps(body).encode()),
    changed().map(lambda body: json.dumps(body, ensure_ascii=False).encode(errors="surrogatepass")),
    st.dictionaries(st.sampled_from(KEYS), shaped, max_size=8).map(lambda body: json.dumps(body).encode()),
    st.sampled_from(BODIES).flatmap(lambda body: spoilt(json.dumps(body).encode())),
    # Keys that come twice, and depth.
    st.lists(st.tuples(st.sampled_from(KEYS), TEXTS), max_size=6).map(
        lambda pairs: ("{" + ",".join(f"{json.dumps(key)}:{json.dumps(value)}" for key, value in pairs) + "}").encode()
    ),
    st.builds(_nest, st.integers(1, 3000), st.sampled_from(KEYS), st.sampled_from([b"1", b"[]", b'"t"', b"{"])),
    st.binary(max_size=60),
    SPOKEN.map(lambda text: f"<html><body>{text}</body></html>".encode()),
)


def check_task(task: VideoTask) -> None:
    assert task.id == task.id.strip() != ""
    assert task.id not in task.alt_ids
    assert len(set(task.alt_ids)) == len(task.alt_ids)
    assert task.progress is None or (0 <= task.progress <= 100)
    assert (task.error, task.error_code) == (None, None) or task.state is TaskState.FAILED
    assert task.video_url is None or task.state is TaskState.SUCCEEDED
    assert task.final == (task.state is TaskState.FAILED or task.video_url is not None)
    for time in (task.created_at, task.completed_at):
        assert time is None or time.utcoffset() == timedelta(0)
    assert VideoTask.model_validate_json(task.model_dump_json()) == task
    check_secrets(repr(task.model_copy(update={"id": "", "alt_ids": ()})))  # ids are verbatim


def check_error(error: OctopusXError) -> None:
    told = f"{error!r} {error} {error.code} {error.request_id}"
    check_secrets(told)
    assert len(told) < 5000
    told.encode(errors="strict")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301 - our own bytes
    assert error.__cause__ is None


def check_secrets(told: str) -> None:
    assert not [secret for secret in SECRETS if secret in told]


def may_be_accepted(status: int, body: Mapping[str, Any] | None) -> bool:
    """Tell, independently of the code, whether a create may have got through, by the contract's table of answers."""
    text = json.dumps(body) if body is not None else ""
    refusal = body is not None and any(f'"{code}"' in text for code in ("model_not_found", "build_request_failed"))
    return not (status == 429 or (refusal and status >= 500) or "get_origin_task" in text or "gen_relay_info" in text)


@fuzz(250, cheap=100)
@given(STATUSES, replies, st.none() | SPOKEN)
def test_any_answer_is_a_task_or_an_error(status: int, content: bytes, request_id: str | None) -> None:
    answer = Answer(status, content.replace(KEY.encode(), b"..."), request_id and request_id.replace(KEY, "..."))
    body = answer.body
    failed = create_error(answer, what="create of viduq3-pro")
    check_error(failed)
    if failed.resend_safe:
        assert not may_be_accepted(status, body)
        assert not 200 <= status < 400
    check_error(query_error(answer, task_id="t"))
    check_error(query_error(answer))
    if body is None:
        return
    task = read_created(body)
    if task is not None:
        check_task(task)
        accepted = 200 <= status < 300 or task.state in {TaskState.QUEUED, TaskState.RUNNING, TaskState.SUCCEEDED}
        if accepted and not isinstance(body.get("data"), str):
            assert type(failed) is SubmissionUncertain
            assert failed.task_id == task.id
    check_task(read_queried(body, "t"))
    usage = read_usage(body)
    if usage is not None:
        check_usage(usage)


def check_usage(usage: KeyUsage) -> None:
    assert all(map(math.isfinite, (usage.granted, usage.used, usage.available)))
    assert KeyUsage.model_validate_json(usage.model_dump_json()) == usage
    check_secrets(usage.name)


# Over HTTP

HEADERS = st.lists(
    st.sampled_from(
        [
            *(
                "Retry-After: 3",
                "Retry-After: -1",
                "Retry-After: nan",
                "Retry-After: 1e999",
                "Retry-After: 1_0",
                "X:",
            ),
            *("Location: /v1/x", "Location: http://[", "Location: //", "Location: http://%zz:99999/", "Location: \xff"),
            *("Location: https://other.example.com/?sig=" + SECRETS[0], "Location: javascript:x", "Location: http://"),
            *("X-Oneapi-Request-Id: " + KEY, "X-Oneapi-Request-Id: " + "r" * 9000, "X-Oneapi-Request-Id: \xff\xfe"),
            *("Content-Encoding: gzip", "Content-Encoding: deflate, gzip", "Content-Encoding: \x01", "Set-Cookie: ;=;"),
            *("Content-Type: text/html; charset=utf-7", "Content-Length: 3", "Content-Length: x", "Set-Cookie: a=b; "),
            *("Transfer-Encoding: chunked", "Transfer-Encoding: gzip", "Connection: close", " folded", ":", "\0: \0"),
        ]
    ),
    max_size=3,
)
STATUS_LINES = STATUSES.map(lambda status: f"HTTP/1.1 {status} X") | st.sampled_from(
    [
        *("HTTP/1.1 000 X", "HTTP/1.1 99 X", "HTTP/1.1 100 X", "HTTP/1.1 101 X", "HTTP/1.1 600 X", "HTTP/1.1 999", ""),
        *(
            "HTTP/1.0 200 OK",
            "HTTP/1.1 20x OK",
            "200",
            "HTTP/1.1 200 \xff",
            "SSH-2.0-x",
            "HTTP/1.1 303 X",
            "HTTP/2 200",
        ),
    ]
)


class Gateway:
    """A server that gives the same raw answer to whatever is asked, until it is given another one."""

    def __init__(self) -> None:
        self.answer = b""
        self.asked = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"POST"):
                self.asked += 1
            writer.write(self.answer)
            await writer.drain()
        writer.close()


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as running:
        yield running


def test_any_bytes_over_http_are_a_task_or_an_error(runner: asyncio.Runner) -> None:
    """Besides, a create is sent once whatever is answered."""
    gateway = Gateway()
    server = runner.run(_started(gateway))
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    client = OctopusXClient(api_key=KEY, base_url=url, create_timeout=20, query_timeout=20)

    @fuzz(60, cheap=20)
    @given(STATUS_LINES, HEADERS, replies)
    @example("HTTP/1.1 302 X", ["Location: http://["], b"")
    @example("HTTP/1.1 101 X", [], b'{"error":{"message":"x"}}')
    @example("HTTP/1.1 400 X", [], json.dumps({"error": f"bad key {KEY}"}).replace("/", "\\/").encode())
    def answers(status: str, headers: list[str], content: bytes) -> None:
        given = [
            status,
            *headers,
            *([] if "Transfer-Encoding: chunked" in headers else [f"Content-Length: {len(content)}"]),
        ]
        if "Transfer-Encoding: chunked" in headers and len(content) % 2:
            content = f"{len(content):x}\r\n".encode() + content + b"\r\n0\r\n\r\n"
        gateway.answer = "\r\n".join(given).encode() + b"\r\n\r\n" + content
        gateway.asked = 0
        task = runner.run(_outcome(client.create_video(CAT)))
        assert gateway.asked == 1
        if isinstance(task, OctopusXError) and task.resend_safe:
            assert status[9:12] in {"429", "500", "501", "502", "503", "504", "520", "599", "600", "999"}
        runner.run(_outcome(client.query_video("t", alt_ids=("u",))))
        runner.run(_outcome(client.key_usage()))

    try:
        answers()
    finally:
        runner.run(client.aclose())
        server.close()
        runner.run(server.wait_closed())


async def _started(gateway: Gateway) -> asyncio.Server:
    return await asyncio.start_server(gateway.serve, "127.0.0.1", 0)


async def _outcome(call: Awaitable[VideoTask | KeyUsage]) -> VideoTask | KeyUsage | OctopusXError:
    """Return what comes of a call; anything raised but a documented error fails the test."""
    try:
        found = await call
    except OctopusXError as error:
        check_error(error)
        return error
    if isinstance(found, VideoTask):
        check_task(found)
    else:
        check_usage(found)
    return found
