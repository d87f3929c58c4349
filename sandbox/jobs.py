"""The gateway's memory: the jobs, what its database row says about each, and the ledger of what was billed."""

import hashlib
import random
import re
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from prefect_octopusx.sandbox.faults import Fault
from prefect_octopusx.sandbox.settings import SandboxSettings

__all__ = ["Charge", "Job", "JobBook", "Row", "State"]

State = Literal["queued", "processing", "completed", "failed", "cancelled"]

# The gateway does not measure progress; it knows a few steps.
_PROGRESS_STEPS = ((1 / 3, 30), (2 / 3, 50), (1.0, 80))


@dataclass(frozen=True, slots=True)
class Row:
    """What the gateway's database says about a job; it is as old as the gateway's last look at the job."""

    state: State
    progress: int
    updated_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A submitted video.

    Attributes:
        id: The id for queries.
        alt_id: A second, different id that Grok's replies carry and queries accept too.
        key: The API key that the job belongs to.
        family: Which family the model is of.
        body: The request.
        text: The request as canonical JSON, which faults are matched with.
        created_at: When it was submitted.
        ready_at: When it ends.
        end: How it ends.
        fate: The `video_*` fault that it drew.
    """

    id: str
    alt_id: str | None
    key: str
    family: str
    body: dict[str, Any]
    text: str
    created_at: float
    ready_at: float
    end: State
    fate: Fault | None

    @property
    def model(self) -> str:
        """The model's name."""
        return str(self.body["model"])

    @property
    def prompt(self) -> str:
        """The prompt; empty where Vidu was asked to write it."""
        return str(self.body.get("prompt", ""))

    @property
    def fate_kind(self) -> str:
        """The kind of the fault that it drew; empty for none."""
        return self.fate.kind if self.fate else ""

    @property
    def file_name(self) -> str:
        """The stem of its video's file name."""
        return re.sub(r"[^A-Za-z0-9-]", "_", self.id)

    @property
    def ratio(self) -> str:
        """The aspect ratio of its video, from whichever field the family says it with."""
        if ratio := self.body.get("aspect_ratio"):
            return str(ratio)
        if self.body.get("orientation") == "portrait" or self.body.get("size") == "720x1280":
            return "9:16"
        upright_by_default = self.family == "veo" and not {"orientation", "size"} & self.body.keys()
        return "9:16" if upright_by_default else "16:9"

    def row(self, now: float, refresh: float) -> Row:
        """Return what the gateway's database says at a time."""
        age = max(now - self.created_at, 0.0)
        seen_age = age // refresh * refresh if refresh else age
        duration = self.ready_at - self.created_at
        seen_at = self.created_at + seen_age
        if seen_age >= duration:
            # Failed jobs are set to 100 too.
            return Row(self.end, 100, seen_at)
        if seen_age == 0:
            return Row("queued", 0, seen_at)
        return Row("processing", next(step for limit, step in _PROGRESS_STEPS if seen_age / duration < limit), seen_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One billed create or remix.

    Attributes:
        task_id: The id of the job, also where the client never learnt it.
        key: The API key that pays.
        model: The model's name.
        prompt: The prompt.
        digest: The SHA-256 of the request as canonical JSON: equal for equal requests.
        time: When it was billed.
        units: How much.
        refunded: Whether it was given back because the video failed.
    """

    task_id: str
    key: str
    model: str
    prompt: str
    digest: str
    time: float
    units: int
    refunded: bool = False


class JobBook:
    """All jobs of a sandbox and their charges. Safe to read from another thread."""

    def __init__(self, settings: SandboxSettings) -> None:
        self._settings = settings
        self._random = random.Random(settings.seed)  # noqa: S311 - ids of a sandbox guard nothing
        self._lock = threading.Lock()
        self._jobs: list[Job] = []
        self._by_id: dict[str, Job] = {}
        self._by_file: dict[str, Job] = {}
        self._charges: list[Charge] = []

    def submit(self, key: str, family: str, body: dict[str, Any], text: str, fate: Fault | None) -> Job:
        """Create a job and bill it."""
        settings, now = self._settings, self._settings.clock()
        kind = fate.kind if fate else ""
        seconds = settings.seconds_for(off_peak=body.get("off_peak") is True) + (fate.delay if fate else 0)
        end: State = "completed"
        if kind == "create_failed_inline":
            seconds, end = 0.0, "failed"
        elif kind == "video_stuck":
            seconds = float("inf")
        elif kind == "video_cancelled":
            end = "cancelled"
        elif kind.startswith("video_failed"):
            end = "failed"
        with self._lock:
            task_id, alt_id = _NEW_IDS[family](self._random)
            job = Job(
                id=task_id,
                alt_id=alt_id,
                key=key,
                family=family,
                body=body,
                text=text,
                created_at=now,
                ready_at=now + seconds,
                end=end,
                fate=fate,
            )
            self._jobs.append(job)
            self._by_id.update({name: job for name in (task_id, alt_id) if name})
            self._by_file[job.file_name] = job
            digest = hashlib.sha256(text.encode()).hexdigest()
            charge = Charge(
                task_id=task_id,
                key=key,
                model=job.model,
                prompt=job.prompt,
                digest=digest,
                time=now,
                units=settings.price,
            )
            self._charges.append(charge)
        return job

    def find(self, task_id: str, key: str | None = None) -> Job | None:
        """Return the job with an id; only the key's own jobs, where a key is given."""
        job = self._by_id.get(task_id)
        return job if job and key in (None, job.key) else None

    def find_file(self, name: str) -> Job | None:
        """Return the job whose video has this file name (without its ending)."""
        return self._by_file.get(name)

    def row(self, job: Job) -> Row:
        """Return what the gateway's database says about a job now."""
        return job.row(self._settings.clock(), self._settings.refresh)

    def jobs(self) -> list[Job]:
        """Return all jobs, oldest first."""
        with self._lock:
            return list(self._jobs)

    def charges(self) -> list[Charge]:
        """Return the ledger, oldest first. The charge for a video that failed is marked as refunded."""
        with self._lock:
            return [replace(charge, refunded=self._failed(charge.task_id)) for charge in self._charges]

    def used(self, key: str) -> int:
        """Return the units that a key has spent, without the refunded ones."""
        return sum(charge.units for charge in self.charges() if charge.key == key and not charge.refunded)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            for memory in (self._jobs, self._by_id, self._by_file, self._charges):
                memory.clear()

    def _failed(self, task_id: str) -> bool:
        return self.row(self._by_id[task_id]).state in ("failed", "cancelled")


def _uuid(source: random.Random) -> str:
    return str(uuid.UUID(int=source.getrandbits(128), version=4))


def _sora_id(source: random.Random) -> str:
    return "sora-2:task_01" + "".join(source.choices("0123456789abcdefghjkmnpqrstvwxyz", k=24))


_NEW_IDS: dict[str, Callable[[random.Random], tuple[str, str | None]]] = {
    "jimeng": lambda source: (_uuid(source), None),
    "vidu": lambda source: (_uuid(source), None),
    "veo": lambda source: (f"video_{_uuid(source)}", None),
    "sora": lambda source: (_sora_id(source), None),
    "grok": lambda source: (f"grok:{_uuid(source)}", _uuid(source)),
}
