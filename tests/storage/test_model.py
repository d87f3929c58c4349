"""Paid once, stored once, whatever happens: random lives of a few videos against the sandbox and a real store.

`SOAK_EXAMPLES=2000 python -m pytest tests/storage/test_model.py` looks longer, and each time at other lives.
"""

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from prefect_octopusx.api import OctopusXClient
from prefect_octopusx.sandbox import Fault, Sandbox, SandboxSettings
from prefect_octopusx.sandbox.files import video_bytes
from prefect_octopusx.sandbox.jobs import Job
from prefect_octopusx.storage import (
    RecordState,
    VideoRecord,
)
from tests.clocks import Clock
from tests.storage import chances
from tests.storage.acts import adopted, collected, submitted
from tests.storage.conftest import Bucket
from tests.storage.lives import (
    DOUBTFUL,
    SECRET,
    Event,
    Run,
    What,
    World,
    name_of,
    request,
    should_send,
)
from tests.storage.places import Folder, Place, Prefix

EXAMPLES = int(os.environ.get("SOAK_EXAMPLES", "0"))
NAMES = chances.NAMES


class Shared:
    """What all examples share, because it costs time to start: the gateway, its client and their event loop."""

    def __init__(self, sandbox: Sandbox, clock: Clock, runner: asyncio.Runner) -> None:
        self.sandbox = sandbox
        self.clock = clock
        self.runner = runner
        self.client = OctopusXClient(sandbox.key, sandbox.url, create_timeout=20)


class Lives(RuleBasedStateMachine):
    """Anything that may happen to a few names."""

    def __init__(self, shared: Shared, place: Place) -> None:
        super().__init__()
        self.shared = shared
        self.place = place
        self.sandbox = shared.sandbox
        self.sandbox.reset()
        self.files: dict[str, bytes] = {}
        self.world = World(shared.clock, self.sandbox, place.store, place.leave_broken_transfer, self.interfere)

    # What may happen ---------------------------------------------------------------------------------------------

    @rule(
        name=chances.names, what=chances.whats, consent=chances.consents, fault=chances.faults, plan=chances.submitting
    )
    def submit(self, name: str, what: str, consent: dict[str, Any], fault: str, plan: tuple[Event, ...]) -> None:
        run = Run(plan, consents=bool(consent), fault=fault)
        should = should_send(self.record(name), request(name, what).digest, consent)
        self.run(submitted(self.world, run, name, what, consent, self.shared.client))
        assert plan or should == any(sent.run is run for sent in self.world.sent)

    @rule(name=chances.names, consent=chances.consents, fault=chances.faults, plan=chances.submitting)
    def submit_at_once(self, name: str, consent: dict[str, Any], fault: str, plan: tuple[Event, ...]) -> None:
        runs = [Run(given, consents=bool(consent), fault=fault) for given in (plan, ())]
        works = [submitted(self.world, run, name, "a cat", consent, self.shared.client) for run in runs]
        if not self.place.store.settling:
            self.run(*works)
            return
        for work in works:  # a claim settles in true seconds only, as in tests/flows/test_swift.py
            self.run(work)

    @rule(later=chances.delays, query=chances.query_faults, file=chances.file_faults, plan=chances.collecting)
    def collect(self, later: float, query: str, file: str, plan: tuple[Event, ...]) -> None:
        self.world.clock.now += later
        self.add_faults(query, file)
        self.run(collected(self.world, Run(plan), self.shared.client))

    @rule(file=chances.file_faults, plan=chances.collecting)
    def collect_at_once(self, file: str, plan: tuple[Event, ...]) -> None:
        self.world.clock.now += 30
        self.add_faults(file)
        self.run(*(collected(self.world, Run(given), self.shared.client) for given in (plan, ())))

    @rule(which=st.integers(0, 9), name=chances.names, knows=st.booleans(), plan=chances.adopting)
    def adopt(self, which: int, name: str, knows: bool, plan: tuple[Event, ...]) -> None:
        if not self.unclaimed():
            self.run(self.shared.client.create_video(request("by hand", name)))
        jobs = self.unclaimed()
        self.run(adopted(self.world, Run(plan), jobs[which % len(jobs)], name, knows=knows))

    async def interfere(self, what: What, name: str) -> None:
        """Let others find a run dead in the midst of a step, and go on in its place. In the loop that it runs in."""
        self.world.clock.now += 61
        self.files = self.place.files()
        async with OctopusXClient(self.sandbox.key, self.sandbox.url) as client:
            if what == "sent again":
                await submitted(self.world, Run(consents=True), name, "a cat", {"on_uncertain": "resubmit"}, client)
            elif what == "found dead":
                await collected(self.world, Run(), client)
            elif jobs := [job for job in self.unclaimed() if name_of(job.prompt) == name]:
                await adopted(self.world, Run(), jobs[0], name, knows=True)

    # What must hold ----------------------------------------------------------------------------------------------

    @invariant()
    def all_promises_are_kept(self) -> None:
        with self.telling_what_led_to_an_error():
            for name in NAMES:
                self.nothing_is_paid_without_consent(name)
                self.every_paid_id_is_written_down_unless_its_reply_was_lost(name)
                self.what_is_completed_is_stored_whole(name)
                self.no_record_holds_a_secret(name)
            self.every_pending_record_is_in_the_index()

    @contextmanager
    def telling_what_led_to_an_error(self) -> Iterator[None]:
        """Runs at once may go another way next time, and then Hypothesis hides the error that it saw."""
        try:
            yield
        except BaseException as error:
            print(*self.world.story, *self.records(), f"{error!r}", sep="\n")  # noqa: T201 - pytest shows it
            raise

    def nothing_is_paid_without_consent(self, name: str) -> None:
        assert not self.world.wrongs
        sent = self.world.sent_for(name)
        may_be_paid = sum(each.may_be_paid for each in sent)
        assert len(self.jobs(name)) <= may_be_paid <= 1 + sum(each.run.consents for each in sent)

    def every_paid_id_is_written_down_unless_its_reply_was_lost(self, name: str) -> None:
        lost = sum(sent.fault in DOUBTFUL or sent.run.lost_an_id for sent in self.world.sent_for(name))
        assert sum(name_of(job.prompt) == name for job in self.unclaimed()) <= lost

    def what_is_completed_is_stored_whole(self, name: str) -> None:
        record, video = self.record(name), self.files.get(f"{name}.mp4")
        if record and record.state is RecordState.COMPLETED:
            assert video in [video_bytes(job) for job in self.sandbox.jobs if job.id == record.task_id]
            assert (len(video), hashlib.sha256(video).hexdigest()) == (record.size, record.sha256)
        elif video is not None:
            assert record
            assert record.state is RecordState.SUBMITTED

    def no_record_holds_a_secret(self, name: str) -> None:
        text = self.files.get(f"{name}.json", b"").decode()
        assert not [secret for secret in (SECRET, "SECRET", "sig=", self.sandbox.key) if secret in text]

    def every_pending_record_is_in_the_index(self) -> None:
        pending = {(found.name, found.claim) for found in self.records() if found.state.is_pending}
        assert pending <= self.marks()

    def teardown(self) -> None:
        """Let everything come to its end, with no more trouble."""
        self.sandbox.clear_faults()
        for _ in range(3):
            self.world.clock.now += 2 * chances.DAY
            self.run(collected(self.world, Run(), self.shared.client))
        for record in self.records():
            assert record.state not in {RecordState.SUBMITTING, RecordState.SUBMITTED}
            if record.state is RecordState.COMPLETED:
                self.run(submitted(self.world, Run(), record.name, "a cat", {}, self.shared.client))  # it tidies
                assert not self.place.left_over(record.name)
        uncertain = {(found.name, found.claim) for found in self.records() if found.state is RecordState.UNCERTAIN}
        assert self.marks() == uncertain
        self.all_promises_are_kept()

    # How it is done and looked at --------------------------------------------------------------------------------

    def run(self, *works: Awaitable[Any]) -> None:
        async def all_of_them() -> None:
            for done in await asyncio.gather(*works, return_exceptions=True):
                if isinstance(done, BaseException):
                    raise done

        with self.telling_what_led_to_an_error():
            self.shared.runner.run(all_of_them())
        self.sandbox.clear_faults()
        self.files = self.place.files()

    def add_faults(self, *kinds: str) -> None:
        for kind in filter(None, kinds):
            self.sandbox.add_fault(Fault(kind))

    def record(self, name: str) -> VideoRecord | None:
        data = self.files.get(f"{name}.json")
        return VideoRecord.from_json(data, where=name) if data else None

    def records(self) -> list[VideoRecord]:
        return [record for name in NAMES if (record := self.record(name))]

    def marks(self) -> set[tuple[str, str]]:
        async def read() -> set[tuple[str, str]]:
            return {(mark.name, mark.claim) async for mark in self.place.store.pending()}

        return self.shared.runner.run(read())

    def jobs(self, name: str) -> list[Job]:
        return [job for job in self.sandbox.jobs if name_of(job.prompt) == name]

    def unclaimed(self) -> list[Job]:
        """Return the jobs that no record knows."""
        known = {attempt.task_id for record in self.records() for attempt in (record, *record.earlier)}
        return [job for job in self.sandbox.jobs if job.id not in known]


def live(shared: Shared, place: Callable[[], Place], examples: int) -> None:
    """Live through `examples` lives."""
    profile = settings(
        max_examples=examples,
        stateful_step_count=40,
        derandomize=not EXAMPLES,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(lambda: Lives(shared, place()), settings=profile)


@pytest.fixture
def shared() -> Iterator[Shared]:
    clock = Clock()
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox(SandboxSettings(generation=20, refresh=0, seed=1, clock=clock)))
        runner = stack.enter_context(asyncio.Runner())
        shared = Shared(sandbox, clock, runner)
        yield shared
        runner.run(shared.client.aclose())


def test_whatever_happens_a_folder_holds_what_was_paid_once(shared: Shared, tmp_path: Path) -> None:
    live(shared, lambda: Folder(tmp_path), EXAMPLES or 12)


def test_whatever_happens_a_bucket_holds_what_was_paid_once(shared: Shared, bucket: Bucket) -> None:
    live(shared, lambda: Prefix(bucket), EXAMPLES // 10 or 3)
