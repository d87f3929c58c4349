"""Every unsuccessful answer becomes the error that says whether a create may be sent again."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from prefect_octopusx import api
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
from prefect_octopusx.api.verdicts import Answer, create_error, query_error

GOLDEN = Path(__file__).parent / "golden"
OUTCOMES: dict[str, type[OctopusXError]] = {
    "invalid": InvalidRequest,
    "auth": AuthenticationError,
    "forbidden": AccessDenied,
    "quota": QuotaExceeded,
    "not_found": EndpointNotFound,
    "rate_limited": RateLimited,
    "unavailable": ModelUnavailable,
    "ambiguous": SubmissionUncertain,
}


def e1(message: str, code: str = "") -> bytes:
    return json.dumps({"error": {"message": message, "type": "new_api_error", "code": code}}).encode()


def e2(code: str, message: str = "words") -> bytes:
    return json.dumps({"code": code, "message": message, "data": None}).encode()


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("err_*.json")), ids=lambda path: path.stem)
def test_recorded_errors(path: Path) -> None:
    example: dict[str, Any] = json.loads(path.read_text())
    answer = Answer(
        status=example["http_status"],
        content=json.dumps(example["body"]).encode(),
        request_id=example["headers"]["X-Oneapi-Request-Id"],
    )
    error = create_error(answer, what="create of viduq3-pro")
    assert type(error) is OUTCOMES[example["expect"]["outcome"]]
    assert error.resend_safe == example["expect"]["retry_create"]
    assert "20251201083000123456789EXAMPLE" in str(error)
    retry_query = example["expect"]["retry_query"]
    if retry_query is not None:
        assert query_error(answer, task_id="t").retryable == retry_query


HTML = b"<html><title>504 Gateway Time-out</title></html>"
CREATE_TABLE: list[tuple[int, bytes, type[OctopusXError]]] = [
    (200, b'{"status":"processing"}', SubmissionUncertain),
    (200, b"not json", SubmissionUncertain),
    (200, b'{"code":10000,"message":"Success"}', SubmissionUncertain),
    (200, b'{"code":" SUCCESS "}', SubmissionUncertain),
    (200, b'{"code":"ok"}', SubmissionUncertain),
    (200, b'{"code":"created_elsewhere"}', SubmissionUncertain),
    (200, e2("do_request_failed"), SubmissionUncertain),
    (400, e2("unmarshal_response_failed"), SubmissionUncertain),
    (500, b'{"code":500,"message":"internal error"}', SubmissionUncertain),
    (500, b'{"code":0}', SubmissionUncertain),
    (200, b'{"success":false,"message":"no"}', InvalidRequest),
    (200, e2("invalid_request"), InvalidRequest),
    (200, b'{"code":"insufficient_user_quota","id":"t"}', SubmissionUncertain),
    (200, b'{"success":false,"task_id":"t"}', SubmissionUncertain),
    (429, b'{"id":"t","status":"queued"}', SubmissionUncertain),
    (400, b'{"id":"t","status":"processing","code":"x"}', SubmissionUncertain),
    (400, b'{"id":"t","status":"failed"}', InvalidRequest),
    (429, b'{"id":"req_1","code":"busy"}', RateLimited),
    (101, b'{"error":{"message":"x"}}', SubmissionUncertain),
    (301, b"", EndpointNotFound),
    (307, b"{}", EndpointNotFound),
    (400, e1("bad JSON"), InvalidRequest),
    (400, e2("task_not_exist"), InvalidRequest),
    (400, e2("CreditInsufficient"), InvalidRequest),
    (401, e1("Invalid token"), AuthenticationError),
    (401, HTML, AuthenticationError),
    (402, b"{}", QuotaExceeded),
    (403, e2("insufficient_user_quota"), QuotaExceeded),
    (403, e1("IP not allowed", "access_denied"), AccessDenied),
    (404, e1("Invalid URL (POST /v1/video/creat)"), EndpointNotFound),
    (408, e1("timeout"), SubmissionUncertain),
    (409, e2("Conflict"), InvalidRequest),
    (413, e2("read_request_body_failed"), InvalidRequest),
    (413, HTML, InvalidRequest),
    (429, e1("slow down"), RateLimited),
    (429, b"", RateLimited),
    (429, e2("fail_to_fetch_task"), RateLimited),
    (499, e2("fail_to_fetch_task"), SubmissionUncertain),
    (500, e2("get_channel_failed"), SubmissionUncertain),
    (500, e2("do_request_failed"), SubmissionUncertain),
    (500, e2("unmarshal_response_body_failed"), SubmissionUncertain),
    (500, e2("50411"), InvalidRequest),
    (500, e2("\u00b2" * 5), SubmissionUncertain),
    (500, e2("build_request_failed"), NotSubmitted),
    (500, e2("fail_to_fetch_task"), SubmissionUncertain),
    (501, e2("api_not_implemented"), EndpointNotFound),
    (502, HTML, SubmissionUncertain),
    (503, HTML, SubmissionUncertain),
    (503, e1("No available channel", "model_not_found"), ModelUnavailable),
    (504, HTML, SubmissionUncertain),
    (520, b"", SubmissionUncertain),
]


@pytest.mark.parametrize(("status", "content", "kind"), CREATE_TABLE)
def test_creates(status: int, content: bytes, kind: type[OctopusXError]) -> None:
    assert type(create_error(Answer(status, content), what="create")) is kind


@pytest.mark.parametrize(
    ("status", "content", "kind"),
    [
        (200, b'{"success":false}', GatewayError),
        (200, e2("task_not_exist"), TaskNotFound),
        (400, e2("task_not_exist"), TaskNotFound),
        (404, e2("TaskNotFound"), TaskNotFound),
        (404, b'{"error":{"message":"Invalid URL","type":"invalid_request_error"}}', EndpointNotFound),
        (404, HTML, EndpointNotFound),
        (404, b'{"message":"no such job"}', TaskNotFound),
        (404, e1("task not found"), TaskNotFound),
        (400, e2("invalid_request"), InvalidRequest),
        (401, e1("Invalid token"), AuthenticationError),
        (402, b"", QuotaExceeded),
        (403, e1("IP not allowed"), AccessDenied),
        (408, b"", GatewayError),
        (409, e2("Conflict"), GatewayError),
        (429, b"", RateLimited),
        (500, e2("do_request_failed"), GatewayError),
        (503, e1("none", "model_not_found"), ModelUnavailable),
        (504, HTML, GatewayError),
    ],
)
def test_queries(status: int, content: bytes, kind: type[OctopusXError]) -> None:
    error = query_error(Answer(status, content), task_id="t")
    assert type(error) is kind
    assert error.task_id == "t"


def test_only_what_surely_was_not_accepted_is_resent() -> None:
    safe = {cls for cls in OctopusXError.__subclasses__() + GatewayError.__subclasses__() if cls.resend_safe}
    assert {"RateLimited", "ModelUnavailable", "GatewayUnreachable", "NotSubmitted"} == {
        cls.__name__ for cls in safe if cls.__module__.endswith("api.errors")
    }


ERRORS = [getattr(api, name) for name in api.__all__]
ERRORS = [kind for kind in ERRORS if isinstance(kind, type) and issubclass(kind, OctopusXError)]


@pytest.mark.parametrize("kind", ERRORS)
def test_errors_survive_pickling(kind: type[OctopusXError]) -> None:
    error = kind("words", status=500, code="c", request_id="r", task_id="t", retry_after=3.0)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (type(again), str(again), vars(again)) == (kind, str(error), vars(error))


def test_errors_show_no_secrets() -> None:
    error = InvalidRequest(
        "can't read https://user:pw@img.example.com/a.png?sig=SECRET with Bearer sk-SECRETSECRET "
        "and data:image/png;base64,SECRETSECRETSECRETSECRET"
    )
    assert "SECRET" not in str(error)
    assert "pw" not in str(error)
    assert "https://img.example.com/a.png?…" in str(error)


@pytest.mark.parametrize(("depth", "read"), [(90, True), (110, False), (900, False), (100_000, False)])
def test_how_deep_an_answer_is_read_does_not_depend_on_who_calls(depth: int, read: bool) -> None:
    content = b'{"id":"t","a":' + b"[" * depth + b"]" * depth + b"}"
    assert (Answer(200, content).body is not None) == read


def test_a_refusal_with_an_id_tells_the_id() -> None:
    error = create_error(Answer(200, b'{"success":false,"message":"no","task_id":"t-7"}'), what="create")
    assert error.task_id == "t-7"
    assert "yet it has the id t-7: no. The video may be in the making and billed" in str(error)


def test_codes_request_ids_and_long_reasons_show_no_secrets() -> None:
    """A code may be anything, and a reason that is cut first has halves in it that nothing tells."""
    url = "https://user:pw-SECRET@b.example.com/?sig=SECRET"
    said = json.dumps({"error": {"code": url, "message": "x" * 480 + f" {url}"}}).encode()
    for error in (
        create_error(Answer(400, said, request_id=f"of {url}"), what="create"),
        query_error(Answer(400, said, request_id=url)),
    ):
        assert "SECRET" not in f"{error} {error.code} {error.request_id}"
        assert len(str(error)) < 1200


def test_an_address_that_is_none_can_still_be_redacted() -> None:
    request = api.ViduRequest(model="viduq3-pro", prompt="x", payload="https://[bad")
    assert request.digest
