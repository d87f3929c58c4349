"""The table of docs/errors.md, done row by row: what is seen, how often it is tried, what is billed, what is left."""

import re
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from prefect.states import State
from pydantic import ValidationError

from prefect_octopusx.api import CustomRequest, JimengRequest, ViduRequest
from prefect_octopusx.blocks import S3Destination
from prefect_octopusx.sandbox import Fault, Sandbox
from prefect_octopusx.storage import VideoRecord
from tests.docs.desk import Desk, Final, vidu
from tests.docs.pages import rows, section, text

_UNCHECKED = "Validation of flow parameters failed with error: "  # Prefect's own words
_RUNNING = "Flow run encountered an exception: "
_LATE = r"""Flow run failed due to timeout: (?P<error>\w+)\(["'](?P<message>.*)["']\)"""

NOWHERE = "http://127.0.0.1:9"  # the discard port, where nobody listens
TABLE = {cells[0]: cells[1:] for cells in rows(section(text("docs/errors.md"), "What you did"))[2:]}


# Each returns the flow run's final state, or makes a request that can't be made.
CASES: dict[str, Callable[[Desk, pytest.MonkeyPatch], Final | ViduRequest | JimengRequest]] = {
    "a field of another family": lambda *_: vidu(size="720p"),
    "an unknown field": lambda *_: vidu(durration=5),
    "a wrong value": lambda *_: vidu(aspect_ratio="5:4"),
    "a value out of range": lambda *_: vidu(duration=11),
    "a missing field": lambda *_: JimengRequest(model="jimeng-video-3.0"),  # type: ignore[call-arg]
    "a model that the family does not list": lambda *_: vidu(model="viduq9"),
    "any of these in a deployment's parameters": lambda desk, _: desk.run(
        {"model": "viduq3-pro", "prompt": "a cat", "duration": "5"}
    ),
    "a bad name": lambda desk, _: desk.run(name="../x"),
    "no key anywhere": lambda desk, monkeypatch: desk.without_key(monkeypatch),
    "an empty key": lambda desk, _: desk.with_key(" "),
    "a wrong key (401)": lambda desk, _: desk.with_key("sk-wrong"),
    "a key that may not use the model (403)": lambda desk, _: desk.run(fault=Fault("create_model_not_allowed")),
    "used up the quota (403)": lambda desk, _: desk.run(fault=Fault("create_quota")),
    "a prompt that the vendor refuses (400)": lambda desk, _: desk.run(fault=Fault("create_policy_violation")),
    "a model that no channel serves (503)": lambda desk, _: desk.run(
        CustomRequest(model="veo9-imaginary", prompt="a cat")
    ),
    "too many requests at once (429)": lambda desk, _: desk.run(fault=Fault("create_rate_limited", times=None)),
    "a gateway that can't be reached": lambda desk, _: desk.with_key("sk-sandbox", NOWHERE),
    "a wrong `base_url` (404)": lambda desk, _: desk.with_key("sk-sandbox", f"{desk.sandbox.url}/elsewhere"),
    "nothing: the gateway's answer got lost": lambda desk, _: desk.run(fault=Fault("create_lost_reply")),
    "a name of another request": lambda desk, _: desk.taken(),
    "a name of a file without a record": lambda desk, _: desk.unexplained(),
    "removed the file of a completed video": lambda desk, _: desk.gone(),
    "a bucket that does not exist": lambda desk, _: desk.run(destination=S3Destination(bucket="not-there")),
    "no permission for the bucket": lambda desk, _: desk.run(
        destination=S3Destination(bucket="my-videos", endpoint_url=desk.forbidden)
    ),
    "a bucket that can't be reached": lambda desk, _: desk.run(
        destination=S3Destination(bucket="my-videos", endpoint_url=NOWHERE)
    ),
    "a folder that is a file": lambda desk, _: desk.no_folder(),
    "nothing: the video failed": lambda desk, _: desk.run(
        fault=Fault("video_failed", reason="the prompt breaks the rules")
    ),
    "nothing: the video takes too long": lambda desk, _: desk.run(fault=Fault("video_stuck"), deadline=1.0),
    "nothing: the file that arrives is broken": lambda desk, _: desk.run(fault=Fault("file_cut", times=None)),
    "nothing: the link leads into your own network": lambda desk, _: desk.run(
        fault=Fault("file_redirect_private", times=None)
    ),
    "a folder that can't be written to, once it is submitted": lambda desk, _: desk.no_folder_for_the_file(),
    # Lists
    "a list with mistakes": lambda desk, _: desk.listed(
        "name,model,prompt,duration\nhero,viduq3-pro,a cat,500\nhero,viduq3-pro,a dog,5\n"
    ),
    "a list that is not there": lambda desk, _: desk.videos(manifest="plans/launch.csv"),
    "no list, or two": lambda desk, _: desk.videos(manifest="launch.csv", requests={"hero": vidu()}),
    "a time zone that does not exist": lambda desk, _: desk.videos(manifest="launch.csv", timezone="Berlin"),
    "a rotation whose names come again": lambda desk, _: desk.listed(
        "name,model,prompt\nhero,viduq3-pro,a cat\n", due=True, scheduled="2026-12-01"
    ),
    "a limit `octopusx-creates` that is no rate": lambda desk, _: desk.with_a_limit(),
    "nothing: a video of a list failed": lambda desk, _: desk.videos(fault=Fault("video_failed")),
    "used up the quota in the middle of a list": lambda desk, _: desk.videos(
        requests={"hero": vidu(), "last": vidu()}, name="launch", max_in_flight=1, fault=Fault("create_quota")
    ),
    "a redrive of a batch that left no results": lambda desk, _: desk.redriven("lunch"),
    "a redrive of a request that could not be kept": lambda desk, _: desk.redriven_without_its_request(),
}


@pytest.fixture
def forbidden() -> Iterator[str]:
    """Serve what S3 answers to whom it does not trust."""

    class Forbidding(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
            self.send_response(403)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with HTTPServer(("127.0.0.1", 0), Forbidding) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def submissions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note every time that a task gets to work on a create."""
    modules, noted = [sys.modules[f"prefect_octopusx.tasks.{name}"] for name in ("create_video", "make_video")], []
    submit = modules[0].submit_video

    async def noting(*args: Any, name: str, **options: Any) -> VideoRecord:  # noqa: ANN401
        noted.append(name)
        found: VideoRecord = await submit(*args, name=name, **options)
        return found

    for module in modules:
        monkeypatch.setattr(module, "submit_video", noting)
    return noted


def test_every_row_is_done_here() -> None:
    assert set(CASES) == set(TABLE)


def seen(case: Callable[[], object]) -> str:
    """Do what goes wrong; return the failed flow run's message, or the error where there is no run yet."""
    try:
        state = case()
    except ValidationError as error:
        return f"ValidationError: {error}"
    assert isinstance(state, State)
    assert state.is_failed()
    message = str(state.message)
    if late := re.fullmatch(_LATE, message):
        assert state.name == "TimedOut"
        return f"{late['error']}: {late['message']}"
    assert state.name == ("Uncertain" if message.startswith("SubmissionUncertain") else "Failed")
    return message.removeprefix(_UNCHECKED).removeprefix(_RUNNING)


@pytest.mark.usefixtures("retries_at_once")
@pytest.mark.parametrize("what", CASES)
def test_the_row_is_right(
    what: str, surroundings: Sandbox, forbidden: str, submissions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told, again, billed, left = TABLE[what]
    # The claim's own patience with the bucket, inside each try.
    monkeypatch.setattr("prefect_octopusx.storage.claims.WRITE_DELAYS", ())
    desk = Desk(surroundings, forbidden, submissions)
    said = " ".join(seen(lambda: CASES[what](desk, monkeypatch)).split())
    pattern = re.escape(told.strip("`")).replace("…", ".*").replace("\\ .*", " ?.*")
    assert re.fullmatch(pattern, said), said

    downloads = [trace for trace in surroundings.requests if trace.path.startswith("/files/")]
    times = 0 if again == "no" else int(again.removesuffix(" times"))
    assert max(len(submissions), len(downloads), 1) == times + 1
    assert len(surroundings.ledger) == (0 if billed == "nothing" else 1)
    assert billed.endswith("refunded") == any(charge.refunded for charge in surroundings.ledger)

    if left == "what was there":
        return
    record = desk.record()
    assert (f"a record, `{record.state}`" if record else "nothing") == left
