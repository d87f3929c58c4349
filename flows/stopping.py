"""When a run stops creating: what went wrong with one create would go wrong with each of the others."""

from prefect_octopusx.api import (
    AuthenticationError,
    CreatesStopped,
    EndpointNotFound,
    GatewayUnreachable,
    QuotaExceeded,
)
from prefect_octopusx.batches import VideoItem
from prefect_octopusx.storage import DestinationError, RecordNotWritten

__all__ = ["Stop"]

_ALL = "all models"
# The destination's troubles, too: what can't be stored, or noted, is not to be paid for.
_CONCERN_ALL = (AuthenticationError, GatewayUnreachable, CreatesStopped, DestinationError, RecordNotWritten)


class Stop:
    """Remembers why no more creates are sent in a run: of a model, or at all. What is in the making goes on."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}

    def reason(self, item: VideoItem) -> str | None:
        """Return why a video is not to be created; None if it may be."""
        return self._reasons.get(_ALL) or self._reasons.get(item.request.model)

    def note(self, error: Exception, item: VideoItem) -> str | None:
        """Note how a video ended, after all retries. Returns what stops because of it, if anything does."""
        if _concerns_all(error):
            scope, why = _ALL, "as it would for all"
        elif isinstance(error, QuotaExceeded):  # a cheaper model may still be within the quota
            scope, why = item.request.model, "as it would for all of this model"
        else:
            return None
        if scope in self._reasons:
            return None
        self._reasons[scope] = f"not sent, since it went wrong for {item.name}, {why}: {error}"
        return scope


def _concerns_all(error: Exception) -> bool:
    if isinstance(error, EndpointNotFound):  # a query's, or 501 for what one channel lacks, may be that video's own
        return error.task_id is None and error.status != 501
    return isinstance(error, _CONCERN_ALL)
