"""Faults in a video's life: odd states and shapes of replies, failures and refunds, links that come late or never."""

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from prefect_octopusx.sandbox import Fault

if TYPE_CHECKING:
    from tests.sandbox.conftest import Client, Clock


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


def at(reply: Any, path: str) -> Any:  # noqa: ANN401 - JSON
    """Return the value at a dotted path."""
    for step in path.split("."):
        reply = reply[int(step)] if isinstance(reply, list) else reply[step]
    return reply
