"""The tables of an mp4 that make a decoder work: a few bytes of them can ask for gigabytes of memory.

FFmpeg builds an index of all samples as it opens a file, before it reads any. How many there are is told by counts that
need no room in the file. So they are looked at first.
"""

from collections.abc import Iterator
from typing import BinaryIO

__all__ = ["TablesTooLarge", "check_tables"]

_MOST_SAMPLES = 2_000_000  # an hour of video and sound has 500,000; a sample takes FFmpeg some 60 bytes
_MOST_BYTES = 16 * 2**20  # of all tables
_MOST_BOXES = 64  # at the top of the file
_FRAGMENTED = b"mvex"  # its samples are told all over the file


class TablesTooLarge(Exception):
    """The message says what is too large."""


def check_tables(file: BinaryIO) -> None:
    """Check the tables of a file, and leave it at its start.

    Raises:
        TablesTooLarge: A decoder should not open it.
    """
    try:
        tables = _tables(file)
    finally:
        file.seek(0)
    if _FRAGMENTED in tables:
        raise TablesTooLarge("it is in fragments")
    chunks = max([_number(tables, at + 8) for kind in (b"stco", b"co64") for at in _all(tables, kind)], default=0)
    a_chunk = max(_a_chunk(tables), default=0)
    samples = max([_number(tables, at + 12) for kind in (b"stsz", b"stz2") for at in _all(tables, kind)], default=0)
    if max(samples, chunks * a_chunk) > _MOST_SAMPLES:
        raise TablesTooLarge(f"it says that it has more than {_MOST_SAMPLES:,} samples")


def _tables(file: BinaryIO) -> bytes:
    """Return the box `moov`, which has all tables; nothing if there is none."""
    position = 0
    for _ in range(_MOST_BOXES):
        file.seek(position)
        head = file.read(16)
        size, kind = _number(head, 0), head[4:8]
        if size == 1:
            size = _number(head, 8) << 32 | _number(head, 12)
        if kind == b"moov":
            if size > _MOST_BYTES:
                raise TablesTooLarge(f"its tables have {size:,} bytes")
            file.seek(position)
            return file.read(size or _MOST_BYTES)
        if len(head) < 16 or size < 8:
            break
        position += size
    return b""


def _all(tables: bytes, kind: bytes) -> Iterator[int]:
    """Yield where the name of a box may stand; a name by chance only makes the check stricter."""
    at = tables.find(kind)
    while at >= 0:
        yield at
        at = tables.find(kind, at + 4)


def _a_chunk(tables: bytes) -> Iterator[int]:
    """Yield how many samples a chunk has, by the tables of chunks.

    Raises:
        TablesTooLarge: Together they say that they have more entries than there is room for.
    """
    left = len(tables) // 12
    for at in _all(tables, b"stsc"):
        entries = _number(tables, at + 8)
        left -= entries
        if left < 0:
            raise TablesTooLarge("its tables of chunks say that they have more entries than there is room for")
        for entry in range(entries):
            yield _number(tables, at + 12 + 12 * entry + 4)


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4])
