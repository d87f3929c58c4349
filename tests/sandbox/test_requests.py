"""What the sandbox takes and what it refuses."""

import base64
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from tests.sandbox.conftest import Client, Start

URL = "https://img.example.com/first.png"
LAST = "https://img.example.com/last.jpg"
DATA_URI = "data:image/png;base64," + base64.b64encode(b"picture").decode()
JIMENG = {
    "model": "jimeng-video-3.0",
    "prompt": "a paper boat drifts down a rainy street",
    "images": [],
    "aspect_ratio": "16:9",
    "size": "720P",
}
VIDU = {
    "model": "viduq3-pro",
    "prompt": "a lighthouse in a storm",
    "images": [],
    "aspect_ratio": "16:9",
    "duration": 5,
    "resolution": "720p",
    "audio": False,
}
VIDU_FULL = {
    "model": "viduq2-pro",
    "prompt": "she turns and smiles",
    "images": [URL],
    "aspect_ratio": "4:3",
    "audio": True,
    "voice_id": "example_voice",
    "is_rec": False,
    "bgm": True,
    "duration": 8,
    "seed": 12345,
    "resolution": "1080p",
    "payload": "job-0001",
    "off_peak": False,
    "watermark": True,
    "wm_position": 1,
    "wm_url": "https://img.example.com/mark.png",
    "meta_data": '{"local_job":"job-0001"}',
}
VEO = {
    "model": "veo3.1-fast-components",
    "prompt": "a cow takes off",
    "images": [URL, LAST],
    "orientation": "landscape",
    "size": "1280x720",
    "aspect_ratio": "16:9",
    "duration": 8,
    "enable_upsample": True,
}
SORA = {
    "model": "sora-2",
    "prompt": "clay animation of a fox",
    "images": [],
    "orientation": "portrait",
    "size": "small",
    "duration": 10,
    "watermark": False,
    "private": True,
    "storyboard": False,
}
GROK = {
    "model": "grok-video-3",
    "prompt": "@img1 walks towards @img2",
    "images": [URL, LAST],
    "aspect_ratio": "3:2",
    "size": "720P",
    "duration": 6,
}
REMIX = {"model": "grok-video-3", "prompt": "same scene at dusk", "size": "720P", "aspect_ratio": "3:2"}


@pytest.mark.parametrize(
    "body",
    [
        JIMENG,
        {**JIMENG, "images": [URL], "aspect_ratio": "9:16", "size": "1080P"},
        {**JIMENG, "duration": 15},
        {**JIMENG, "model": "jimeng-video-2.0", "images": [URL, LAST], "aspect_ratio": "21:9"},
        VIDU,
        VIDU_FULL,
        {**VIDU, "duration": 16},
        {**VIDU, "images": [DATA_URI]},
        {"model": "viduq2-turbo", "prompt": "between", "images": [URL, LAST], "audio": False, "off_peak": True},
        {"model": "viduq2-pro", "images": [URL], "is_rec": True, "audio": False},
        VEO,
        {"model": "veo3.1-fast", "prompt": "x"},
        SORA,
        {**SORA, "duration": 25, "size": "large", "orientation": "landscape"},
        GROK,
        {**GROK, "images": [DATA_URI] * 6},
        {**GROK, "images": ["data:image/gif;base64,AAAA"] * 2},
    ],
)
def test_documented_requests_are_accepted_and_billed(client: "Client", body: dict[str, Any]) -> None:
    reply = client.http.post("/v1/video/create", json=body)

    assert reply.status_code == 200, reply.text
    assert reply.headers["x-oneapi-request-id"]
    [charge] = client.sandbox.ledger
    assert (charge.key, charge.model, charge.prompt) == ("sk-sandbox", body["model"], body.get("prompt", ""))
    assert charge.task_id == client.sandbox.jobs[0].id
    assert (charge.units, charge.refunded, len(charge.digest)) == (50_000, False, 64)


@pytest.mark.parametrize(
    ("body", "code", "word"),
    [
        ({**JIMENG, "images": [URL] * 3}, "FieldInvalid", "images"),
        ({**JIMENG, "aspect_ratio": "3:2"}, "FieldInvalid", "aspect_ratio"),
        ({**JIMENG, "size": "720p"}, "FieldInvalid", "size"),
        ({**JIMENG, "resolution": "720p"}, "FieldUnwanted", "resolution"),
        ({**JIMENG, "duration": 7}, "FieldInvalid", "duration"),
        ({**JIMENG, "images": [DATA_URI]}, "FieldInvalid", "images[0]"),
        ({**JIMENG, "images": [{}]}, "FieldInvalid", "images[0]"),
        ({**JIMENG, "images": None}, "FieldInvalid", "images"),
        ({name: JIMENG[name] for name in JIMENG if name != "images"}, "FieldLacking", "images"),
        ({**VIDU, "model": "viduq1", "aspect_ratio": "4:3"}, "FieldInvalid", "3:4 and 4:3"),
        ({**VIDU, "model": "viduq2-pro", "duration": 11}, "FieldInvalid", "duration"),
        ({**VIDU, "duration": 17}, "FieldInvalid", "duration"),
        ({**VIDU, "duration": 5.0}, "FieldInvalid", "an integer"),
        ({**VIDU, "duration": True}, "FieldInvalid", "an integer"),
        ({**VIDU, "audio": "true"}, "FieldInvalid", "a boolean"),
        ({**VIDU, "prompt": "p" * 2001}, "FieldInvalid", "prompt"),
        ({**VIDU, "resolution": "1080P"}, "FieldInvalid", "resolution"),
        ({**VIDU_FULL, "resolution": "360p"}, "FieldInvalid", "resolution: q2 models"),
        ({**VIDU, "wm_position": 5}, "FieldInvalid", "wm_position"),
        ({**VIDU, "meta_data": "not json"}, "FieldInvalid", "meta_data"),
        ({**VIDU, "meta_data": "NaN"}, "FieldInvalid", "meta_data"),
        ({**VIDU, "meta_data": "[" * 100_000}, "FieldInvalid", "meta_data"),
        ({**VIDU, "size": "720P"}, "FieldUnwanted", "size"),
        ({**VIDU, "images": ["file:///first.png"]}, "FieldInvalid", "images[0]"),
        ({**VIDU, "images": ["data:image/png;base64,?"]}, "ImageFormatInvalid", "images[0]"),
        ({**VIDU, "images": ["data:image/gif;base64,AAAA"]}, "FieldInvalid", "images[0]"),
        ({**VEO, "orientation": "portrait"}, "FieldInvalid", "disagree"),
        ({"model": "veo3.1", "prompt": "x", "size": "720x1280", "enable_upsample": True}, "FieldInvalid", "landscape"),
        ({**VEO, "images": [DATA_URI]}, "FieldInvalid", "images[0]"),
        ({**SORA, "aspect_ratio": "9:16"}, "FieldUnwanted", "aspect_ratio"),
        ({**SORA, "size": "720P"}, "FieldInvalid", "size"),
        ({**SORA, "duration": 12}, "FieldInvalid", "duration"),
        ({**SORA, "style": "noir"}, "FieldInvalid", "style"),
        ({**GROK, "images": [URL]}, "FieldInvalid", "@img2"),
        ({**GROK, "images": [URL] * 7}, "FieldInvalid", "images"),
        ({**GROK, "duration": 7}, "FieldInvalid", "duration"),
    ],
)
def test_what_a_vendor_refuses_is_not_billed(client: "Client", body: dict[str, Any], code: str, word: str) -> None:
    reply = client.http.post("/v1/video/create", json=body)

    assert reply.status_code == 400
    assert reply.json()["code"] == code
    assert word in reply.json()["message"]
    assert client.sandbox.ledger == []


@pytest.mark.parametrize("changes", [{"prompt": " "}, {"prompt": None}, {"is_rec": True, "prompt": ""}])
def test_a_blank_prompt_is_refused_by_the_engine(client: "Client", changes: dict[str, Any]) -> None:
    reply = client.create(**changes)

    assert (reply.status_code, reply.json()) == (
        400,
        {"code": "invalid_request", "message": "prompt is required", "data": None},
    )


def test_engine_errors_carry_the_request_id(client: "Client") -> None:
    reply = client.http.post("/v1/video/create", json={"prompt": "x"})

    assert reply.status_code == 400
    request_id = reply.headers["x-oneapi-request-id"]
    assert reply.json()["error"] == {
        "message": f"model name is required (request id: {request_id})",
        "type": "new_api_error",
        "code": "",
    }


@pytest.mark.parametrize("model", ["viduq9", "Viduq3-pro", "veo", "sora-2-max", "gpt-video"])
def test_a_model_without_a_channel_is_unavailable(client: "Client", model: str) -> None:
    reply = client.create(model=model)

    assert reply.status_code == 503
    assert reply.json()["error"]["code"] == "model_not_found"


@pytest.mark.parametrize(
    ("content", "media"),
    [(b"{", "application/json"), (b"[]", "application/json"), (b'{"model": "sora-2"}', "text/plain")],
)
def test_a_body_that_is_no_json_object_is_refused(client: "Client", content: bytes, media: str) -> None:
    reply = client.http.post("/v1/video/create", content=content, headers={"content-type": media})

    assert reply.status_code == 400
    assert reply.json()["error"]["type"] == "new_api_error"


def test_too_large_bodies_are_refused(client: "Client") -> None:
    vidu = client.create(images=["data:image/png;base64," + "A" * 20_000_000])
    huge = client.http.post("/v1/video/create", content=b" " * (32 * 1024 * 1024 + 1))

    assert (vidu.status_code, huge.status_code) == (413, 413)
    assert huge.json()["code"] == "read_request_body_failed"


@pytest.mark.parametrize("header", [None, "Bearer sk-wrong", "sk-sandbox", "Basic sk-sandbox"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/video/create"),
        ("POST", "/v1/video/remix"),
        ("GET", "/v1/video/query?id=x"),
        ("GET", "/v1/videos/x/content"),
    ],
)
def test_every_endpoint_wants_a_key(
    client: "Client", plain: httpx.Client, method: str, path: str, header: str | None
) -> None:
    headers = {} if header is None else {"authorization": header}
    reply = plain.request(method, client.sandbox.url + path, headers=headers, json=VIDU if method == "POST" else None)

    assert reply.status_code == 401
    assert reply.json()["error"]["message"].startswith("Invalid token")
    assert client.sandbox.ledger == []


@pytest.mark.parametrize("header", ["bearer sk-sandbox", "Bearer sandbox"])
def test_the_key_is_read_as_the_engine_reads_it(client: "Client", plain: httpx.Client, header: str) -> None:
    reply = plain.post(f"{client.sandbox.url}/v1/video/create", json=VIDU, headers={"authorization": header})

    assert reply.status_code == 200


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/video/create"), ("POST", "/v1/video/create/"), ("GET", "/x")]
)
def test_unknown_paths(client: "Client", method: str, path: str) -> None:
    reply = client.http.request(method, path)

    assert reply.status_code == 404
    assert reply.json()["error"]["message"] == f"Invalid URL ({method} {path})"


def test_remix_makes_a_new_job(client: "Client") -> None:
    source = client.http.post("/v1/video/create", json=GROK).json()

    reply = client.http.post("/v1/video/remix", json={**REMIX, "task_id": source["task_id"]})

    assert reply.status_code == 200
    assert reply.json()["id"] not in (source["id"], source["task_id"])
    assert len(client.sandbox.ledger) == 2


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"task_id": "grok:unknown"}, "task_not_exist"),
        ({"aspect_ratio": "16:9"}, "FieldInvalid"),
        ({"size": None}, "FieldInvalid"),
        ({"duration": 6}, "FieldUnwanted"),
        ({"prompt": ""}, "invalid_request"),
        ({"model": "sora-2"}, "invalid_request"),
    ],
)
def test_bad_remixes_are_refused(client: "Client", changes: dict[str, Any], code: str) -> None:
    source = client.http.post("/v1/video/create", json=GROK).json()["id"]

    reply = client.http.post("/v1/video/remix", json={**REMIX, "task_id": source, **changes})

    assert (reply.status_code, reply.json()["code"]) == (400, code)
    assert len(client.sandbox.ledger) == 1


def test_remix_wants_a_grok_source(client: "Client") -> None:
    reply = client.http.post("/v1/video/remix", json={**REMIX, "task_id": client.create_id()})

    assert (reply.status_code, reply.json()["code"]) == (400, "invalid_request")


def test_the_quota_ends(start: "Start") -> None:
    client = start(quota=120_000)
    replies = [client.create() for _ in range(3)]

    assert [reply.status_code for reply in replies] == [200, 200, 403]
    assert replies[2].json()["code"] == "pre_consume_token_quota_failed"
    usage = client.http.get("/api/usage/token/").json()
    assert usage["code"] is True
    assert usage["data"]["total_granted"] == 120_000
    assert usage["data"]["total_used"] == 100_000
    assert usage["data"]["total_available"] == 20_000


def test_usage_of_an_unlimited_key(client: "Client", plain: httpx.Client) -> None:
    client.create()
    data = client.http.get("/api/usage/token/").json()["data"]

    assert (data["unlimited_quota"], data["total_used"], data["total_available"]) == (True, 50_000, -50_000)
    assert client.http.get("/api/usage/token").headers["location"] == "/api/usage/token/"
    for header, message in (
        (None, "No Authorization header"),
        ("x", "Invalid Bearer token"),
        ("Bearer x", "Invalid token"),
    ):
        headers = {} if header is None else {"authorization": header}
        reply = plain.get(f"{client.sandbox.url}/api/usage/token/", headers=headers)
        assert (reply.status_code, reply.json()) == (401, {"success": False, "message": message})


def test_equal_requests_have_equal_digests(client: "Client") -> None:
    client.create(seed=1)
    client.http.post(
        "/v1/video/create", json={"seed": 1, "images": [], "prompt": VIDU["prompt"], "model": "viduq3-pro"}
    )
    client.create(seed=2)

    first, second, third = [charge.digest for charge in client.sandbox.ledger]
    assert first == second != third
