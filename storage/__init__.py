"""The video store: records, S3, a local folder, the checked transfer. No Prefect in here."""

from prefect_octopusx.storage.adoption import adopt
from prefect_octopusx.storage.claims import OnUncertain, settle_if_dead
from prefect_octopusx.storage.decoding import VideoFacts
from prefect_octopusx.storage.errors import (
    DestinationError,
    DestinationUnavailable,
    NameTaken,
    RecordConflict,
    RecordInvalid,
    RecordNotWritten,
)
from prefect_octopusx.storage.extras import Extras, add_extras, has_poster
from prefect_octopusx.storage.journal import complete, current, fail, submit
from prefect_octopusx.storage.links import Link, check_public_base_url
from prefect_octopusx.storage.local import LocalStore
from prefect_octopusx.storage.locations import read_location
from prefect_octopusx.storage.names import check_name
from prefect_octopusx.storage.outlook import Outlook, Step, foresee
from prefect_octopusx.storage.pending import pending_videos
from prefect_octopusx.storage.records import LEASE, Attempt, RecordState, VideoRecord
from prefect_octopusx.storage.s3 import S3Options, S3Store
from prefect_octopusx.storage.saving import save
from prefect_octopusx.storage.store import Entry, Mark, VideoStore, VideoWriter
from prefect_octopusx.storage.tidying import tidy_completed
from prefect_octopusx.storage.transfer import StoredVideo, transfer
from prefect_octopusx.storage.verdicts import failure, uncertain

__all__ = [
    # The record
    "VideoRecord",
    "RecordState",
    "Attempt",
    "check_name",
    # Its transitions
    "submit",
    "adopt",
    "complete",
    "current",
    "fail",
    "OnUncertain",
    "LEASE",
    # What a run would do about a name
    "foresee",
    "Outlook",
    "Step",
    # What a record's state means to who asks for its video
    "failure",
    "uncertain",
    # What is not over
    "pending_videos",
    "settle_if_dead",
    "tidy_completed",
    # Where it is kept
    "VideoStore",
    "VideoWriter",
    "Entry",
    "Mark",
    "S3Store",
    "S3Options",
    "LocalStore",
    "read_location",
    # How a video gets there
    "save",
    "transfer",
    "StoredVideo",
    # What people find beside it, and where
    "add_extras",
    "has_poster",
    "Extras",
    "VideoFacts",
    "Link",
    "check_public_base_url",
    # Errors
    "DestinationError",
    "DestinationUnavailable",
    "NameTaken",
    "RecordConflict",
    "RecordInvalid",
    "RecordNotWritten",
]
