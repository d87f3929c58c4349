"""The parameters that flows share, as Prefect's form shows them."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from prefect_octopusx.api import VideoRequest
from prefect_octopusx.api.requests import FAMILIES
from prefect_octopusx.api.requests.forms import FamilyRules
from prefect_octopusx.blocks.forms import CanBeEmpty
from prefect_octopusx.storage import LEASE, OnUncertain

__all__ = [
    "BatchOptions",
    "BatchWait",
    "CanBeEmpty",
    "ChunkSize",
    "Lease",
    "MaxInFlight",
    "MaxNewVideos",
    "OptionalRequest",
    "Positive",
    "Ratio",
    "Request",
    "RequestsPerMinute",
    "Transfers",
    "Wait",
]

Request = Annotated[VideoRequest, FamilyRules(FAMILIES)]
OptionalRequest = Annotated[VideoRequest | None, FamilyRules(FAMILIES)]
MaxInFlight = Annotated[int, Field(ge=1, le=10_000)]
MaxNewVideos = Annotated[int, Field(ge=0)]
Ratio = Annotated[float, Field(ge=0, le=1)]
Lease = Annotated[float, Field(ge=1, le=600)]
Positive = Annotated[float, Field(gt=0)]
RequestsPerMinute = Annotated[float, Field(gt=0, le=6000)]
ChunkSize = Annotated[int, Field(ge=1, le=1000)]
BatchWait = Literal["auto", "process", "reschedule"]
Wait = Literal["auto", "process", "reschedule", "none"]
Transfers = Annotated[int, Field(ge=1, le=32)]


@dataclass(frozen=True, kw_only=True)
class BatchOptions:
    """How a batch is run; each is explained in the flow that takes it."""

    max_in_flight: int = 100
    max_new_videos: int | None = None
    fail_if_failed_ratio: float = 0.0
    dry_run: bool = False
    max_lateness: float | None = None
    requests_per_minute: float = 120.0
    transfers: int = 4
    on_uncertain: OnUncertain = "stop"
    retry_failed: bool = False
    poll_interval: float | None = None
    deadline: float | None = None
    lease: float = LEASE
    wait: BatchWait = "auto"
    deployment: str | None = None
    chunk_size: int = 50
    made_from: str | None = None
    """The key of the asset that the videos depend on, beside their pictures: the manifest."""
