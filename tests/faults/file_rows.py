"""What can go wrong while the finished video is fetched. It is paid for; nothing of it is kept unless it is whole."""

from prefect_octopusx.sandbox import Fault
from tests.faults.relay import Reply, answer, edited, flooding, half_closed, raw, reset, slowly
from tests.faults.table import FORBIDDEN, LATER, STORED, Odd, Provocation, Row

__all__ = ["FILE_ROWS"]

_MP4 = "video/mp4"
_KEPT = "The video is paid for and its record is kept: run the same request under the same name again to fetch it, …"


def _kinds(*kinds: str) -> tuple[Provocation, ...]:
    return tuple(Fault(f"file_{kind}", times=None) for kind in kinds)


def _error(why: str) -> str:
    return f"DownloadError: hero, task …: {why}. {_KEPT}"


def _refused(why: str) -> str:
    return f"DownloadRefused: hero, task …: {why}. {_KEPT}"


def _body(body: bytes, status: str = "200 OK", *headers: str, kind: str = _MP4) -> Odd:
    return Odd(answer(status, body, *headers, kind=kind))


def _cut(at: float, *, declared: bool) -> Odd:
    """Cut the file at a part of its length."""

    def change(reply: Reply) -> Reply:
        start = reply.body[: int(len(reply.body) * at)]
        return reply.with_body(start) if declared else Reply(reply.head, start)

    return Odd(edited(change))


def _longer(reply: Reply) -> Reply:
    """Send ten bytes more than are declared."""
    return Reply(reply.head, reply.body + b"\0\0\0\x0afree\0\0")


def _shorter(reply: Reply) -> Reply:
    """Declare ten bytes less than are sent."""
    return Reply(reply.with_body(reply.body[:-10]).head, reply.body)


def _with(change: bytes, by: bytes) -> Odd:
    return Odd(edited(lambda reply: Reply(reply.head, reply.body.replace(change, by, 1))))


_PLACES = (0.0, 0.001, 0.01, 0.2, 0.5, 0.9, 0.999)
_HASTE = 0.3
_ENDLESS = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n\0\0\0\x10ftypisom\0\0\2\0\0\0\0\0mdat"
"""The begin of a film without a length."""
_PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)

FILE_ROWS = (
    Row("401, 403, 404 or 410: the link has expired or is wrong", LATER,
        _error("The link to the video at … has expired or is wrong; a fresh query may give a new one"),
        (*_kinds("expired", "404", "410"), _body(b"", "401 Unauthorized"))),
    Row("500, 502, 503 or 429 of the file host", LATER, _error("The file host did not give the video at …"),
        (*_kinds("500", "502", "503"), _body(b"", "429 Too Many Requests"))),
    Row("206, 204 or 416: a range that nobody asked for, or nothing", LATER,
        _error("The file host did not give the video at …"),
        (_body(bytes(10), "206 Partial Content", "Content-Range: bytes 0-9/20"), Odd(raw(b"HTTP/1.1 204 No\r\n\r\n")),
         _body(b"", "416 Range Not Satisfiable"))),
    Row("200 with a page, JSON or XML, said or not", LATER,
        _error("…"), (*_kinds("html", "json"), _body(b"<?xml version='1.0'?><Error/>"), _body(b"<!doctype html>"),
                      _body(b"<Error/>", kind="application/xml"), _body(b'{"error":{}}'))),
    Row("0 bytes", LATER, _error("the download is empty: 0 bytes arrived"),
        (*_kinds("empty"), _body(b"", "200 OK", "Content-Length: 0"))),
    Row("cut at any byte, the length being declared", LATER, _error("The download of … broke off (…)"),
        (*_kinds("truncated"), *(_cut(at, declared=False) for at in _PLACES))),
    Row("cut at any byte, and declared as such", LATER, _error("…"),
        (*_kinds("cut"), *(_cut(at, declared=True) for at in _PLACES))),
    Row("longer than declared", LATER, _error("the video is cut: its 'free' box says … bytes, … arrived"),
        (Odd(edited(_shorter)),)),
    Row("bytes behind the declared end", STORED, "", (Odd(edited(_longer)),)),
    Row("without a length, as octet-stream, or as text", STORED, "",
        (*_kinds("no_length", "octet_stream"),
         Odd(edited(lambda reply: Reply(reply.head.replace(b"video/mp4", b"text/plain"), reply.body))))),
    Row("a length that is no number, or two lengths", LATER, _error("The video at … can't be fetched (Remote…)"),
        (_body(b"x", "200 OK", "Content-Length: many"), _body(b"x", "200 OK", "Content-Length: 1", "Content-Length: 2"),
         _body(b"x", "200 OK", "Content-Length: -1"))),
    Row("closed, half closed or reset without an answer, or no HTTP", LATER,
        _error("The video at … can't be fetched (…)"),
        (*_kinds("reset"), Odd(raw(b"")), Odd(half_closed), Odd(reset), Odd(raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")))),
    Row("no mp4: a picture, an mp3, zeros, noise", LATER, _error("this is not an mp4 video…"),
        (_body(_PNG), _body(b"ID3\4" + bytes(500)), _body(bytes(500)), _body(bytes(range(256))))),
    Row("an mp4 with a broken box, or without its index or its pictures", LATER, _error("the video is …"),
        (_with(b"moov", b"skip"), _with(b"mdat", b"free"), _with(b"moov", b"mo\0v"), _with(b"free", b"fr\nee"))),
    Row("redirected once, to the same host or another", STORED, "",
        (Fault("file_redirect_same_origin", times=2), Fault("file_redirect_cross_origin", times=1))),
    Row("redirected again and again", LATER, _error("The video is redirected more than 5 times, last to …"),
        _kinds("redirect_same_origin", "redirect_cross_origin")),
    Row("redirected to an address that can't be read, or is not HTTP", LATER,
        _error("The video at … can't be fetched …"),
        tuple(_body(b"", "302 Found", f"Location: {there}")
              for there in ("http://[", "file:///etc/passwd", "gopher://x"))),
    Row("redirected without saying whereto", LATER, _error("The file host did not give the video at …"),
        (_body(b"", "302 Found"), _body(b"", "304 Not Modified"))),
    Row("redirected into a private network, or to the addresses of a cloud's keys", FORBIDDEN,
        _refused("The link to the video leads to …, which is not in the public internet. … `allowed_private_hosts` …"),
        tuple(_body(b"", "302 Found", f"Location: http://{there}/video.mp4")
              for there in ("10.0.0.1", "169.254.169.254", "[fd00::1]", "3232235777"))),
    Row("it stops, drips or never ends, until `download_timeout` is over", FORBIDDEN,
        _refused("The download of … was given up: it was not whole after 0.3 s …"),
        (Odd(slowly(_ENDLESS, b""), limit=_HASTE), Odd(slowly(_ENDLESS, bytes(1)), limit=_HASTE),
         Odd(flooding(_ENDLESS, bytes(2**16), 2**20), limit=_HASTE))),
)  # fmt: skip
