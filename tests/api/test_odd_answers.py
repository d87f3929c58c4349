"""Answers that no sandbox gives: cut, endless, huge, misdirected or contradictory ones, byte by byte."""

import asyncio
import contextlib

import pytest

from prefect_octopusx.api import (
    EndpointNotFound,
    GatewayError,
    InvalidRequest,
    OctopusXClient,
    OctopusXError,
    RateLimited,
    SubmissionUncertain,
    TaskState,
)
from tests.api.gateways import CAT, Odd, http_answer


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


async def test_a_key_that_comes_back_in_another_writing_is_not_spread() -> None:
    key = "abcd/efgh+ijkl"
    said = rb'{"error":"bad abcd\/efgh+ijkl, abcd%2Fefgh%2Bijkl"}'
    page = http_answer("400 Bad Request", said, f"X-Oneapi-Request-Id: {key}")
    async with Odd(page) as url, OctopusXClient(api_key=key, base_url=url) as gateway:
        with pytest.raises(InvalidRequest, match=r"bad …, … \[HTTP 400, request id …\]"):
            await gateway.create_video(CAT)


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
