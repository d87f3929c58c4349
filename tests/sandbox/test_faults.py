"""Every kind of fault does what it says, and bills what it says."""

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest

from prefect_octopusx.sandbox import Fault
from prefect_octopusx.sandbox.faults import KINDS
from prefect_octopusx.sandbox.trouble import ANSWERS

if TYPE_CHECKING:
    from tests.sandbox.conftest import Client, Clock

# kind: status, a word of the body, whether it is billed
CREATES = {
    "create_invalid_key": (401, "Invalid token", False),
    "create_402": (402, "new_api_error", False),
    "create_ip_not_allowed": (403, "access_denied", False),
    "create_model_not_allowed": (403, "no access to model", False),
    "create_not_found": (404, "Invalid URL", False),
    "create_rate_limited": (429, "new_api_error", False),
    "create_rate_limited_empty": (429, "", False),
    "create_model_not_found": (503, "model_not_found", False),
    "create_database_error": (500, "new_api_error", False),
    "create_501": (501, "api_not_implemented", False),
    "create_invalid_request": (400, "invalid_request", False),
    "create_model_price_error": (400, "model_price_error", False),
    "create_task_failed": (400, "task_failed", False),
    "create_quota": (403, "pre_consume_token_quota_failed", False),
    "create_user_quota": (403, "insufficient_user_quota", False),
    "create_413": (413, "read_request_body_failed", False),
    "create_upstream_saturated": (429, "fail_to_fetch_task", False),
    "create_no_channel": (500, "get_channel_failed", False),
    "create_do_request_failed": (500, "do_request_failed", False),
    "create_read_response_failed": (500, "read_response_body_failed", False),
    "create_unmarshal_failed": (500, "unmarshal_response_body_failed", False),
    "create_business_code": (500, '"50411"', False),
    "create_500": (500, "fail_to_fetch_task", False),
    "create_500_empty": (500, "", False),
    "create_502_relayed": (502, "fail_to_fetch_task", False),
    "create_503_relayed": (503, "fail_to_fetch_task", False),
    "create_504_relayed": (504, "fail_to_fetch_task", False),
    "create_build_request_failed": (500, "build_request_failed", False),
    "create_gen_relay_info_failed": (500, "gen_relay_info_failed", False),
    "create_get_origin_task_failed": (500, "get_origin_task_failed", False),
    "create_policy_violation": (400, "TaskPromptPolicyViolation", False),
    "create_audit_submit_illegal": (400, "AuditSubmitIllegal", False),
    "create_image_download_failure": (400, "ImageDownloadFailure", False),
    "create_image_format_invalid": (400, "ImageFormatInvalid", False),
    "create_page_size_out_of_range": (400, "PageSizeOutOfRange", False),
    "create_model_unavailable": (400, "ModelUnavailable", False),
    "create_operation_in_process": (400, "OperationInProcess", False),
    "create_credit_insufficient": (400, "CreditInsufficient", False),
    "create_408": (408, "fail_to_fetch_task", False),
    "create_409": (409, "Conflict", False),
    "create_499": (499, "Canceled", False),
    "create_success_false": (200, '"success": false', False),
    "create_code_error": (200, "fail_to_fetch_task", False),
    "create_no_id": (200, "processing", True),
    "create_not_json": (200, "OK", True),
    "create_empty": (200, "", True),
    "create_redirect": (307, "", False),
    "create_redirect_303": (303, "", False),
    "create_html_413": (413, "<html>", False),
    "create_html_502": (502, "<html>", True),
    "create_html_503": (503, "<html>", False),
    "create_html_504": (504, "<html>", True),
    "create_html_520": (520, "<html>", True),
    "create_html_524": (524, "<html>", True),
}
QUERIES = {
    "query_invalid_key": (401, "Invalid token"),
    "query_ip_not_allowed": (403, "access_denied"),
    "query_model_not_allowed": (403, "no access to model"),
    "query_not_found": (404, "Invalid URL"),
    "query_rate_limited": (429, "new_api_error"),
    "query_rate_limited_empty": (429, ""),
    "query_model_not_found": (503, "model_not_found"),
    "query_database_error": (500, "new_api_error"),
    "query_501": (501, "api_not_implemented"),
    "query_task_not_exist": (400, "task_not_exist"),
    "query_404_unknown": (404, "TaskNotFound"),
    "query_upstream_saturated": (429, "fail_to_fetch_task"),
    "query_no_channel": (500, "get_channel_failed"),
    "query_do_request_failed": (500, "do_request_failed"),
    "query_read_response_failed": (500, "read_response_body_failed"),
    "query_unmarshal_failed": (500, "unmarshal_response_body_failed"),
    "query_500": (500, "fail_to_fetch_task"),
    "query_500_empty": (500, ""),
    "query_502_relayed": (502, "fail_to_fetch_task"),
    "query_503_relayed": (503, "fail_to_fetch_task"),
    "query_504_relayed": (504, "fail_to_fetch_task"),
    "query_408": (408, "fail_to_fetch_task"),
    "query_409": (409, "Conflict"),
    "query_499": (499, "Canceled"),
    "query_success_false": (200, '"success": false'),
    "query_code_error": (200, "fail_to_fetch_task"),
    "query_not_json": (200, "OK"),
    "query_empty": (200, ""),
    "query_null_data": (200, '"data": null'),
    "query_redirect": (307, ""),
    "query_html": (200, "<html>"),
    "query_html_502": (502, "<html>"),
    "query_html_503": (503, "<html>"),
    "query_html_504": (504, "<html>"),
    "query_html_520": (520, "<html>"),
    "query_html_524": (524, "<html>"),
}
USAGES = {
    "usage_rate_limited_empty": (429, ""),
    "usage_html_502": (502, "<html>"),
    "usage_html_503": (503, "<html>"),
    "usage_html_504": (504, "<html>"),
    "usage_refused": (200, '"success": false'),
}
FILES = {
    "file_expired": (403, "Request has expired"),
    "file_404": (404, "NoSuchKey"),
    "file_410": (410, "Gone"),
    "file_500": (500, "InternalError"),
    "file_502": (502, '"error"'),
    "file_503": (503, "SlowDown"),
    "file_html": (200, "<html>"),
    "file_json": (200, '"error"'),
    "file_empty": (200, ""),
}


def test_all_answers_are_checked_here() -> None:
    assert ANSWERS.keys() == CREATES.keys() | QUERIES.keys() | USAGES.keys() | FILES.keys()
    assert ANSWERS.keys() < KINDS.keys()


def checks(reply: httpx.Response, status: int, word: str) -> bool:
    """Return whether a reply has a status and a word; an empty word stands for an empty body."""
    return reply.status_code == status and (word in reply.text if word else not reply.content)


@pytest.mark.parametrize("kind", CREATES)
def test_create_answers(client: "Client", kind: str) -> None:
    client.sandbox.add_fault(Fault(kind))
    status, word, billed = CREATES[kind]

    assert checks(client.create(), status, word)
    assert len(client.sandbox.ledger) == billed
    assert client.create().json()["task_id"]


@pytest.mark.parametrize(("kind", "billed"), [("create_html_503", True), ("create_html_504", False)])
def test_a_fault_can_say_itself_whether_it_is_billed(client: "Client", kind: str, billed: bool) -> None:
    client.sandbox.add_fault(Fault(kind, billed=billed))
    client.create()

    assert len(client.sandbox.ledger) == billed


@pytest.mark.parametrize("kind", QUERIES)
def test_query_answers(client: "Client", kind: str) -> None:
    task_id = client.create_id()
    client.sandbox.add_fault(Fault(kind, times=2))
    status, word = QUERIES[kind]

    assert checks(client.query(task_id), status, word)
    assert checks(client.query(task_id), status, word)
    assert client.query(task_id).json()["id"] == task_id


@pytest.mark.parametrize("kind", USAGES)
def test_usage_answers(client: "Client", kind: str) -> None:
    client.sandbox.add_fault(Fault(kind))

    assert checks(client.http.get("/api/usage/token/"), *USAGES[kind])
    assert client.http.get("/api/usage/token/").json()["code"] is True


@pytest.mark.parametrize("kind", FILES)
def test_file_answers(instant: "Client", plain: httpx.Client, kind: str) -> None:
    url = instant.video_url(instant.create_id())
    instant.sandbox.add_fault(Fault(kind))

    assert checks(plain.get(url), *FILES[kind])
    assert plain.get(url).content[4:8] == b"ftyp"


@pytest.mark.parametrize("kind", ["create_rate_limited", "query_rate_limited"])
def test_the_gateway_s_own_limit_says_when_to_come_back(client: "Client", kind: str) -> None:
    task_id = client.create_id()
    client.sandbox.add_fault(Fault(kind))
    reply = client.create() if kind.startswith("create") else client.query(task_id)

    assert reply.headers["retry-after"] == "1"


def test_redirects_lead_to_another_origin_that_answers(client: "Client") -> None:
    client.sandbox.add_fault(Fault("create_redirect"))
    location = httpx.URL(client.create().headers["location"])

    assert (location.host, location.path) == ("localhost", "/v1/video/create")
    assert location.port == urlsplit(client.sandbox.url).port


@pytest.mark.parametrize(
    ("kind", "error", "billed"),
    [
        ("create_lost_reply", httpx.RemoteProtocolError, 1),
        ("create_reset", httpx.ReadError, 1),
        ("create_closed", httpx.RemoteProtocolError, 0),
    ],
)
def test_lost_creates(client: "Client", kind: str, error: type[Exception], billed: int) -> None:
    client.sandbox.add_fault(Fault(kind))

    with pytest.raises(error):
        client.create()

    assert len(client.sandbox.ledger) == len(client.sandbox.jobs) == billed
    assert [request.status for request in client.sandbox.requests] == [0]
    assert client.create().status_code == 200


@pytest.mark.parametrize(
    ("kind", "error"), [("query_reset", httpx.ReadError), ("query_closed", httpx.RemoteProtocolError)]
)
def test_lost_queries(client: "Client", kind: str, error: type[Exception]) -> None:
    task_id = client.create_id()
    client.sandbox.add_fault(Fault(kind))

    with pytest.raises(error):
        client.query(task_id)

    assert client.query(task_id).status_code == 200


def test_a_create_slower_than_the_client_is_billed(client: "Client") -> None:
    client.sandbox.add_fault(Fault("create_slow", delay=30))

    with pytest.raises(httpx.ReadTimeout):
        client.http.post("/v1/video/create", json={"model": "viduq3-pro", "prompt": "x", "images": []}, timeout=0.1)

    assert len(client.sandbox.ledger) == 1


@pytest.mark.parametrize("kind", ["create_slow", "query_slow", "file_slow"])
def test_slow_answers_are_right(instant: "Client", plain: httpx.Client, kind: str) -> None:
    task_id = instant.create_id()
    url = instant.video_url(task_id)
    instant.sandbox.add_fault(Fault(kind, delay=0.1))
    began = time.monotonic()
    replies = [instant.create(), instant.query(task_id), plain.get(url)]

    assert [reply.status_code for reply in replies] == [200, 200, 200]
    assert time.monotonic() - began >= 0.1


def test_failed_inline_is_refunded(client: "Client") -> None:
    client.sandbox.add_fault(Fault("create_failed_inline"))
    reply = client.create().json()

    assert reply["status"] == "failed"
    assert client.query(reply["task_id"]).json()["status"] == "failed"
    assert [charge.refunded for charge in client.sandbox.ledger] == [True]


def test_other_shapes_of_a_create_reply(client: "Client") -> None:
    client.sandbox.add_fault(Fault("create_openai_like"))
    client.sandbox.add_fault(Fault("create_wrapped"))
    openai_like, wrapped = client.create().json(), client.create().json()
    first, second = (job.id for job in client.sandbox.jobs)

    assert (openai_like["id"], openai_like["task_id"], openai_like["status"]) == (first, first, "queued")
    assert wrapped == {"code": "success", "message": "", "data": second}


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("query_unknown_state", "unknown"),
        ("query_generation_completed", "video_generation_completed"),
        ("query_upsampling", "video_upsampling"),
    ],
)
@pytest.mark.parametrize("model", ["veo3.1", "viduq3-pro", "sora-2"])
def test_states_that_are_not_final(instant: "Client", kind: str, status: str, model: str) -> None:
    task_id = instant.create_id(model=model)
    instant.sandbox.add_fault(Fault(kind))
    reply = instant.query(task_id).json()

    assert (reply["status"], reply.get("video_url")) == (status, None)
    assert instant.query(task_id).json()["status"] == "completed"


@pytest.mark.parametrize(
    ("kind", "path", "running", "done"),
    [
        ("query_wrapped", "data.result_url", ("data.status", "IN_PROGRESS"), ("data.progress", "100%")),
        ("query_metadata_url", "metadata.url", ("status", "in_progress"), ("status", "completed")),
        ("query_result_url", "result_url", ("status", "processing"), ("status", "succeeded")),
        ("query_nested", "data.data.content.video_url", ("data.data.status", "running"), ("data.status", "SUCCESS")),
        ("query_native", "creations.0.url", ("state", "processing"), ("state", "success")),
    ],
)
def test_shapes_that_leak_through(
    client: "Client", clock: "Clock", kind: str, path: str, running: tuple[str, str], done: tuple[str, str]
) -> None:
    task_id = client.create_id()
    client.sandbox.add_fault(Fault(kind, times=None))
    clock.now += 4
    assert at(client.query(task_id).json(), running[0]) == running[1]

    clock.now += 6
    reply = client.query(task_id).json()

    assert at(reply, done[0]) == done[1]
    assert at(reply, path).startswith("http://")


def test_jimeng_has_a_native_shape_of_its_own(instant: "Client") -> None:
    task_id = instant.create_id(model="jimeng-video-3.0", aspect_ratio="16:9", size="720P")
    instant.sandbox.add_fault(Fault("query_native"))
    reply = instant.query(task_id).json()

    assert (reply["status"], reply["data"]["status"]) == (10000, "done")
    assert reply["data"]["video_url"].startswith("http://")


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("video_failed", "error.message", "no cats"),
        ("video_failed_string", "error", "no cats"),
        ("video_failed_object", "error.code", "CreationPolicyViolation"),
        ("video_failed_bare", "status", "video_generation_failed"),
        ("video_failed_wrapped", "data.fail_reason", "no cats"),
        ("video_failed_timeout", "data.fail_reason", "任务超时（1440分钟）"),  # noqa: RUF001 - the engine's own text
        ("video_cancelled", "status", "cancelled"),
    ],
)
def test_videos_that_fail(client: "Client", clock: "Clock", kind: str, path: str, value: str) -> None:
    client.sandbox.add_fault(Fault(kind, reason="no cats"))
    task_id = client.create_id()
    assert "no cats" not in client.query(task_id).text
    clock.now += 10

    assert at(client.query(task_id).json(), path) == value
    assert client.http.get(f"/v1/videos/{task_id}/content").status_code == 400
    assert [charge.refunded for charge in client.sandbox.ledger] == [True]


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("veo3.1", "error_message"),
        ("sora-2", "error.message"),
        ("grok-video-3", "fail_reason"),
        ("viduq3-pro", "error.message"),
    ],
)
def test_families_tell_failures_in_their_own_ways(instant: "Client", model: str, path: str) -> None:
    instant.sandbox.add_fault(Fault("video_failed"))

    assert at(instant.query(instant.create_id(model=model)).json(), path) == "content rejected"


def test_slow_and_stuck_videos(client: "Client", clock: "Clock") -> None:
    client.sandbox.add_fault(Fault("video_slow", delay=100))
    client.sandbox.add_fault(Fault("video_stuck"))
    slow, stuck = client.create_id(), client.create_id()
    clock.now += 108
    assert client.query(slow).json()["status"] == "processing"
    clock.now += 2
    assert client.query(slow).json()["status"] == "completed"
    clock.now += 1_000_000
    assert client.query(stuck).json()["status"] == "processing"
    assert client.http.get("/sandbox/jobs").json()[1]["ready_at"] is None


def test_the_url_comes_late(client: "Client", clock: "Clock") -> None:
    task_id = client.create_id()
    client.sandbox.add_fault(Fault("video_url_late", times=2))
    client.query(task_id)
    clock.now += 10
    seen = [client.query(task_id).json() for _ in range(3)]

    assert {reply["status"] for reply in seen} == {"completed"}
    assert [bool(reply["video_url"]) for reply in seen] == [False, False, True]


def test_the_url_never_comes_but_the_content_does(instant: "Client") -> None:
    instant.sandbox.add_fault(Fault("video_url_missing"))
    task_id = instant.create_id()

    assert [instant.query(task_id).json()["video_url"] for _ in range(3)] == [None] * 3
    assert instant.http.get(f"/v1/videos/{task_id}/content").content[4:8] == b"ftyp"


def test_the_url_in_fail_reason(client: "Client", clock: "Clock", plain: httpx.Client) -> None:
    client.sandbox.add_fault(Fault("video_url_in_fail_reason"))
    task_id = client.create_id()
    assert client.query(task_id).json()["data"]["fail_reason"] == ""
    clock.now += 10
    reply = client.query(task_id).json()

    assert (reply["data"]["status"], "result_url" in reply["data"]) == ("SUCCESS", False)
    assert plain.get(reply["data"]["fail_reason"]).status_code == 200


def test_the_url_of_the_gateway(instant: "Client", plain: httpx.Client) -> None:
    instant.sandbox.add_fault(Fault("video_url_gateway"))
    url = instant.video_url(instant.create_id())

    assert url.startswith(instant.sandbox.url)
    assert plain.get(url).status_code == 401
    assert instant.http.get(url).content[4:8] == b"ftyp"


def test_broken_downloads(instant: "Client", plain: httpx.Client) -> None:
    url = instant.video_url(instant.create_id())
    whole = plain.get(url).content
    for kind, error in (("file_reset", httpx.ReadError), ("file_truncated", httpx.RemoteProtocolError)):
        instant.sandbox.add_fault(Fault(kind))
        with pytest.raises(error):
            plain.get(url)
    for kind in ("file_cut", "file_no_length", "file_octet_stream"):
        instant.sandbox.add_fault(Fault(kind))
    cut, no_length, octet_stream = (plain.get(url) for _ in range(3))

    assert cut.content == whole[: int(len(whole) * 0.6)]
    assert int(cut.headers["content-length"]) == len(cut.content)
    assert ("content-length" in no_length.headers, no_length.content) == (False, whole)
    assert (octet_stream.headers["content-type"], octet_stream.content) == ("application/octet-stream", whole)
    assert plain.get(url).content == whole


@pytest.mark.parametrize(
    ("kind", "host"), [("file_redirect_same_origin", "127.0.0.1"), ("file_redirect_cross_origin", "localhost")]
)
def test_redirected_downloads(instant: "Client", plain: httpx.Client, kind: str, host: str) -> None:
    url = instant.video_url(instant.create_id())
    instant.sandbox.add_fault(Fault(kind))

    reply = plain.get(url, follow_redirects=True)

    assert ([step.status_code for step in reply.history], reply.url.host) == ([307], host)
    assert reply.content[4:8] == b"ftyp"


def test_file_faults_hit_the_content_endpoint_too(instant: "Client") -> None:
    task_id = instant.create_id()
    instant.sandbox.add_fault(Fault("file_502"))

    assert instant.http.get(f"/v1/videos/{task_id}/content").status_code == 502


def test_a_fault_hits_only_what_it_matches(client: "Client") -> None:
    client.sandbox.add_fault(Fault("create_500", match="cats"))
    client.sandbox.add_fault(Fault("query_500", match="sora-2", times=None))
    vidu, sora = client.create_id(prompt="dogs"), client.create_id(model="sora-2")

    assert client.create(prompt="two cats").status_code == 500
    assert client.create(prompt="two cats").status_code == 200
    assert client.query(vidu).status_code == 200
    assert [client.query(sora).status_code for _ in range(3)] == [500] * 3


def test_refused_requests_draw_no_fault(client: "Client") -> None:
    client.sandbox.add_fault(Fault("create_500"))

    assert client.create(duration=0).status_code == 400
    assert client.create().status_code == 500


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "create_rate_limit"}, "did you mean create_rate_limited"),
        ({"kind": "create_500", "times": 0}, "times"),
        ({"kind": "create_500", "delay": -1}, "delay"),
    ],
)
def test_faults_that_cannot_be(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Fault(**arguments)


def at(reply: Any, path: str) -> Any:  # noqa: ANN401 - JSON
    """Return the value at a dotted path."""
    for step in path.split("."):
        reply = reply[int(step)] if isinstance(reply, list) else reply[step]
    return reply
