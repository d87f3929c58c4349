"""The client against the sandbox, over HTTP: what it sends, what it makes of the answers, and where the key goes."""

import asyncio
import logging
import socket
from pathlib import Path

import pytest

from prefect_octopusx.api import (
    AccessDenied,
    AuthenticationError,
    CustomRequest,
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
from tests.api.gateways import CAT, client
from tests.pictures import png

GROK = GrokRequest(model="grok-video-3", prompt="a fox")


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
