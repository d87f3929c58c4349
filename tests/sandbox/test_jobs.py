"""How jobs get on: ids, states, the gateway's refresh, and the reply shapes of the families."""

import re
from typing import TYPE_CHECKING, Any

import pytest

from prefect_octopusx.sandbox import Fault

if TYPE_CHECKING:
    from tests.sandbox.conftest import Client, Clock, Start

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
BODIES: dict[str, dict[str, Any]] = {
    "jimeng": {"model": "jimeng-video-3.0", "prompt": "x", "images": [], "aspect_ratio": "3:4", "size": "720P"},
    "vidu": {"model": "viduq3-pro", "prompt": "x", "images": []},
    "veo": {"model": "veo3.1", "prompt": "x"},
    "sora": {"model": "sora-2", "prompt": "x", "images": []},
    "grok": {"model": "grok-video-3", "prompt": "x"},
}


def create(client: "Client", family: str) -> dict[str, Any]:
    reply: dict[str, Any] = client.http.post("/v1/video/create", json=BODIES[family]).json()
    return reply


@pytest.mark.parametrize("family", ["jimeng", "vidu"])
def test_create_reply_of_jimeng_and_vidu(client: "Client", clock: "Clock", family: str) -> None:
    clock.now += 0.5
    reply = create(client, family)

    assert re.fullmatch(UUID, reply.pop("task_id"))
    assert reply == {"created_at": "2025-12-01T08:30:00.500000000+08:00", "status": "processing"}


def test_create_reply_of_veo(client: "Client") -> None:
    reply = create(client, "veo")

    assert re.fullmatch(f"video_{UUID}", reply.pop("id"))
    assert reply == {
        "object": "video",
        "model": "veo3.1",
        "status": "queued",
        "progress": 0,
        "created_at": 1764549000,
        "size": "720x1280",
        "detail": {"input": BODIES["veo"]},
        "status_update_time": 1764549000,
    }


def test_create_reply_of_sora(client: "Client") -> None:
    reply = create(client, "sora")

    assert re.fullmatch("sora-2:task_[0-9a-z]{26}", reply["id"])
    assert (reply["status"], reply["status_update_time"]) == ("pending", 1764549000000)


def test_create_reply_of_grok_has_two_ids_and_both_can_be_asked(client: "Client") -> None:
    reply = create(client, "grok")

    assert re.fullmatch(f"grok:{UUID}", reply["id"])
    assert reply["task_id"] not in reply["id"]
    assert client.query(reply["id"]).json() == client.query(reply["task_id"]).json()


@pytest.mark.parametrize(
    ("family", "words", "progress"),
    [
        ("jimeng", ["processing", "processing", "completed"], [0, 30, 100]),
        ("vidu", ["processing", "processing", "completed"], [0, 30, 100]),
        ("veo", ["pending", "processing", "completed"], None),
        ("sora", ["pending", "processing", "completed"], ["0", "30", "100"]),
        ("grok", ["unknown", "processing", "completed"], [0, 30, 100]),
    ],
)
def test_states_in_the_family_s_words(
    client: "Client", clock: "Clock", family: str, words: list[str], progress: list[int] | None
) -> None:
    reply = create(client, family)
    task_id = reply.get("id") or reply["task_id"]
    seen = []
    for seconds in (0, 2, 8):
        clock.now += seconds
        seen.append(client.query(task_id).json())

    assert [reply["status"] for reply in seen] == words
    assert progress is None or [reply["progress"] for reply in seen] == progress
    assert not any(reply.get("video_url") for reply in seen[:2])
    assert seen[2]["video_url"].startswith("http://127.0.0.1:")
    assert all(reply["id"] == task_id for reply in seen)


def test_finished_replies(client: "Client", clock: "Clock") -> None:
    ids = {family: reply.get("id") or reply["task_id"] for family in BODIES if (reply := create(client, family))}
    clock.now += 10
    seen = {family: client.query(task_id).json() for family, task_id in ids.items()}

    assert seen["vidu"].keys() == {"id", "status", "progress", "created_at", "completed_at", "video_url"}
    assert seen["jimeng"].keys() == seen["vidu"].keys() | {"thumbnail_url"}
    assert seen["vidu"]["completed_at"] == 1764549009
    assert seen["veo"].keys() == {"id", "status", "video_url", "enhanced_prompt", "status_update_time"}
    assert seen["veo"]["status_update_time"] == 1764549010000
    assert seen["sora"]["detail"]["input"]["aspect_ratio"] == "16:9"
    assert (seen["grok"]["status_update_time"], seen["grok"]["ratio"]) == (1764549010, "16:9")


def test_the_row_moves_only_when_the_gateway_looks(start: "Start", clock: "Clock") -> None:
    client = start(generation=20, refresh=15)
    task_id = client.create_id()
    seen = []
    for _ in range(7):
        seen.append(client.query(task_id).json()["progress"])
        clock.now += 5

    # Ready after 20 s, but seen at the look after that.
    assert seen == [0, 0, 0, 80, 80, 80, 100]


def test_without_refresh_the_row_is_live(start: "Start", clock: "Clock") -> None:
    client = start(generation=3, refresh=0)
    task_id = client.create_id()
    seen = []
    for _ in range(4):
        seen.append(client.query(task_id).json()["progress"])
        clock.now += 1

    assert seen == [0, 50, 80, 100]


@pytest.mark.parametrize(("settings", "seconds"), [({}, 27), ({"off_peak_generation": 100}, 100)])
def test_off_peak_takes_longer(start: "Start", settings: dict[str, Any], seconds: float) -> None:
    client = start(**settings)
    client.create(off_peak=True)

    [job] = client.sandbox.jobs
    assert job.ready_at - job.created_at == seconds


def test_unknown_ids_and_other_keys_jobs_do_not_exist(start: "Start") -> None:
    client = start(keys=("sk-one", "sk-two"))
    task_id = client.create_id()
    missing = {"code": "task_not_exist", "message": "task_not_exist", "data": None}

    for reply in (
        client.query("x"),
        client.http.get("/v1/video/query", params={"id": task_id}, headers={"authorization": "Bearer sk-two"}),
    ):
        assert (reply.status_code, reply.json()) == (400, missing)
    assert client.http.get("/v1/video/query").json()["code"] == "invalid_request"
    assert client.query(task_id).status_code == 200


def test_failed_videos_are_refunded_when_they_fail(start: "Start", clock: "Clock") -> None:
    client = start(quota=50_000)
    client.sandbox.add_fault(Fault("video_failed", reason="no cats"))
    task_id = client.create_id()
    assert [charge.refunded for charge in client.sandbox.ledger] == [False]
    assert client.create().status_code == 403

    clock.now += 10

    assert client.query(task_id).json()["error"]["message"] == "no cats"
    assert [charge.refunded for charge in client.sandbox.ledger] == [True]
    assert client.http.get("/api/usage/token/").json()["data"]["total_used"] == 0
    assert client.create().status_code == 200


def test_ids_can_be_the_same_in_every_run(start: "Start") -> None:
    one, two, other = (start(seed=seed).create_id() for seed in (7, 7, None))

    assert one == two != other
