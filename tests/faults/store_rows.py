"""What can go wrong with the bucket. What is paid for is not lost by it; else nothing is sent."""

from prefect_octopusx.storage import RecordState
from tests.faults.relay import Act, answer, half_closed, raw, reset
from tests.faults.table import FORBIDDEN, LATER, UNSENT, Disk, Fate, Odd, Provocation, Row

__all__ = ["BUCKET_ROWS", "FOLDER_ROWS", "PADDING"]

PADDING = 6 * 2**20
"""Bytes that make a video too long for one part of 5 MiB."""

_MISSED = UNSENT._replace(again="no")
_UNWRITTEN = Fate("no", "once", RecordState.SUBMITTING, "adopt it, or `resubmit`")
_RECORD = "hero.json HTTP"
_VIDEO = "PUT /faults/clips/hero.mp4"
_KEPT = "The video is paid for and its record is kept: …"


def _error(status: int, code: str, *headers: str) -> Act:
    said = f"<Error><Code>{code}</Code><Message>said so</Message></Error>"
    return answer(f"{status} Oh", said.encode(), *headers, kind="application/xml")


def _all(*acts: Act, of: str = " /faults") -> tuple[Provocation, ...]:
    return tuple(Odd(act, of=of) for act in acts)


def _early(why: str, *, later: bool = False) -> str:
    kind = "DestinationUnavailable" if later else "DestinationError"
    return f"{kind}: GetObject of s3://…/clips/hero.json (endpoint …) failed: {why} …"


def _late(operation: str, why: str, *, later: bool = False) -> str:
    kind = "DestinationUnavailable" if later else "DestinationError"
    return f"{kind}: hero, task …: {operation} of s3://…/clips/hero.mp4 (endpoint …) failed: {why}… {_KEPT}"


_EXPIRED, _GONE = _error(400, "ExpiredToken"), _error(404, "NoSuchBucket")
_SKEWED, _DENIED = _error(403, "RequestTimeTooSkewed"), _error(403, "AccessDenied")
_FULL, _SLOW, _BROKEN = _error(507, "XMinioStorageFull"), _error(503, "SlowDown"), _error(500, "InternalError")
_PART, _WHOLE = "partNumber=1", "POST /faults/clips/hero.mp4?uploadId"
_LATER_WORDS = "the server asks to try later (said so). Trying again may help"

BUCKET_ROWS = (
    # Before anything is sent.
    Row("slow-down (503) or 429, from the start", UNSENT, _early("the server asks to try later", later=True),
        _all(_SLOW, _error(429, "TooManyRequests"))),
    Row("500, an empty answer, or a reset, from the start", UNSENT, _early("the …", later=True),
        _all(_BROKEN, raw(b""), reset, half_closed)),
    Row("the bucket does not exist", _MISSED, _early("the bucket '…' does not exist. Create it or correct `bucket`."),
        _all(_GONE)),
    Row("expired credentials, from the start", _MISSED, _early("the credentials have expired. Check …"),
        _all(_EXPIRED)),
    Row("this machine's clock is wrong", _MISSED, _early("this machine's clock is wrong. Set it, …"), _all(_SKEWED)),
    Row("read-only: the claim can't be written", _MISSED,
        "DestinationError: PutObject of s3://… failed: access is denied (said so). Allow these credentials …",
        _all(_DENIED, of="PUT /faults")),
    Row("a claim is answered with 409 each time (other writes going on)", UNSENT,
        "DestinationUnavailable: s3://…/clips/hero.json could not be written: other writes to it kept going on. …",
        _all(_error(409, "ConditionalRequestConflict"), of=f"PUT /faults/clips/{_RECORD}")),
    Row("a claim is answered with 412 each time, and there is no record", _MISSED,
        "DestinationError: s3://…/clips/hero.json was written or removed by somebody else first. … the store may not …",
        _all(_error(412, "PreconditionFailed"), of=f"PUT /faults/clips/{_RECORD}")),
    Row("a page in place of S3: the port of a console, or a proxy", _MISSED,
        _early("what answers is not S3 (it tells no …). Correct `endpoint_url` …"),
        _all(answer("200 OK", b"<html>One moment</html>", kind="text/html"))),
    Row("a page in place of the record", _MISSED, "RecordInvalid: s3://…/clips/hero.json is not a video record …",
        _all(answer("200 OK", b"<html>One moment</html>", 'ETag: "x"', "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT"),
             of=f"GET /faults/clips/{_RECORD}")),
    # Once it is paid for.
    Row("the record can't be written any more, for a minute", _UNWRITTEN,
        "RecordNotWritten: hero: task … was submitted and is paid for, but its record could not be written (…",
        tuple(Odd(act, of=_RECORD, after="POST /v1/video/create")
              for act in (_BROKEN, _EXPIRED, reset))),
    Row("slow-down or 500 when the video is put", LATER, _late("PutObject", "the server …", later=True),
        _all(_SLOW, _BROKEN, of=_VIDEO)),
    Row("the connection breaks, or the answer is lost, when the video is put", LATER,
        _late("PutObject", "the …", later=True), _all(reset, raw(b""), of=_VIDEO)),
    Row("expired credentials, once it is submitted", FORBIDDEN,
        _late("PutObject", "the credentials have expired. Check …"), _all(_EXPIRED, of=_VIDEO)),
    Row("the bucket is gone, once it is submitted", FORBIDDEN,
        _late("PutObject", "the bucket '…' does not exist. Create it or …"), _all(_GONE, of=_VIDEO)),
    Row("read-only, once it is submitted", FORBIDDEN,
        _late("PutObject", "access is denied (said so). Allow these credentials …"), _all(_DENIED, of=_VIDEO)),
    Row("the server is full", FORBIDDEN, _late("PutObject", "the server is full (said so). Free some space …"),
        _all(_FULL, of=_VIDEO)),
    Row("500 or a reset in the middle of the parts", LATER, _late("UploadPart 1", "the …", later=True),
        _all(_BROKEN, reset, of=_PART), padding=PADDING),
    Row("expired credentials in the middle of the parts", FORBIDDEN,
        _late("UploadPart 1", "the credentials have expired. Check …"), _all(_EXPIRED, of=_PART), padding=PADDING),
    Row("the upload can't be completed, or that is not told", LATER,
        _late("CompleteMultipartUpload", "the …", later=True), _all(_BROKEN, raw(b""), of=_WHOLE), padding=PADDING),
    Row("the video is there, and its record can't be completed", LATER,
        "DestinationUnavailable: hero, task …: PutObject of s3://…/clips/hero.json (endpoint …) failed: the server …",
        (Odd(_SLOW, of=f"PUT /faults/clips/{_RECORD}", after="PUT /faults/clips/hero.mp4"),)),
)  # fmt: skip

_FULL_DISK = "the disk is full. Free some space, or choose another folder"
_READ_ONLY = "the file system is read-only. Choose another folder"

FOLDER_ROWS = (
    Row("the disk is full, from the start", _MISSED, f"DestinationError: … can't be used: {_FULL_DISK}…",
        (Disk("full"),)),
    Row("the disk is full, once it is submitted", FORBIDDEN,
        f"DestinationError: hero, task …: … can't be used: {_FULL_DISK}. {_KEPT}", (Disk("full", late=True),)),
    Row("the disk is read-only, from the start", _MISSED, f"DestinationError: … can't be used: {_READ_ONLY}…",
        (Disk("read-only"),)),
    Row("the disk is read-only, once it is submitted", FORBIDDEN,
        f"DestinationError: hero, task …: … can't be used: {_READ_ONLY}. {_KEPT}", (Disk("read-only", late=True),)),
)  # fmt: skip
