"""Faults that answer in the gateway's place: each says and bills what it should, and hits only what it matches."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest

from prefect_octopusx.sandbox import Fault
from prefect_octopusx.sandbox.faults import KINDS
from prefect_octopusx.sandbox.trouble import ANSWERS

if TYPE_CHECKING:
    from tests.sandbox.conftest import Client

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
