"""Faults of the connection: replies that are lost or slow, downloads that break off or lead elsewhere."""

import time
from typing import TYPE_CHECKING

import httpx
import pytest

from prefect_octopusx.sandbox import Fault

if TYPE_CHECKING:
    from tests.sandbox.conftest import Client


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


def test_a_redirect_into_a_private_network(instant: "Client", plain: httpx.Client) -> None:
    url = instant.video_url(instant.create_id())
    instant.sandbox.add_fault(Fault("file_redirect_private"))
    assert plain.get(url).headers["location"].startswith("http://169.254.169.254/")
    assert plain.get(url).content[4:8] == b"ftyp"
