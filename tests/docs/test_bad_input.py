"""The table of docs/errors.md, done row by row: what is seen, how often it is tried, what is billed, what is left."""

import asyncio
import re
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from prefect.blocks.system import Secret
from prefect.states import State
from pydantic import ValidationError

from prefect_octopusx.api import CustomRequest, JimengRequest, ViduRequest
from prefect_octopusx.blocks import LocalDestination, OctopusXCredentials, S3Destination
from prefect_octopusx.flows import generate_video
from prefect_octopusx.sandbox import Fault, Sandbox
from prefect_octopusx.storage import DestinationError, VideoRecord
from tests.docs.pages import rows, section, text

Final = State[VideoRecord]
_UNCHECKED = "Validation of flow parameters failed with error: "  # Prefect's own words
_RUNNING = "Flow run encountered an exception: "
_LATE = r"""Flow run failed due to timeout: (?P<error>\w+)\(["'](?P<message>.*)["']\)"""

NOWHERE = "http://127.0.0.1:9"  # the discard port, where nobody listens
TABLE = {cells[0]: cells[1:] for cells in rows(section(text("docs/errors.md"), "What you did"))[2:]}


class Desk:
    """Does the things that go wrong, with good surroundings around each."""

    def __init__(self, sandbox: Sandbox, forbidden: str, submissions: list[str]) -> None:
        self.sandbox = sandbox
        self.forbidden = forbidden
        self.submissions = submissions
        self.destination: S3Destination | LocalDestination = S3Destination(bucket="my-videos", prefix="clips")

    def run(self, request: Any = None, *, name: str = "hero", fault: Fault | None = None, **options: Any) -> Final:  # noqa: ANN401
        """Run the flow, with something wrong; return its final state."""
        if fault:
            self.sandbox.add_fault(fault)
        self.destination = options.setdefault("destination", self.destination)
        return asyncio.run(generate_video(request or vidu(), name=name, **options, return_state=True))

    def with_key(self, key: str, base_url: str | None = None) -> Final:
        """Run it with other credentials."""
        return self.run(
            credentials=OctopusXCredentials(api_key=Secret(value=key), base_url=base_url or self.sandbox.url)
        )

    def before(self, **options: Any) -> None:  # noqa: ANN401
        """Make the video, as an earlier run that does not count."""
        assert self.run(**options).is_completed()
        self.sandbox.reset()
        self.submissions.clear()

    def taken(self) -> Final:
        """Use a name twice, for two requests."""
        self.before()
        return self.run(vidu(seed=7))

    def gone(self) -> Final:
        """Remove a video, but not its record."""
        self.before(destination=LocalDestination(folder="."))
        Path("hero.mp4").unlink()
        return self.run()

    def unexplained(self) -> Final:
        """Use the name of a file without a record."""
        Path("alien.mp4").write_bytes(b"a video of somebody")
        return self.run(name="alien", destination=LocalDestination(folder="."))

    def no_folder(self) -> Final:
        """Use a file as a folder."""
        Path("file").write_text("not a folder", "utf-8")
        return self.run(destination=LocalDestination(folder="file"))

    def no_folder_for_the_file(self) -> Final:
        """Lay a file where the video's part is to be written."""
        Path(".hero.mp4.part").write_text("not a folder", "utf-8")
        return self.run(destination=LocalDestination(folder="."))

    def without_key(self, monkeypatch: pytest.MonkeyPatch) -> Final:
        """Run it where no key is to be found."""
        monkeypatch.delenv("OCTOPUSX_API_KEY")
        return self.run()

    def record(self) -> VideoRecord | None:
        """Return what is left behind."""

        async def read() -> VideoRecord | None:
            try:
                entry = await (await self.destination.store()).read("hero")
            except DestinationError:
                return None
            return entry.record if entry else None

        return asyncio.run(read())


def vidu(**fields: Any) -> ViduRequest:  # noqa: ANN401 - also wrong ones
    return ViduRequest(**{"model": "viduq3-pro", "prompt": "a cat", **fields})


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
    "a folder that can't be written to, once it is submitted": lambda desk, _: desk.no_folder_for_the_file(),
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
    """Note every time that the create task gets to work."""
    module, noted = sys.modules["prefect_octopusx.tasks.create_video"], []
    submit = module.submit

    async def noting(*args: Any, name: str, **options: Any) -> VideoRecord:  # noqa: ANN401
        noted.append(name)
        found: VideoRecord = await submit(*args, name=name, **options)
        return found

    monkeypatch.setattr(module, "submit", noting)
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
