"""Runs that die, are cut off from their store or are overtaken by others, at any step; and the world they share."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import BinaryIO, Literal, NamedTuple, TypeVar

from prefect_octopusx.api import OctopusXClient, ViduRequest
from prefect_octopusx.api.replies import VideoTask
from prefect_octopusx.sandbox import Fault, Sandbox
from prefect_octopusx.storage import (
    DestinationUnavailable,
    Entry,
    Link,
    Mark,
    RecordState,
    VideoRecord,
    VideoStore,
    VideoWriter,
)
from prefect_octopusx.storage.store import Suffix
from tests.clocks import Clock

T = TypeVar("T")

SECRET = "X-Amz-Signature=SECRET"

SURELY_NOT = (
    "create_rate_limited",
    "create_build_request_failed",
    "create_model_not_found",
    "create_invalid_key",
    "create_quota",
    "create_policy_violation",
)
"""Creates that surely were not accepted."""
DOUBTFUL = (
    "create_lost_reply",
    "create_reset",
    "create_closed",
    "create_html_504",
    "create_no_id",
    "create_do_request_failed",
)
"""Creates whose answer tells nothing."""
ACCEPTED = ("", "create_wrapped", "create_failed_inline", "video_failed", "video_url_missing", "video_url_gateway")

What = Literal["dies", "away", "away long", "found dead", "sent again", "adopted"]


def request(name: str, what: str) -> ViduRequest:
    """Return a request that tells its name, and holds what no record may."""
    return ViduRequest(model="viduq3-pro", prompt=f"{name}: {what}", images=[f"https://img.example.com/a.png?{SECRET}"])


def name_of(prompt: str) -> str:
    return prompt.partition(":")[0]


class Event(NamedTuple):
    """What happens at a step of a run: the `nth` time that it does something to its store."""

    step: str
    nth: int
    late: bool
    """After the operation took effect, else before."""
    what: What


class Crash(BaseException):
    """The run's process is killed."""


@dataclass
class Sent:
    """A create that was sent."""

    name: str
    fault: str
    run: "Run"

    @property
    def may_be_paid(self) -> bool:
        return self.fault not in SURELY_NOT


@dataclass
class Run:
    """One process of ours."""

    plan: tuple[Event, ...] = ()
    consents: bool = False
    fault: str = ""
    steps: Counter[str] = field(default_factory=Counter)
    dead: bool = False
    lost_an_id: bool = False
    """It died, or said in its error that an id could not be written."""


@dataclass
class World:
    """What all runs share: the clock, the gateway, the store, and what they sent."""

    clock: Clock
    sandbox: Sandbox
    store: VideoStore
    leave_broken_transfer: Callable[[str], None]
    """Leave in the store what a transfer leaves whose process is killed."""
    interfere: Callable[[What, str], Awaitable[None]]
    """Let others do something to a name."""
    sent: list[Sent] = field(default_factory=list)
    story: list[str] = field(default_factory=list)
    wrongs: list[str] = field(default_factory=list)
    touched: dict[str, float] = field(default_factory=dict)
    """When each record and each mark was last written."""

    def sent_for(self, name: str) -> list[Sent]:
        return [sent for sent in self.sent if sent.name == name]

    def age(self, what: str) -> float:
        return self.clock() - self.touched.setdefault(what, self.clock())

    def touch(self, what: str) -> None:
        self.touched[what] = self.clock()


class Gateway:
    """The client of one run, which notes what it sends and draws the run's fault."""

    def __init__(self, world: World, run: Run, client: OctopusXClient) -> None:
        self._world = world
        self._run = run
        self._client = client

    async def create_video(self, request: ViduRequest, *, warn: bool = True) -> VideoTask:
        self._note(str(request.prompt))
        if self._run.fault:
            self._world.sandbox.add_fault(Fault(self._run.fault, match=str(request.prompt)))
        return await self._client.create_video(request, warn=warn)

    def _note(self, prompt: str) -> None:
        sent = Sent(name_of(prompt), self._run.fault, self._run)
        known = self._world.sent_for(sent.name)
        consented = sum(each.run.consents for each in (*known, sent))
        if sum(each.may_be_paid for each in known) > consented:
            self._world.wrongs.append(f"{prompt} was sent again, and nobody consented")
        if any(each.run is self._run for each in known):
            self._world.wrongs.append(f"{prompt} was sent twice by one run")
        self._world.sent.append(sent)


class Watched(VideoStore):
    """The store as one run sees it: at each operation the run's plan comes true. Ages follow the world's clock."""

    def __init__(self, world: World, run: Run) -> None:
        self._world = world
        self._run = run
        self._real = world.store
        self.settling = world.store.settling

    async def read(self, name: str) -> Entry | None:
        entry = await self._step("read", name, lambda: self._real.read(name))
        return entry._replace(age=self._world.age(name)) if entry else None

    async def create(self, record: VideoRecord) -> Entry:
        return await self._step("create", record.name, lambda: self._touching(record.name, self._real.create(record)))

    async def replace(self, entry: Entry, record: VideoRecord) -> Entry:
        return await self._step(
            "replace", record.name, lambda: self._touching(record.name, self._real.replace(entry, record))
        )

    async def mark(self, name: str, claim: str) -> None:
        await self._step("mark", name, lambda: self._touching(claim, self._real.mark(name, claim)))

    async def unmark(self, name: str, claim: str) -> None:
        await self._step("unmark", name, lambda: self._real.unmark(name, claim))

    async def has_video(self, name: str) -> bool:
        return await self._step("has_video", name, lambda: self._real.has_video(name))

    async def digest(self, name: str) -> tuple[int, str]:
        return await self._step("digest", name, lambda: self._real.digest(name))

    async def read_file(self, name: str) -> bytes | None:
        return await self._real.read_file(name)

    async def write_file(self, name: str, data: bytes) -> str:
        return await self._real.write_file(name, data)

    async def sweep(self, name: str) -> None:
        await self._step("sweep", name, lambda: self._real.sweep(name))

    async def pending(self) -> AsyncIterator[Mark]:
        for mark in [mark async for mark in self._real.pending()]:
            yield mark._replace(age=self._world.age(mark.claim))

    def uri(self, name: str, suffix: Suffix = ".mp4") -> str:
        return self._real.uri(name, suffix)

    def open(self, name: str, suffix: Suffix = ".mp4") -> BinaryIO | None:
        return self._real.open(name, suffix)

    async def write_beside(self, name: str, suffix: Literal[".jpg", ".html"], data: bytes) -> None:
        await self._real.write_beside(name, suffix, data)

    async def link(self, name: str, suffix: Suffix = ".mp4") -> Link | None:
        return await self._real.link(name, suffix)

    @asynccontextmanager
    async def writer(self, name: str) -> AsyncIterator[VideoWriter]:
        try:
            async with self._real.writer(name) as writer:
                yield _WatchedWriter(self._step, name, writer)
        except Crash:
            self._world.leave_broken_transfer(name)
            raise

    async def _touching(self, what: str, work: Awaitable[T]) -> T:
        done = await work
        self._world.touch(what)
        return done

    async def _step(self, step: str, name: str, work: Callable[[], Awaitable[T]]) -> T:
        self._run.steps[step] += 1
        due = [event for event in self._run.plan if event[:2] == (step, self._run.steps[step])]
        await self._come_true(name, [event.what for event in due if not event.late])
        done = await work()
        await self._come_true(name, [event.what for event in due if event.late])
        return done

    async def _come_true(self, name: str, whats: list[What]) -> None:
        for what in whats:
            if what == "dies":
                self._run.dead = self._run.lost_an_id = True
            elif what.startswith("away"):
                if what == "away long":
                    await self._world.interfere("found dead", name)
                raise DestinationUnavailable(f"{name}: the store does not answer")
            else:
                await self._world.interfere(what, name)
        if self._run.dead:
            raise Crash


class _WatchedWriter:
    def __init__(self, step: Callable[..., Awaitable[None]], name: str, writer: VideoWriter) -> None:
        self._step = step
        self._name = name
        self._writer = writer

    async def write(self, data: bytes) -> None:
        await self._step("write", self._name, lambda: self._writer.write(data))

    async def commit(self) -> None:
        await self._step("commit", self._name, self._writer.commit)


def should_send(found: VideoRecord | None, digest: str, consent: Mapping[str, object]) -> bool:
    """Tell whether an undisturbed run sends a create, with this record found, and this consented to."""
    if found is None:
        return True
    match found.state:
        case RecordState.RELEASED:
            return True
        case RecordState.REFUSED:
            return found.digest != digest or "retry_failed" in consent
        case RecordState.FAILED:
            return "retry_failed" in consent
        case RecordState.SUBMITTING | RecordState.UNCERTAIN:
            return found.digest == digest and "on_uncertain" in consent
        case _:
            return False
