"""Reading a stored object by ranges, as a decoder does: here and there, in constant memory."""

import io
from collections import OrderedDict
from collections.abc import Callable

__all__ = ["BLOCK", "RangeReader"]

BLOCK = 512 * 1024
"""Bytes of one request."""
_KEPT = 4  # blocks; a decoder goes to and fro between the index of a video and its pictures


class RangeReader(io.RawIOBase):
    """A file that is read by requests for blocks of it. Blocks; for one thread.

    Args:
        size: The length of the whole, in bytes.
        fetch: Returns the bytes from one place up to, but without, another.
        first: The first block, if it is known already.
    """

    def __init__(self, size: int, fetch: Callable[[int, int], bytes], *, first: bytes | None = None) -> None:
        super().__init__()
        self._size = size
        self._fetch = fetch
        self._at = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        if first is not None:
            self._blocks[0] = first

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it can be read from any place."""
        return True

    def tell(self) -> int:
        """Return where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to another place; past the end there is nothing to read."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError(f"There is nothing before the first byte (asked for: {start + offset}).")
        self._at = start + offset
        return self._at

    def readinto(self, buffer: "io.WriteableBuffer") -> int:  # type: ignore[name-defined] # typeshed's own name
        """Fill `buffer` as far as one block goes; return how many bytes that were."""
        if self._at >= self._size:
            return 0
        view = memoryview(buffer).cast("B")
        number, start = divmod(self._at, BLOCK)
        data = self._block(number)[start : start + len(view)]
        view[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            start = number * BLOCK
            self._blocks[number] = self._fetch(start, min(start + BLOCK, self._size))
            if len(self._blocks) > _KEPT:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(number)
        return self._blocks[number]
