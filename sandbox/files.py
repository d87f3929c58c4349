"""The storage that the finished videos lie in: signed URLs, and downloads that may go wrong."""

import hashlib
import hmac
import re
import secrets
import struct
from collections.abc import AsyncIterator, Callable
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from prefect_octopusx.sandbox.answers import storage_error
from prefect_octopusx.sandbox.clips import clip_path, cover_path
from prefect_octopusx.sandbox.faults import Fault
from prefect_octopusx.sandbox.jobs import Job
from prefect_octopusx.sandbox.trouble import ANSWERS
from prefect_octopusx.sandbox.wire import HangUp, Lines

__all__ = ["Storage", "deliver", "other_origin", "video_bytes"]

_CUT_AT = 0.6
_PRIVATE = "http://169.254.169.254/latest/meta-data/iam/security-credentials/"
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class Storage:
    """Makes and checks signed URLs."""

    def __init__(self, lifetime: float) -> None:
        self._lifetime = lifetime
        self._secret = secrets.token_bytes(16)

    def url(self, origin: str, file: str, *, since: float, now: float) -> str:
        """Return the URL of a file.

        It stays the same for as long as it is valid; who asks later gets a fresh one.

        Args:
            origin: Where the files are served.
            file: The file's name.
            since: When the video was ready.
            now: What time it is.
        """
        lifetimes = 1 + (max(now - since, 0) // self._lifetime if self._lifetime else 0)
        expires = f"{since + lifetimes * self._lifetime:.3f}"
        query = urlencode({"sig": self._signature(file, expires), "expires": expires})
        return f"{origin}/files/{file}?{query}"

    def refusal(self, request: Request, now: float) -> Response | None:
        """Return the answer to a request for a file that has no valid signature."""
        if "authorization" in request.headers:
            message = "Only one auth mechanism allowed; a signed URL takes no Authorization header"
            return storage_error(400, "InvalidArgument", message).response()
        expires = request.query_params.get("expires", "")
        expected = self._signature(request.path_params["file"], expires)
        if not hmac.compare_digest(request.query_params.get("sig", "").encode(), expected.encode()):
            message = "The request signature we calculated does not match the signature you provided."
            return storage_error(403, "SignatureDoesNotMatch", message).response()
        if now >= float(expires):
            return storage_error(403, "AccessDenied", "Request has expired").response()
        return None

    def _signature(self, file: str, expires: str) -> str:
        return hmac.new(self._secret, f"{file}\n{expires}".encode(), hashlib.sha256).hexdigest()


def video_bytes(job: Job) -> bytes:
    """Return a job's video: the clip of its aspect ratio, and a `free` box with the id, so that no two are the same."""
    note = f"OctopusX sandbox {job.id}".encode()
    return clip_path(job.ratio).read_bytes() + struct.pack(">I4s", 8 + len(note), b"free") + note


def cover_bytes(job: Job) -> bytes:
    """Return a job's cover picture."""
    return cover_path(job.ratio).read_bytes()


def deliver(request: Request, lines: Lines, content: bytes, fault: Fault | None, media: str = "video/mp4") -> Response:
    """Return the response with a file, or what a `file_*` fault makes of it."""
    kind = fault.kind if fault else ""
    if kind in ANSWERS:
        return ANSWERS[kind].answer.response()
    if kind in _BROKEN:
        return _BROKEN[kind](request, lines, content)
    return _part(request, content, media) or _whole(content, media)


def other_origin(request: Request) -> str:
    """Return the request's own address at another origin, which the same server answers."""
    other = {"127.0.0.1": "localhost", "localhost": "127.0.0.1"}.get(request.url.hostname or "", "localhost")
    return str(request.url.replace(hostname=other))


def _cut(content: bytes) -> int:
    return int(len(content) * _CUT_AT)


def _whole(content: bytes, media: str = "video/mp4") -> Response:
    tag = hashlib.sha256(content).hexdigest()[:32]
    return Response(content, media_type=media, headers={"accept-ranges": "bytes", "etag": f'"{tag}"'})


def _part(request: Request, content: bytes, media: str) -> Response | None:
    """Return the asked range; None where the whole file is asked for."""
    found = _RANGE.fullmatch(request.headers.get("range", ""))
    if not found:
        return None
    first, last = int(found[1]), min(int(found[2] or len(content)), len(content) - 1)
    if first > last:
        answer = storage_error(416, "InvalidRange", "The requested range is not satisfiable").response()
        answer.headers["content-range"] = f"bytes */{len(content)}"
        return answer
    response = Response(content[first : last + 1], 206, media_type=media)
    response.headers["content-range"] = f"bytes {first}-{last}/{len(content)}"
    return response


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


_BROKEN: dict[str, Callable[[Request, Lines, bytes], Response]] = {
    "file_reset": lambda _, lines, __: HangUp(lines, reset=True),
    "file_truncated": lambda _, lines, content: HangUp(lines, promised=_whole(content), sent=_cut(content)),
    "file_cut": lambda _, __, content: _whole(content[: _cut(content)]),
    "file_no_length": lambda _, __, content: StreamingResponse(_once(content), media_type="video/mp4"),
    "file_octet_stream": lambda _, __, content: _whole(content, "application/octet-stream"),
    "file_redirect_same_origin": lambda request, _, __: RedirectResponse(str(request.url), 307),
    "file_redirect_cross_origin": lambda request, _, __: RedirectResponse(other_origin(request), 307),
    "file_redirect_private": lambda *_: RedirectResponse(_PRIVATE, 307),
}
