"""A gateway and a destination to which anything can happen, and a video that is asked for there.

The video goes the way that `generate_video` leads it: the same steps in the same order, tried again on the conditions
of the same tasks, but without Prefect's engine and in a time that nobody waits for. `test_flow.py` sees that the flow
itself comes to the same.
"""

import json
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from itertools import count
from types import SimpleNamespace
from typing import Any, TypeVar
from urllib.parse import quote, unquote_plus, urlsplit

import pytest
from prefect import Task

from prefect_octopusx.api import OctopusXClient, OctopusXError, TaskState, VideoTask, ViduRequest, wait_until_final
from prefect_octopusx.sandbox import Fault, Sandbox
from prefect_octopusx.sandbox.files import video_bytes
from prefect_octopusx.storage import (
    RecordState,
    VideoRecord,
    VideoStore,
    adopt,
    fail,
    failure,
    submit,
)
from prefect_octopusx.tasks import create_video, save_video, steps, wait_for_video
from tests.clocks import Clock
from tests.faults.relay import Call, Relay, Reply, Trick
from tests.faults.table import Called, Elsewhere, Odd, Provocation, Row, told
from tests.faults.tls import untrusted
from tests.servers import free_port

__all__ = ["CAT", "PLACES", "World", "live_through"]

CAT = ViduRequest(model="viduq3-pro", prompt="a cat chasing butterflies", duration=5)
PLACES = {"create": "POST /v1/video/create", "query": "GET /v1/video/query", "file": "GET /files/"}
_FILES = re.compile(rb"http://127\.0\.0\.1:\d+/files/")
_SANE = 3000  # characters of an error
_logger = logging.getLogger("faults")
T = TypeVar("T")


class World:
    """See above.

    Args:
        sandbox: The gateway; its clock is `clock`.
        clock: What time it is there.
        padding: Bytes that each video is made longer by.
    """

    store: VideoStore
    client: OctopusXClient

    def __init__(self, sandbox: Sandbox, clock: Clock, *, padding: int = 0) -> None:
        self.sandbox = sandbox
        self.clock = clock
        self._padding = padding.to_bytes(4) + b"free" + bytes(padding - 8) if padding else b""
        self._name = ""  # what the gateway calls its task
        self._elsewhere: dict[str, tuple[str, int | None]] = {}
        self._limits: dict[str, float] = {}
        self.bucket: Relay | None = None
        self.attempts: dict[str, int] = {}
        """How often each step was begun in the last run."""

    @asynccontextmanager
    async def open(self, make_store: Callable[[AsyncExitStack], Awaitable[VideoStore]]) -> AsyncIterator["World"]:
        """Open the relays, the client and the store."""
        async with AsyncExitStack() as stack:
            self.gateway = await stack.enter_async_context(Relay(_port(self.sandbox.url), self._edit, self._readdress))
            files = self.sandbox._state.files_port
            assert files
            self.files = await stack.enter_async_context(Relay(files, self._edit))
            self.client = await stack.enter_async_context(self._client(self.gateway.address))
            self.store = await make_store(stack)
            self._stack = stack
            yield self

    # What happens.

    def provoke(self, place: str, by: Provocation, *, accepted: bool | None, once: bool = False) -> None:
        """Let a fault happen.

        Args:
            place: `create`, `query`, `file` or `bucket`.
            by: The fault.
            accepted: Whether a create that the fault happens to is accepted all the same; None: as the fault has it.
            once: Only to one request.
        """
        times = 1 if once else None
        match by:
            case Fault():
                fault = replace(by, billed=accepted) if accepted is not None else by
                self.sandbox.add_fault(replace(fault, times=1) if once else fault)
            case Odd():
                relay = self._relays[place]
                armed = partial(self._came, by.after) if by.after else lambda: True
                trick = Trick(by.of or PLACES[place], by.act, passed=bool(accepted), times=times, armed=armed)
                relay.tricks.append(trick)
                if by.limit is not None:
                    self._limits[place] = by.limit
            case Elsewhere():
                self._elsewhere[place] = (by.place, times)
            case Called():
                self._name = by.id

    def calm(self) -> None:
        """End all faults."""
        self.sandbox.clear_faults()
        for relay in self._relays.values():
            relay.tricks.clear()
        self._elsewhere.clear()
        self._limits.clear()

    # What a person does.

    async def run(self, **options: Any) -> VideoRecord:  # noqa: ANN401 - those of `submit`
        """Ask for the video, as a run of `generate_video` does."""
        self.attempts.clear()
        record = await self._tried(create_video, "create", partial(self._create, **options))
        if record.state is RecordState.COMPLETED:
            return record
        seen = await self._tried(wait_for_video, "query", partial(self._wait, record))
        if seen.state is TaskState.FAILED:
            raise failure(await fail(self.store, record, seen))
        return await self._tried(save_video, "file", partial(self._save, record, seen))

    async def go_on(self, then: str) -> VideoRecord:
        """Do what the page says, in the words of the page."""
        if then.startswith("adopt it"):
            if self.sandbox.ledger:  # as in the dashboard
                await adopt(self.store, self.task_id, name="hero", sleep=self.clock.sleep)
                return await self.run()
            return await self.run(on_uncertain="resubmit", asked_by="a new run")
        if "retry_failed" in then:
            return await self.run(retry_failed=True, asked_by="a new run")
        assert then.startswith("run it again"), then
        return await self.run()

    # What is left.

    async def record(self) -> VideoRecord | None:
        """Return the record."""
        entry = await self.store.read("hero")
        return entry.record if entry else None

    @property
    def task_id(self) -> str:
        """The last job's id, as the gateway tells it."""
        return self._name or self.sandbox.jobs[-1].id

    @property
    def billed(self) -> str:
        """What was billed up to now, in the words of the page."""
        charges = self.sandbox.ledger
        assert len(charges) < 2, "billed twice"
        if not charges:
            return "nothing"
        return "refunded" if charges[0].refunded else "once"

    @property
    def paid(self) -> int:
        """How many creates were billed and not refunded."""
        return sum(not charge.refunded for charge in self.sandbox.ledger)

    def video(self) -> bytes:
        """Return the bytes of the last job's video."""
        return video_bytes(self.sandbox.jobs[-1]) + self._padding

    def tries(self, place: str) -> int:
        """Return how often something was asked for at a place."""
        return self._relays[place].count(PLACES[place])

    # How it is done.

    async def _create(self, client: OctopusXClient, _attempt: int, **options: Any) -> VideoRecord:  # noqa: ANN401
        given = {"name": "hero", "clock": self.clock, "sleep": self.clock.sleep, "logger": _logger}
        return await submit(self.store, client, CAT, **(given | options))

    async def _wait(self, record: VideoRecord, client: OctopusXClient, _attempt: int) -> VideoTask:
        assert record.submitted_at
        with pytest.MonkeyPatch.context() as patch:  # the step itself takes its time from the system
            wait = partial(wait_until_final, clock=self.clock, sleep=self.clock.sleep, chance=lambda: 0.5)
            patch.setattr(steps, "wait_until_final", wait)
            return await steps.watch_video(
                client,
                record,
                submitted_at=record.submitted_at.timestamp(),
                poll_interval=None,
                deadline=None,
                on_look=_look,
                logger=_logger,
            )

    async def _save(self, record: VideoRecord, task: VideoTask, client: OctopusXClient, attempt: int) -> VideoRecord:
        return await steps.store_video(self.store, client, record, task if attempt == 1 else None, logger=_logger)

    async def _tried(self, task: Task[..., Any], place: str, act: Callable[[OctopusXClient, int], Awaitable[T]]) -> T:
        """Do it as often as Prefect would."""
        allowed = task.retry_condition_fn
        assert allowed
        for attempt in count(1):
            self.attempts[place] = attempt
            try:
                async with self._client_for(place, attempt) as client:
                    return await act(client, attempt)
            except Exception as error:
                again: Any = SimpleNamespace(run_count=attempt), SimpleNamespace(data=error)
                if attempt > task.retries or not allowed(task, *again):
                    raise
        raise AssertionError

    @asynccontextmanager
    async def _client_for(self, place: str, attempt: int) -> AsyncIterator[OctopusXClient]:
        there, times = self._elsewhere.get(place, ("", 0))
        if there and (times is None or attempt <= times):
            async with self._client(await self._address(there)) as client:
                yield client
        elif place in self._limits:
            async with self._client(self.gateway.address, limit=self._limits[place]) as client:
                yield client
        else:
            yield self.client

    def _client(self, url: str, *, limit: float | None = None) -> OctopusXClient:
        names = ("create_timeout", "query_timeout", "download_timeout")
        limits = dict.fromkeys(names, limit) if limit else {}
        return OctopusXClient(self.sandbox.key, url, logger=_logger, **limits)

    async def _address(self, place: str) -> str:
        match place:
            case "refused":
                return f"http://127.0.0.1:{free_port()}"
            case "unknown":
                return "http://gateway.invalid"
            case "plain":
                return self.gateway.address.replace("http:", "https:")
        assert place == "untrusted"
        return await self._stack.enter_async_context(untrusted())

    @property
    def _relays(self) -> dict[str, Relay]:
        bucket = {"bucket": self.bucket} if self.bucket else {}
        return {"create": self.gateway, "query": self.gateway, "file": self.files, **bucket}

    def _came(self, part: str) -> bool:
        return any(relay.count(part) for relay in self._relays.values())

    def _edit(self, call: Call, reply: Reply) -> Reply:
        """Let the gateway name our file host, and call its task as it is to be called."""
        if "/files/" in call.line:
            return reply.with_body(reply.body + self._padding) if self._padding else reply
        reply = reply.with_body(_FILES.sub(f"{self.files.address}/files/".encode(), reply.body))
        if self._name and self.sandbox.jobs:
            true = self.sandbox.jobs[-1].id.encode()
            reply = reply.with_body(reply.body.replace(b'"%s"' % true, json.dumps(self._name).encode()))
        return reply

    def _readdress(self, head: bytes) -> bytes:
        """Let the gateway know its own task again by the name that it told."""
        found = re.match(rb"GET /v1/(?:video/query\?id=|videos/)([^ /]*)", head)
        if not self._name or not found:
            return head
        assert unquote_plus(found[1].decode()) == self._name, "the id was not kept as it was"
        true = quote(self.sandbox.jobs[-1].id, safe="").encode()
        return head[: found.start(1)] + true + head[found.end(1) :]


async def live_through(world: World, place: str, row: Row, by: Provocation, accepted: bool | None) -> None:
    """Let a fault happen and stay, and see what the row says; take it away, and see the video stored and paid once."""
    fate = row.fate
    world.provoke(place, by, accepted=accepted)
    if row.sees:
        with pytest.raises(OctopusXError) as caught:
            await world.run()
        said = f"{type(caught.value).__name__}: {caught.value}"
        assert re.fullmatch(told(row.sees), said, re.DOTALL), said
        assert len(said) < _SANE
        assert not re.search(r"sk-sandbox|sig=|\0", said), said
        assert (max(world.attempts.values()) > 1) == (fate.again == "yes"), world.attempts
    else:
        await world.run()
    world.calm()
    left = await world.record()
    assert (left.state if left else "none") == fate.record
    assert world.billed == (fate.billed if accepted is None else "once" if accepted else "nothing")
    record = await world.go_on(fate.then) if row.sees else await world.run()
    assert (record.state, record.task_id) == (RecordState.COMPLETED, world.task_id)
    assert world.paid == 1


async def _look(_task: VideoTask) -> None:
    pass


def _port(url: str) -> int:
    port = urlsplit(url).port
    assert port
    return port
