"""The chunks of a batch: each is made by a flow run of a deployment, on whatever worker has room."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from prefect import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterType,
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.deployments import arun_deployment
from prefect.runtime import flow_run

from prefect_octopusx.batches import VideoItem
from prefect_octopusx.blocks import Destination, OctopusXCredentials
from prefect_octopusx.flows.chunk_checks import check_chunks, saved_id
from prefect_octopusx.flows.options import BatchOptions
from prefect_octopusx.tasks.assets import asset_key
from prefect_octopusx.tasks.runs import flow_run_attempt, flow_run_id
from prefect_octopusx.tasks.steps import Logger

__all__ = ["ChunkRun", "Chunks", "made_from_of_this_chunk"]

_TAG = "octopusx-chunk"
_MADE_FROM = "octopusx-made-from:"  # a tag, since a chunk is given requests and no manifest
_MOST_BYTES = 384 * 1024  # of the requests in a run's parameters; Prefect takes 512 KiB in all
_PAGE = 200  # runs or artifacts in one answer of Prefect's
_OVER = [StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED]


class ChunkRun(NamedTuple):
    """A flow run that makes some of the videos."""

    run: FlowRun
    names: tuple[str, ...]
    """Its videos."""
    round: int
    """1 for the first runs of this try of the batch, 2 for those that stand in for crashed ones; 0 for other tries."""

    @property
    def has_crashed(self) -> bool:
        """Whether it ended for no reason of its own: its worker died, or was evicted."""
        return self.run.state is not None and self.run.state.is_crashed()

    @property
    def has_told(self) -> bool:
        """Whether it came to its end, where it writes what became of its videos."""
        return self.run.state is not None and (self.run.state.is_completed() or self.run.state.is_failed())

    @property
    def why(self) -> str:
        """How it ended, for people."""
        state = self.run.state
        said = f"{state.name}: {state.message}" if state is not None else "nobody knows how"
        return f"its run {self.run.name!r} ended {said}"


class Chunks:
    """The chunk runs of this flow run.

    Args:
        name: The batch's name.
        destination: Where to.
        credentials: The saved block with the key, if one is given.
        options: How; `options.deployment` and `options.chunk_size` say on what, and how many in one run.
        logger: The run's logger.
    """

    def __init__(
        self,
        name: str,
        *,
        destination: Destination,
        credentials: OctopusXCredentials | None,
        options: BatchOptions,
        logger: Logger,
    ) -> None:
        self._parent = UUID(flow_run_id())
        self._attempt = flow_run_attempt()  # each has runs of its own
        self._name = name
        self._destination = destination
        self._credentials = credentials
        self._options = options
        self._deployment = str(options.deployment)
        self._made_from = [f"{_MADE_FROM}{options.made_from}"] if options.made_from else []
        self._logger = logger

    async def check(self, items: Sequence[VideoItem]) -> None:
        """Check that other runs can make all of these.

        Raises:
            ValueError: They can't; the message says why, and what to do.
        """
        await check_chunks(
            items, deployment=self._deployment, destination=self._destination, credentials=self._credentials
        )

    async def start(self, items: Sequence[VideoItem], *, number: int) -> None:
        """Ask for the runs that make these, in round `number`. What was asked for already is not asked for again.

        Raises:
            ValueError: Other runs can't make them.
        """
        await self.check(items)
        chunks = list(_split(items, self._options.chunk_size))
        self._logger.info("%s: %d videos in %d runs of %s", self._name, len(items), len(chunks), self._deployment)
        for n, chunk in enumerate(chunks, 1):
            name = f"{self._name}-chunks/{number}-{n:03}"
            await arun_deployment(
                self._deployment,
                parameters=self._parameters(chunk, name=name),
                flow_run_name=name,
                tags=[_TAG, *self._made_from],
                idempotency_key=f"{self._prefix}{number}-{n}",
                timeout=0,
            )

    def _parameters(self, chunk: Sequence[VideoItem], *, name: str) -> dict[str, Any]:
        """Return all parameters, so that none is left to what the deployment has for runs of another kind."""
        options = self._options
        # The slug is not in the schema that Prefect checks a deployment's parameters by.
        destination = self._destination.model_dump(mode="json", exclude_unset=True, exclude={"block_type_slug"})
        given: dict[str, Any] = {
            "manifest": None,
            "requests": {item.name: item.request.restorable() for item in chunk},
            "destination": destination,
            "name": name,
            "defaults": None,
            "dry_run": False,
            "max_new_videos": None,
            "max_lateness": None,
            "fail_if_failed_ratio": 1.0,
            "max_in_flight": options.max_in_flight,
            "requests_per_minute": options.requests_per_minute,
            "transfers": options.transfers,
            "on_uncertain": options.on_uncertain,
            "retry_failed": options.retry_failed,
            "poll_interval": options.poll_interval,
            "deadline": options.deadline,
            "lease": options.lease,
            "wait": options.wait,
            "deployment": None,
        }
        if self._credentials is not None:
            given["credentials"] = {"$ref": {"block_document_id": str(saved_id(self._credentials))}}
        return given

    @property
    def _prefix(self) -> str:
        return f"{self._parent}-{self._attempt}-"

    async def going(self, *, crashed_since: datetime) -> list[ChunkRun]:
        """Return the runs of all tries that are not over, and those that have crashed since: they may start again."""
        found = await self._runs(FlowRunFilterStateType(not_any_=_OVER))
        return [
            one
            for one in found
            if one.run.state is None or not one.has_crashed or one.run.state.timestamp > crashed_since
        ]

    async def all(self) -> list[ChunkRun]:
        """Return the runs of all tries."""
        return await self._runs(None)

    async def left_to_do(self, going: Sequence[ChunkRun]) -> float:
        """Return about how many videos of these runs are not done with, by what the runs show of their progress."""
        shares: dict[UUID, float] = {}
        ids = [one.run.id for one in going]
        async with get_client() as client:
            for start in range(0, len(ids), _PAGE):
                artifacts = await client.read_artifacts(
                    artifact_filter=ArtifactFilter(
                        type=ArtifactFilterType(any_=["progress"]),
                        flow_run_id=ArtifactFilterFlowRunId(any_=ids[start : start + _PAGE]),
                    ),
                    limit=_PAGE,
                )
                shares |= {one.flow_run_id: float(one.data) for one in artifacts if one.flow_run_id}  # type: ignore[arg-type] # a number of percent
        return sum(len(one.names) * (1 - shares.get(one.run.id, 0.0) / 100) for one in going)

    async def _runs(self, states: FlowRunFilterStateType | None) -> list[ChunkRun]:
        which = FlowRunFilter(
            parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[self._parent]),
            state=FlowRunFilterState(type=states) if states else None,
        )
        found: list[FlowRun] = []
        async with get_client() as client:
            while True:
                page = await client.read_flow_runs(
                    flow_run_filter=which, sort=FlowRunSort.ID_DESC, limit=_PAGE, offset=len(found)
                )
                found += page
                if len(page) < _PAGE:
                    return [self._of(run) for run in found]

    def _of(self, run: FlowRun) -> ChunkRun:
        key = run.idempotency_key or ""
        number = key.removeprefix(self._prefix).partition("-")[0] if key.startswith(self._prefix) else "0"
        return ChunkRun(run, tuple(run.parameters.get("requests") or ()), int(number))


def made_from_of_this_chunk() -> str | None:
    """Return what the videos of the batch around this chunk depend on, if this flow run is a chunk."""
    told = next((tag.removeprefix(_MADE_FROM) for tag in flow_run.tags if tag.startswith(_MADE_FROM)), None)
    return asset_key(told) if told else None  # as it is, but where somebody else made the tag


def _split(items: Sequence[VideoItem], size: int) -> Iterator[list[VideoItem]]:
    """Split so that each part has at most `size` videos, and fits into a run's parameters."""
    chunk: list[VideoItem] = []
    length = 0
    for item in items:
        bytes_ = len(json.dumps({item.name: item.request.restorable()}))  # as Prefect measures it
        if chunk and (len(chunk) == size or length + bytes_ > _MOST_BYTES):
            yield chunk
            chunk, length = [], 0
        chunk.append(item)
        length += bytes_
    if chunk:
        yield chunk
