"""The video store: records, S3, a local folder, the checked transfer. No Prefect in here."""

from prefect_octopusx.storage.claims import OnUncertain, failure
from prefect_octopusx.storage.errors import (
    DestinationError,
    DestinationUnavailable,
    NameTaken,
    RecordConflict,
    RecordInvalid,
    RecordNotWritten,
)
from prefect_octopusx.storage.journal import complete, current, fail, submit
from prefect_octopusx.storage.local import LocalStore
from prefect_octopusx.storage.records import Attempt, RecordState, VideoRecord, check_name
from prefect_octopusx.storage.s3 import S3Options, S3Store
from prefect_octopusx.storage.store import Entry, VideoStore, VideoWriter
from prefect_octopusx.storage.transfer import StoredVideo, transfer

__all__ = [
    # The record
    "VideoRecord",
    "RecordState",
    "Attempt",
    "check_name",
    # Its transitions
    "submit",
    "complete",
    "current",
    "fail",
    "failure",
    "OnUncertain",
    # Where it is kept
    "VideoStore",
    "VideoWriter",
    "Entry",
    "S3Store",
    "S3Options",
    "LocalStore",
    # How a video gets there
    "transfer",
    "StoredVideo",
    # Errors
    "DestinationError",
    "DestinationUnavailable",
    "NameTaken",
    "RecordConflict",
    "RecordInvalid",
    "RecordNotWritten",
]
