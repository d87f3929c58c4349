"""The record of a video: `NAME.json` beside `NAME.mp4`.

It is journal, lock, provenance and receipt in one::

    (none) --claim--> submitting --id known--> submitted --> completed
                          |                        '-------> failed     (the API's final word)
                          |-- refused for good ----> refused            (the same request is not sent again by itself)
                          |-- did not get through -> released           (the next run sends it)
                          '-- no certain answer ---> uncertain          (never sent again by itself)

A record never holds a key, a signed URL or an inline image.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from prefect_octopusx.api.documented import fields_in_help
from prefect_octopusx.api.requests.messages import shown
from prefect_octopusx.storage.errors import RecordInvalid

__all__ = ["LEASE", "Attempt", "RecordState", "VideoRecord"]


LEASE = 60.0
"""Seconds; the usual lease of a claim. It is renewed four times as often."""


class RecordState(StrEnum):
    """Where a video stands."""

    SUBMITTING = "submitting"
    """Claimed; the create is about to be sent or on its way."""
    SUBMITTED = "submitted"
    """The API gave a task id; the video is in the making, and paid for."""
    COMPLETED = "completed"
    """The whole, verified video is stored. The commit mark."""
    FAILED = "failed"
    """The API's final word: the video failed."""
    REFUSED = "refused"
    """The API refused this very request for good: nothing was submitted, nothing is billed."""
    RELEASED = "released"
    """The create did not get through (busy, key, quota, network): nothing was submitted, nothing is billed."""
    UNCERTAIN = "uncertain"
    """The create got no certain answer: it may be in the making and billed."""

    @property
    def is_pending(self) -> bool:
        """Whether something is still to be done or decided; the index of pending videos holds just these."""
        return self in {RecordState.SUBMITTING, RecordState.SUBMITTED, RecordState.UNCERTAIN}


@fields_in_help
class Attempt(BaseModel):
    """An earlier create under the same name, kept when a new one takes its place."""

    model_config = ConfigDict(frozen=True)

    state: RecordState = Field(description="Where it stood.")
    digest: str = Field(description="Of its request.")
    claim: str | None = Field(default=None, description="Its token.")
    flow_run_id: str | None = Field(default=None, description="The run that sent it.")
    asked_by: str | None = Field(default=None, description="As in the record.")
    task_id: str | None = Field(default=None, description="The id at OctopusX, if it got one.")
    claimed_at: datetime = Field(description="When it was about to be sent.")
    submitted_at: datetime | None = Field(default=None, description="When it was accepted.")
    error: str | None = Field(default=None, description="What went wrong.")
    error_code: str | None = Field(default=None, description="The code of that, as the API has it.")


@fields_in_help
class VideoRecord(BaseModel):
    """What is known of one video. Immutable: every transition is a new record. Times are in UTC.

    Unknown fields of a later version are kept, so that an older worker does not lose them by writing.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    schema_version: Literal[1] = Field(default=1, description="Which fields a reader must know.")
    name: str = Field(description="The idempotency key: what is asked for once under it is paid for once.")
    state: RecordState = Field(description="Where it stands.")
    model: str = Field(description="The model it is asked of.")
    family: str = Field(description="The family of the request: `vidu`, `jimeng` and so on.")
    request: dict[str, Any] = Field(description="The request as sent, without URL queries and inline images.")
    digest: str = Field(description="SHA-256 of `request` in canonical JSON, in hex.")
    off_peak: bool = Field(default=False, description="Whether it may take two days.")
    claim: str = Field(default_factory=lambda: uuid4().hex, description="Who holds the right to send: a random token.")
    lease: float = Field(default=LEASE, description="Seconds without a renewal after which its holder must be dead.")
    renewed_at: datetime | None = Field(default=None, description="When the claim's holder last showed that it lives.")
    flow_run_id: str | None = Field(default=None, description="The run that sent the create, or adopted the task.")
    asked_by: str | None = Field(
        default=None, description="The run whose `on_uncertain` or `retry_failed` allowed this create to be sent."
    )
    top_run_id: str | None = Field(
        default=None, description="Of a batch: the run at the top of those around it, which all retries share."
    )
    task_id: str | None = Field(default=None, description="The id from the create reply, verbatim.")
    alt_ids: tuple[str, ...] = Field(default=(), description="Other ids in the create reply.")
    claimed_at: datetime = Field(description="When the create was about to be sent.")
    submitted_at: datetime | None = Field(default=None, description="When it was accepted.")
    completed_at: datetime | None = Field(default=None, description="When the whole video was stored.")
    error: str | None = Field(default=None, description="Why it is failed, refused, released or uncertain.")
    error_code: str | None = Field(default=None, description="The code of that, as the API has it.")
    uri: str | None = Field(default=None, description="Where the video is stored, once it is.")
    size: int | None = Field(default=None, description="Bytes.")
    sha256: str | None = Field(default=None, description="Of the whole file, in hex.")
    earlier: tuple[Attempt, ...] = Field(default=(), description="Earlier creates under this name, oldest first.")

    def moved(self, state: RecordState, **changes: Any) -> "VideoRecord":  # noqa: ANN401 - any field of the record
        """Return this record in another state, with other fields changed."""
        return self.model_copy(update={"state": state, **changes})

    def superseded(self) -> tuple[Attempt, ...]:
        """Return `earlier` for a record that takes this one's place."""
        return (*self.earlier, Attempt.model_validate(self.model_dump(include=set(Attempt.model_fields))))

    def to_json(self) -> bytes:
        """Return the record as it is stored: UTF-8 JSON, indented for people."""
        return self.model_dump_json(indent=2, exclude_none=True).encode() + b"\n"

    @classmethod
    def from_json(cls, data: bytes, *, where: str, name: str | None = None) -> "VideoRecord":
        """Read a stored record.

        Args:
            data: As it is stored.
            where: What it is called in messages.
            name: The video whose record it must be; any by default.

        Raises:
            RecordInvalid: It is not one, or of a version that this package does not know, or that of another name.
        """
        try:
            record = cls.model_validate_json(data)
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False)[0]
            raise RecordInvalid(
                f"{where} is not a video record that this version can read ({'.'.join(map(str, problem['loc']))}: "
                f"{problem['msg']}). It was left as it is: look at it, then move it away or choose another name."
            ) from None
        if name is not None and record.name != name:
            raise RecordInvalid(
                f"{where} is the record of {shown(record.name)}, not of {name!r}: it was moved, or this folder does "
                "not tell the two names apart, or another destination overlaps with this one. It was left as it is: "
                "choose another name or destination."
            )
        return record
