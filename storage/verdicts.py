"""What a record's state means to whoever asks for its video: the errors, each with what happened and the ways on."""

from prefect_octopusx.api.errors import InvalidRequest, SubmissionUncertain, VideoFailed
from prefect_octopusx.storage.errors import NameTaken
from prefect_octopusx.storage.records import VideoRecord

__all__ = ["failure", "name_taken", "refusal", "sent_at", "uncertain"]


def uncertain(record: VideoRecord) -> SubmissionUncertain:
    """Return the error for a create that nobody knows the fate of: what was sent, when, and the ways on.

    Args:
        record: Its record.
    """
    reason = (record.error or "A run ended while it sent the create").rstrip(".")
    return SubmissionUncertain(
        f"{record.name}: {reason}. {record.model}, sent {sent_at(record)}, digest {record.digest[:12]}. The video may "
        "be in the making and billed; nothing is sent again by itself. Look for it in the OctopusX dashboard. If it is "
        f"there, run `adopt_video` with its task id and the name {record.name!r}; if it is not, start a new run with "
        '`on_uncertain="resubmit"`',
        code=record.error_code,
    )


def failure(record: VideoRecord) -> VideoFailed:
    """Return the error for a video that failed.

    Args:
        record: Its record.
    """
    return VideoFailed(
        f"{record.name}: {record.model} failed, task {record.task_id}: {record.error}. "
        "To pay for a new attempt, start a new run with `retry_failed=True`, or one under another name",
        task_id=record.task_id,
        code=record.error_code,
    )


def refusal(record: VideoRecord) -> InvalidRequest:
    """Return the error for a request that the API refused earlier."""
    return InvalidRequest(
        f"{record.name}: this request was refused on {sent_at(record)}: {record.error}. Nothing was billed. Change the "
        "request, or start a new run with `retry_failed=True`",
        code=record.error_code,
    )


def name_taken(record: VideoRecord) -> NameTaken:
    """Return the error for a name that stands for another request."""
    return NameTaken(
        f"name: {record.name!r} already stands for another request ({record.model}, {record.state}, sent "
        f"{sent_at(record)}). A name is paid for once: give the new request a name of its own, or remove "
        f"{record.name}.json and {record.name}.mp4 from the destination to make it anew",
        task_id=record.task_id,
    )


def sent_at(record: VideoRecord) -> str:
    """Return when the create was sent, for messages."""
    return f"{record.submitted_at or record.claimed_at:%Y-%m-%d %H:%M:%S} UTC"
