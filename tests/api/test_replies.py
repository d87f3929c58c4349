"""Every recorded reply becomes the `VideoTask`, or the error, that it should."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from prefect_octopusx.api import TaskState
from prefect_octopusx.api.replies import read_created, read_queried
from prefect_octopusx.api.usage import read_usage

GOLDEN = Path(__file__).parent / "golden"


def examples(pattern: str) -> list[Any]:
    found = [json.loads(path.read_text()) | {"file": path.name} for path in sorted(GOLDEN.glob(pattern))]
    assert found
    return [pytest.param(example, id=example["file"].removesuffix(".json")) for example in found]


@pytest.mark.parametrize("example", [case for case in examples("res_create_*") if "body" in case.values[0]])
def test_create_replies(example: dict[str, Any]) -> None:
    expect = example["expect"]
    task = read_created(example["body"])
    if expect["outcome"] == "ambiguous":
        assert task is None
        return
    assert task is not None
    assert (task.id, task.state) == (expect["id"], expect["state"])
    if "created_at_unix" in expect:
        assert task.created_at is not None
        assert int(task.created_at.timestamp()) == expect["created_at_unix"]


@pytest.mark.parametrize("example", examples("res_query_*"))
def test_query_replies(example: dict[str, Any]) -> None:
    expect = example["expect"]
    task = read_queried(example["body"], "asked-for")
    assert task.id == "asked-for"
    assert task.final == expect["terminal"]
    for field in ("state", "progress", "video_url", "thumbnail_url", "error", "error_code"):
        if field in expect:
            assert getattr(task, field) == expect[field], field


@pytest.mark.parametrize(
    ("body", "first", "others"),
    [
        ({"id": "grok:1", "task_id": "task_2"}, "grok:1", ("task_2",)),
        ({"id": "", "task_id": "task_2"}, "task_2", ()),
        ({"code": "success", "data": {"id": 991, "task_id": "task_2"}}, "task_2", ()),
        ({"code": "success", "data": 4596183399426}, "4596183399426", ()),
        ({"result": {"id": "r1"}}, "r1", ()),
        ({"video_id": "video_1"}, "video_1", ()),
        ({"id": " veo3.1-fast:1770350082-X.y "}, "veo3.1-fast:1770350082-X.y", ()),
    ],
)
def test_ids_are_taken_verbatim_from_wherever_they_are(
    body: dict[str, Any], first: str, others: tuple[str, ...]
) -> None:
    task = read_created(body)
    assert task is not None
    assert (task.id, task.alt_ids) == (first, others)


@pytest.mark.parametrize(
    "body", [{}, {"id": None}, {"id": True}, {"data": None}, {"data": []}, {"id": {"a": 1}}, {"id": 0}]
)
def test_a_reply_without_an_id_is_no_task(body: dict[str, Any]) -> None:
    assert read_created(body) is None


@pytest.mark.parametrize(
    ("progress", "read"),
    [
        ("50%", 50),
        (" 7 % ", 7),
        (101, 100),
        (-1, 0),
        (None, None),
        ("soon", None),
        (True, None),
        ("nan", None),
        (float("inf"), None),
        (10**400, None),
    ],
)
def test_progress_is_a_percentage_or_nothing(progress: object, read: float | None) -> None:
    assert read_queried({"status": "processing", "progress": progress}, "t").progress == read


def test_progress_may_be_a_share_of_one() -> None:
    assert read_queried({"status": "processing", "progress_pct": 0.425}, "t").progress == pytest.approx(42.5)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (1764549000, datetime(2025, 12, 1, 0, 30, tzinfo=UTC)),
        (1764549000123, datetime(2025, 12, 1, 0, 30, 0, 123000, tzinfo=UTC)),
        ("1764549000", datetime(2025, 12, 1, 0, 30, tzinfo=UTC)),
        ("2025-12-01T08:30:00.123456789+08:00", datetime(2025, 12, 1, 0, 30, 0, 123456, tzinfo=UTC)),
        ("2025-12-01T00:30:00", datetime(2025, 12, 1, 0, 30, tzinfo=UTC)),
        (0, None),
        ("yesterday", None),
        (1e300, None),
        (True, None),
        ("0001-01-01T00:00:00+08:00", None),
        (10**400, None),
    ],
)
def test_times_of_all_kinds(given: object, read: datetime | None) -> None:
    assert read_queried({"status": "processing", "created_at": given}, "t").created_at == read


def test_a_status_that_nobody_knows_is_unknown_and_not_final() -> None:
    task = read_queried({"status": "pondering", "video_url": "https://cdn.example.com/a.mp4"}, "t")
    assert (task.state, task.final, task.video_url) == (TaskState.UNKNOWN, False, None)


def test_a_signed_url_stays_out_of_repr() -> None:
    task = read_queried({"status": "completed", "video_url": "https://cdn.example.com/a.mp4?sig=SECRET"}, "t")
    assert "SECRET" not in repr(task)
    assert "SECRET" not in str(task)


def test_a_reason_with_a_signed_url_is_redacted() -> None:
    reply = {"status": "failed", "error": "can't load https://img.example.com/a.png?X-Amz-Signature=SECRET now"}
    task = read_queried(reply, "t")
    assert task.error == "can't load https://img.example.com/a.png?… now"


def test_an_error_code_is_redacted_too_and_both_have_an_end() -> None:
    reply = {"status": "failed", "error": {"code": "https://b/a.png?sig=SECRET", "message": "long " * 10_000}}
    task = read_queried(reply, "t")
    assert task.error_code == "https://b/a.png?…"
    assert len(task.error or "") == 2000


def test_a_reply_of_any_depth_is_read() -> None:
    deep: dict[str, Any] = {"status": "failed"}
    for _ in range(400):
        deep = {"data": deep}
    assert read_created({"id": "t", **deep}) is not None


def test_quotas_are_finite() -> None:
    data = {"total_granted": float("nan"), "total_used": 1, "total_available": 1}
    assert read_usage({"code": True, "data": data}) is None


def test_empty_error_objects_are_no_error_and_nested_ones_are_found() -> None:
    assert read_queried({"status": "failed", "error": {"code": "", "message": ""}}, "t").error is None
    nested = read_queried({"status": "failed", "detail": {"error_message": "too dark", "err_code": "Dark"}}, "t")
    assert (nested.error, nested.error_code) == ("too dark", "Dark")


@pytest.mark.parametrize("example", examples("res_usage_*"))
def test_usage_replies(example: dict[str, Any]) -> None:
    expect = example["expect"]
    usage = read_usage(example.get("body", {}))
    if expect["outcome"] != "ok":
        assert usage is None
        return
    assert usage is not None
    assert usage.unlimited == expect["unlimited"]
    assert (usage.expires_at.timestamp() if usage.expires_at else None) == expect["expires_at"]
    if "available" in expect:
        assert usage.available == expect["available"]
        assert usage.models == {"viduq3-pro"}
