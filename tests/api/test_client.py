"""The client against the sandbox, over HTTP: what it sends, what it makes of the answers, and where the key goes."""

import asyncio
import contextlib
import logging
import socket
from pathlib import Path

import pytest

from prefect_octopusx.api import (
    AccessDenied,
    AuthenticationError,
    CustomRequest,
    DownloadError,
    EndpointNotFound,
    GatewayError,
    GatewayUnreachable,
    GrokRequest,
    InvalidRequest,
    JimengRequest,
    ModelUnavailable,
    NotSubmitted,
    OctopusXClient,
    OctopusXError,
    QuotaExceeded,
    RateLimited,
    RemixRequest,
    SoraRequest,
    SubmissionUncertain,
    TaskNotFound,
    TaskState,
    VeoRequest,
    VideoRequest,
    ViduRequest,
)
from prefect_octopusx.sandbox import Fault, Sandbox
from tests.pictures import png

CAT = ViduRequest(model="viduq3-pro", prompt="a cat chasing butterflies", duration=5)
GROK = GrokRequest(model="grok-video-3", prompt="a fox")


def client(sandbox: Sandbox, **settings: float) -> OctopusXClient:
    return OctopusXClient(api_key=sandbox.key, base_url=sandbox.url, **settings)


@pytest.mark.parametrize(
    "request_",
    [
        CAT,
        JimengRequest(model="jimeng-video-3.0", prompt="a paper boat", aspect_ratio="21:9", size="1080P"),
        VeoRequest(model="veo3.1-fast", prompt="a cow takes off", orientation="landscape"),
        SoraRequest(model="sora-2", prompt="clay animation of a fox"),
        GROK,
    ],
    ids=lambda request: request.family,
)
async def test_each_family_from_create_to_bytes(sandbox: Sandbox, request_: VideoRequest) -> None:
    async with client(sandbox) as gateway:
        task = await gateway.create_video(request_)
        assert not task.final
        while not task.final:
            task = await gateway.query_video(task.id, alt_ids=task.alt_ids)
            await asyncio.sleep(0.02)
        assert task.state is TaskState.SUCCEEDED
        assert task.video_url
        async with gateway.open_video(task.video_url) as video:
            data = b"".join([chunk async for chunk in video.chunks])
        assert video.declared_length == len(data)
        assert video.content_type == "video/mp4"
        assert data[4:8] == b"ftyp"
    assert len(sandbox.ledger) == 1


async def test_a_remix_is_a_new_job(sandbox: Sandbox) -> None:
    async with client(sandbox) as gateway:
        source = await gateway.create_video(GROK)
        remix = await gateway.remix_video(
            RemixRequest(
                model="grok-video-3", prompt="the same at dusk", size="720P", aspect_ratio="3:2", task_id=source.id
            )
        )
    assert remix.id != source.id
    assert len(sandbox.ledger) == 2


async def test_key_usage(sandbox: Sandbox) -> None:
    async with client(sandbox) as gateway:
        before = await gateway.key_usage()
        await gateway.create_video(CAT)
        after = await gateway.key_usage()
    assert after.used - before.used == sandbox.settings.price


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("usage_rate_limited_empty", RateLimited),
        ("usage_refused", AuthenticationError),
    ],
)
async def test_key_usage_refused(sandbox: Sandbox, kind: str, error: type[OctopusXError]) -> None:
    sandbox.add_fault(Fault(kind))
    async with client(sandbox) as gateway:
        with pytest.raises(error):
            await gateway.key_usage()


CREATE_FAULTS: list[tuple[str, type[OctopusXError], int]] = [
    # the fault, the error, how many creates were billed all the same
    ("create_rate_limited", RateLimited, 0),
    ("create_upstream_saturated", RateLimited, 0),
    ("create_model_not_found", ModelUnavailable, 0),
    ("create_build_request_failed", NotSubmitted, 0),
    ("create_no_channel", SubmissionUncertain, 0),
    ("create_do_request_failed", SubmissionUncertain, 0),
    ("create_business_code", InvalidRequest, 0),
    ("create_quota", QuotaExceeded, 0),
    ("create_ip_not_allowed", AccessDenied, 0),
    ("create_413", InvalidRequest, 0),
    ("create_408", SubmissionUncertain, 0),
    ("create_409", InvalidRequest, 0),
    ("create_499", SubmissionUncertain, 0),
    ("create_501", EndpointNotFound, 0),
    ("create_redirect", EndpointNotFound, 0),
    ("create_success_false", InvalidRequest, 0),
    ("create_html_502", SubmissionUncertain, 1),
    ("create_html_503", SubmissionUncertain, 0),
    ("create_html_504", SubmissionUncertain, 1),
    ("create_no_id", SubmissionUncertain, 1),
    ("create_not_json", SubmissionUncertain, 1),
    ("create_lost_reply", SubmissionUncertain, 1),
    ("create_reset", SubmissionUncertain, 1),
    ("create_closed", SubmissionUncertain, 0),
]


@pytest.mark.parametrize(("kind", "error", "billed"), CREATE_FAULTS, ids=[fault[0] for fault in CREATE_FAULTS])
async def test_a_create_is_sent_once_whatever_comes_back(
    sandbox: Sandbox, kind: str, error: type[OctopusXError], billed: int
) -> None:
    sandbox.add_fault(Fault(kind))
    async with client(sandbox) as gateway:
        with pytest.raises(OctopusXError) as caught:
            await gateway.create_video(CAT)
    assert type(caught.value) is error
    assert [trace.method for trace in sandbox.requests] == ["POST"]
    assert len(sandbox.ledger) == billed
    if billed:
        assert not caught.value.resend_safe
    assert sandbox.key not in str(caught.value)


async def test_a_create_that_is_answered_too_late_is_uncertain(sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault("create_slow", delay=2))
    async with client(sandbox, create_timeout=0.1) as gateway:
        with pytest.raises(SubmissionUncertain, match=r"No certain answer .* may be in the making and billed"):
            await gateway.create_video(CAT)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_what_was_never_sent_may_be_sent_again(sandbox: Sandbox, scheme: str) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        # Nobody listens there; and the sandbox does not speak TLS.
        address = f"127.0.0.1:{nobody.getsockname()[1]}" if scheme == "http" else sandbox.url.removeprefix("http://")
        async with OctopusXClient(api_key="sk-x", base_url=f"{scheme}://{address}") as gateway:
            with pytest.raises(GatewayUnreachable, match="can't be reached") as caught:
                await gateway.create_video(CAT)
    assert caught.value.resend_safe
    assert not sandbox.ledger


async def test_a_wrong_key(sandbox: Sandbox) -> None:
    async with OctopusXClient(api_key="sk-wrong-key", base_url=sandbox.url) as gateway:
        with pytest.raises(AuthenticationError) as caught:
            await gateway.create_video(CAT)
        with pytest.raises(AuthenticationError):
            await gateway.key_usage()
    assert "wrong-key" not in str(caught.value)


@pytest.mark.parametrize("key", ["", "  ", "sk-\u2026", "sk-a\nb"])
def test_a_key_that_can_be_none(key: str) -> None:
    with pytest.raises(InvalidRequest, match="api_key"):
        OctopusXClient(api_key=key)


async def test_white_space_around_key_and_address_does_not_matter(sandbox: Sandbox) -> None:
    async with OctopusXClient(api_key=f" {sandbox.key}\n", base_url=f"{sandbox.url}/v1/") as gateway:
        await gateway.create_video(CAT)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("query_500", GatewayError),
        ("query_html", GatewayError),
        ("query_rate_limited", RateLimited),
        ("query_reset", GatewayError),
        ("query_closed", GatewayError),
        ("query_task_not_exist", TaskNotFound),
    ],
)
async def test_a_query_without_an_answer_may_be_asked_again(
    sandbox: Sandbox, kind: str, error: type[OctopusXError]
) -> None:
    async with client(sandbox) as gateway:
        task = await gateway.create_video(CAT)
        sandbox.add_fault(Fault(kind))
        with pytest.raises(OctopusXError) as caught:
            await gateway.query_video(task.id)
        assert type(caught.value) is error
        assert (await gateway.query_video(task.id)).id == task.id


async def test_retry_after_is_read(sandbox: Sandbox) -> None:
    async with client(sandbox) as gateway:
        task = await gateway.create_video(CAT)
        sandbox.add_fault(Fault("query_rate_limited"))
        with pytest.raises(RateLimited) as caught:
            await gateway.query_video(task.id)
    assert caught.value.retry_after is not None
    assert caught.value.retry_after > 0


async def test_another_id_of_the_reply_is_tried_where_the_first_is_not_known(sandbox: Sandbox) -> None:
    async with client(sandbox) as gateway:
        task = await gateway.create_video(GROK)
        assert task.alt_ids
        known = await gateway.query_video("no-such-id", alt_ids=("nor-this", *task.alt_ids))
        assert known.id == "no-such-id"  # what the caller asks with stays the id
        with pytest.raises(TaskNotFound):
            await gateway.query_video("no-such-id", alt_ids=("nor-this",))


async def test_a_wrong_base_url(sandbox: Sandbox) -> None:
    async with OctopusXClient(api_key=sandbox.key, base_url=f"{sandbox.url}/api/v2") as gateway:
        with pytest.raises(EndpointNotFound, match="base_url"):
            await gateway.create_video(CAT)
        with pytest.raises(EndpointNotFound, match="base_url"):
            await gateway.query_video("t")


@pytest.mark.parametrize(
    "url",
    ["octopusx.ai", "http://127.0.0.1:99999", "http://host:abc", "http://a b", "https://octopusx.ai/v1/video/create"],
)
def test_an_address_that_can_be_none(url: str) -> None:
    with pytest.raises(ValueError, match=r"base_url: .* is not a gateway's address"):
        OctopusXClient(api_key="sk-x", base_url=url)


async def test_an_answer_that_trickles_is_given_up_as_a_whole() -> None:
    """The limit is on the whole answer: a byte now and then must not hold a claim beyond its life."""
    left = asyncio.Event()

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while not writer.is_closing():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.05)
        writer.close()
        left.set()

    server = await asyncio.start_server(trickle, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with OctopusXClient(api_key="sk-x", base_url=url, create_timeout=0.5) as gateway:
        with pytest.raises(SubmissionUncertain, match=r"not there, whole, after 0.5 s"):
            await gateway.create_video(CAT)
    await left.wait()
    server.close()
    await server.wait_closed()


async def test_soft_rules_warn_once_when_the_request_is_sent(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    request = ViduRequest(model="viduq3-pro", prompt="x", voice_id="v")
    assert request.warnings()
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        async with client(sandbox) as gateway:
            await gateway.create_video(request)
    warned = [record.getMessage() for record in caplog.records if "voice_id" in record.getMessage()]
    assert len(warned) == 1


async def test_a_picture_that_is_gone_when_it_is_to_be_sent(sandbox: Sandbox, tmp_path: Path) -> None:
    picture = tmp_path / "first.png"
    picture.write_bytes(png())
    request = ViduRequest(model="viduq2-pro", prompt="x", images=[picture])
    picture.unlink()
    async with client(sandbox) as gateway:
        with pytest.raises(InvalidRequest, match=r"was not sent.*first\.png"):
            await gateway.create_video(request)
    assert not sandbox.requests


async def test_any_model_and_field_can_be_sent(sandbox: Sandbox) -> None:
    async with client(sandbox) as gateway:
        with pytest.raises(ModelUnavailable):  # the sandbox does not know the model either, but it was asked
            await gateway.create_video(CustomRequest(model="kling-9", prompt="x", camera="dolly"))


DOWNLOAD_FAULTS = [
    ("file_expired", "expired"),
    ("file_404", "expired"),
    ("file_410", "expired"),
    ("file_truncated", "broke off"),
    ("file_reset", "can't be fetched"),
]


@pytest.mark.parametrize(("kind", "words"), DOWNLOAD_FAULTS)
async def test_downloads_that_fail(sandbox: Sandbox, kind: str, words: str) -> None:
    url = await finished(sandbox)
    sandbox.add_fault(Fault(kind))
    async with client(sandbox) as gateway:
        with pytest.raises(DownloadError, match=words) as caught:
            async with gateway.open_video(url) as video:
                [chunk async for chunk in video.chunks]
    assert "sig=" not in str(caught.value)
    assert caught.value.retryable


@pytest.mark.parametrize("kind", ["file_redirect_same_origin", "file_redirect_cross_origin", "file_no_length"])
async def test_downloads_that_take_a_turn(sandbox: Sandbox, kind: str) -> None:
    url = await finished(sandbox)
    sandbox.add_fault(Fault(kind))
    async with client(sandbox) as gateway, gateway.open_video(url) as video:
        data = b"".join([chunk async for chunk in video.chunks])
    assert data[4:8] == b"ftyp"


async def test_endless_redirects_end(sandbox: Sandbox) -> None:
    url = await finished(sandbox)
    sandbox.add_fault(Fault("file_redirect_same_origin", times=None))
    async with client(sandbox) as gateway:
        with pytest.raises(DownloadError, match="more than 5 times"):
            async with gateway.open_video(url):
                pass


async def test_the_gateway_itself_serves_the_file_to_the_key(sandbox: Sandbox) -> None:
    await finished(sandbox)
    async with client(sandbox) as gateway, gateway.open_video(gateway.content_url(sandbox.jobs[0].id)) as video:
        assert b"".join([chunk async for chunk in video.chunks])[4:8] == b"ftyp"


async def test_signed_urls_stay_out_of_httpx_logs(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    url = await finished(sandbox)
    with caplog.at_level(logging.DEBUG):
        async with client(sandbox) as gateway, gateway.open_video(url) as video:
            [chunk async for chunk in video.chunks]
    logged = "\n".join(record.getMessage() for record in caplog.records)
    assert "/files/" in logged
    assert "sig=" not in logged
    assert sandbox.key not in logged


async def finished(sandbox: Sandbox) -> str:
    async with client(sandbox) as gateway:
        task = await gateway.create_video(CAT)
        while not task.final:
            await asyncio.sleep(0.02)
            task = await gateway.query_video(task.id)
        assert task.video_url
        return task.video_url


class Odd:
    """A server for what no sandbox does: one raw answer to whatever is asked."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __aenter__(self) -> str:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        await self.server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head.decode().splitlines()[0])
        writer.write(self.answers.pop(0))
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def http_answer(status: str, body: bytes, *headers: str, length: int | None = None) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return ("\r\n".join(head) + "\r\n\r\n").encode() + body


@pytest.mark.parametrize(
    "answer",
    [
        http_answer("200 OK", b'{"id":"t"', length=1000),  # breaks off in the body
        http_answer("200 OK", b'{"id":"' + b"x" * 9_000_000 + b'"}'),  # larger than any reply
        b"not http at all\r\n\r\n",
    ],
    ids=["cut", "huge", "no http"],
)
async def test_answers_that_can_not_be_read(answer: bytes) -> None:
    async with Odd(answer, answer) as url, OctopusXClient(api_key="sk-x", base_url=url) as gateway:
        with pytest.raises(SubmissionUncertain, match="No certain answer to the create of viduq3-pro"):
            await gateway.create_video(CAT)
        with pytest.raises(GatewayError, match="No answer to GET /v1/video/query"):
            await gateway.query_video("t")


async def test_half_a_character_in_an_answer_can_be_written_down() -> None:
    """Some upstreams cut a text in the midst of an emoji, and then no UTF-8 can be made of it."""
    refusal = http_answer("400 Bad Request", rb'{"error":{"message":"no \ud83d\ude00 \ud83d"}}')
    async with Odd(refusal) as url, OctopusXClient(api_key="sk-x", base_url=url) as gateway:
        with pytest.raises(InvalidRequest) as caught:
            await gateway.create_video(CAT)
        assert str(caught.value).encode().decode().startswith("The gateway refused the create of viduq3-pro: no 😀 ?")
    created = http_answer("200 OK", rb'{"id":"t","task_id":"u\ud83d","status":"failed","error":"\ud83d"}')
    async with Odd(created) as url, OctopusXClient(api_key="sk-x", base_url=url) as gateway:
        assert (await gateway.create_video(CAT)).model_dump_json()


async def test_a_page_that_repeats_the_key_does_not_spread_it() -> None:
    page = http_answer("400 Bad Request", b'{"error":{"message":"Invalid token: 0123456789abcdef"}}')
    async with Odd(page) as url, OctopusXClient(api_key="0123456789abcdef", base_url=url) as gateway:
        with pytest.raises(InvalidRequest, match="Invalid token: …"):
            await gateway.create_video(CAT)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"success":false,"data":"no quota"}', InvalidRequest),
        (b'{"error":{"message":"overloaded","type":"x"},"id":"req_1"}', SubmissionUncertain),
        (b'{"code":"do_request_failed","message":"lost","data":null}', SubmissionUncertain),
    ],
)
async def test_a_refusal_with_text_in_it_is_no_task(body: bytes, error: type[OctopusXError]) -> None:
    async with Odd(http_answer("200 OK", body)) as url, OctopusXClient(api_key="sk-x", base_url=url) as gateway:
        with pytest.raises(OctopusXError) as caught:
            await gateway.create_video(CAT)
    assert type(caught.value) is error


async def test_a_question_may_be_redirected_within_the_gateway() -> None:
    moved = http_answer("301 Moved Permanently", b"", "Location: /v1/video/query/?id=t")
    found = http_answer("200 OK", b'{"id":"t","status":"processing"}')
    odd = Odd(moved, found, moved, moved, moved)
    async with odd as url, OctopusXClient(api_key="sk-x", base_url=url) as gateway:
        assert (await gateway.query_video("t")).state is TaskState.RUNNING
        assert odd.asked == ["GET /v1/video/query?id=t HTTP/1.1", "GET /v1/video/query/?id=t HTTP/1.1"]
        with pytest.raises(EndpointNotFound, match="again and again"):
            await gateway.query_video("t")


async def test_a_question_is_not_redirected_to_a_stranger() -> None:
    away = http_answer("302 Found", b"", "Location: https://elsewhere.example.com/?id=t")
    async with Odd(away) as url, OctopusXClient(api_key="sk-x", base_url=url) as gateway:
        with pytest.raises(EndpointNotFound, match="redirects to https://elsewhere"):
            await gateway.query_video("t")


async def test_a_redirect_to_no_address_at_all() -> None:
    away = http_answer("302 Found", b"", "Location: http://[")
    async with Odd(away) as url, OctopusXClient(api_key="sk-x", base_url=url) as gateway:
        with pytest.raises(EndpointNotFound):
            await gateway.create_video(CAT)


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("soon", None), ("-1", None), ("inf", None)])
async def test_retry_after_in_seconds_or_not_at_all(header: str, seconds: float | None) -> None:
    busy = http_answer("429 Too Many Requests", b"", f"Retry-After: {header}")
    async with Odd(busy) as url, OctopusXClient(api_key="sk-x", base_url=url) as gateway:
        with pytest.raises(RateLimited) as caught:
            await gateway.query_video("t")
    assert caught.value.retry_after == seconds


async def test_ids_are_percent_encoded() -> None:
    found = http_answer("200 OK", b'{"status":"processing"}')
    odd = Odd(found)
    async with odd as url, OctopusXClient(api_key="sk-x", base_url=url) as gateway:
        await gateway.query_video("grok:a&b=c/../d é")
    assert odd.asked == ["GET /v1/video/query?id=grok%3Aa%26b%3Dc%2F..%2Fd+%C3%A9 HTTP/1.1"]


async def test_a_video_host_that_fails() -> None:
    async with Odd(http_answer("500 Oh", b"")) as url, OctopusXClient(api_key="sk-x") as gateway:
        with pytest.raises(DownloadError, match="did not give the video"):
            async with gateway.open_video(f"{url}/a.mp4?sig=SECRET"):
                pass
