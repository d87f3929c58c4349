"""What can go wrong with a destination; a branch of the tree in `prefect_octopusx.api.errors`.

::

    OctopusXError
    ├── DestinationError            the bucket or folder is missing, forbidden, full or misconfigured
    │   └── DestinationUnavailable  it does not answer now; trying again may help
    ├── NameTaken                   the name belongs to another request, or to a file that no record explains
    ├── RecordInvalid               the record beside a video can't be read
    ├── RecordConflict              somebody else wrote the record first
    └── RecordNotWritten            a video is in the making and paid for, but its record could not be written
"""

from prefect_octopusx.api.errors import OctopusXError

__all__ = [
    "DestinationError",
    "DestinationUnavailable",
    "NameTaken",
    "RecordConflict",
    "RecordInvalid",
    "RecordNotWritten",
]


class DestinationError(OctopusXError):
    """The bucket or folder can't be used: missing, forbidden, full or misconfigured. Names the place and the way on."""


class DestinationUnavailable(DestinationError):
    """The bucket does not answer now (network, 5xx, slow-down); trying again may help. Nothing was sent to the API."""

    resend_safe = True
    retryable = True


class NameTaken(OctopusXError):
    """The name already belongs to another request, or to a video that no record explains."""


class RecordInvalid(OctopusXError):
    """The record beside a video can't be read; it is left as it is."""


class RecordConflict(OctopusXError):
    """Somebody else created or changed the record first; read it again."""


class RecordNotWritten(OctopusXError):
    """A video is in the making and paid for, but its task id could not be written down. Carries the `task_id`."""
