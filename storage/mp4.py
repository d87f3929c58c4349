"""Whether a stream of bytes is a whole mp4, told while it flows.

An mp4 is a row of boxes, each with its size in front. Players accept a file that was cut, and so do quick probes;
walking the boxes does not. Only the 8 or 16 bytes of a box's head are ever kept.

What the walk can't see: a cut inside a last box of "size 0, to the end", and one that falls exactly between two
boxes when both `moov` and `mdat` have passed (a fragmented file, or trailing padding). The declared length tells those.
"""

from prefect_octopusx.api.errors import DownloadError

__all__ = ["Mp4Check"]

_HEAD = 8  # bytes: a 32-bit size and a type of four letters
_LONG_HEAD = 16  # bytes: the size is 1, and the real one follows in 64 bits
_PRINTABLE = range(0x20, 0x7F)


class Mp4Check:
    """Walks the top-level boxes of an mp4 that arrives in pieces of any length."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._kind = ""  # of the box that is under way or was the last
        self._size = 0  # bytes of that box, its head included; 0: to the end
        self._left = 0  # bytes that are still to come of it
        self._seen: set[str] = set()  # `moov` and `mdat`, nothing else
        self._received = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            DownloadError: This can't become a whole mp4.
        """
        self._received += len(data)
        at = 0
        while at < len(data):
            if self._kind and self._size == 0:
                return
            if self._left:
                step = min(self._left, len(data) - at)
                self._left -= step
                at += step
                continue
            missing = self._head_length() - len(self._head)
            self._head += data[at : at + missing]
            at += missing
            if len(self._head) == _HEAD:
                self._check_kind()
            if len(self._head) >= _HEAD and len(self._head) == self._head_length():
                self._open_box()

    def finish(self) -> None:
        """Take note that the stream has ended.

        Raises:
            DownloadError: It has ended too early, or lacks a part that every video has.
        """
        if not self._received:
            raise DownloadError("the download is empty: 0 bytes arrived.")
        if not self._kind:
            raise DownloadError(f"{_what_it_is(self._head)}; only {self._received} bytes arrived.")
        if self._left:
            raise DownloadError(
                f"the video is cut: its {self._kind!r} box says {self._size} bytes, {self._size - self._left} arrived."
            )
        if self._head:
            raise DownloadError(f"the video is cut: after {self._received} bytes it ends in the head of a box.")
        for kind, holds in (("moov", "the index"), ("mdat", "the pictures and sound")):
            if kind not in self._seen:
                raise DownloadError(
                    f"the video is not whole: of its {self._received} bytes none are a {kind!r} box, which holds "
                    f"{holds}."
                )

    def _head_length(self) -> int:
        is_long = len(self._head) >= _HEAD and self._head.startswith(b"\0\0\0\1")  # not before its kind is checked
        return _LONG_HEAD if is_long else _HEAD

    def _check_kind(self) -> None:
        kind = self._head[4:8]
        if not self._kind and kind != b"ftyp":
            raise DownloadError(f"{_what_it_is(self._head)}: it does not begin with an 'ftyp' box.")
        if any(byte not in _PRINTABLE for byte in kind):
            raise DownloadError(
                f"the video is broken: where its next box should begin, after the {self._kind!r} box, there is none."
            )

    def _open_box(self) -> None:
        kind = self._head[4:8].decode("ascii")
        length = len(self._head)
        size = int.from_bytes(self._head[:4] if length == _HEAD else self._head[8:])
        if size < length and (size or length == _LONG_HEAD):
            raise DownloadError(f"the video is broken: its {kind!r} box says {size} bytes, less than its own head.")
        self._kind, self._size, self._left = kind, size, max(size - length, 0)
        if kind in {"moov", "mdat"}:
            self._seen.add(kind)
        self._head.clear()


def _what_it_is(start: bytes | bytearray) -> str:
    """Name what came in place of a video, from its first bytes."""
    text = bytes(start).removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for beginning, what in (
        (b"<!d", "an HTML page"),
        (b"<html", "an HTML page"),
        (b"<?xml", "an XML document"),
        (b"<", "an HTML or XML document"),
        (b"{", "a JSON document"),
        (b"[", "a JSON document"),
    ):
        if text.startswith(beginning):
            return f"this is not a video but {what}"
    return "this is not an mp4 video"
