"""A relay before a server, which does to some requests what the server itself never would, byte by byte."""

import asyncio
import contextlib
import gzip
import re
import socket
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

__all__ = [
    "BOMB",
    "Act",
    "Call",
    "Relay",
    "Reply",
    "Trick",
    "answer",
    "edited",
    "flooding",
    "half_closed",
    "raw",
    "reset",
    "silent",
    "slowly",
]

BOMB = gzip.compress(b" " * 2**25, 1)
"""A JSON reply of 32 MB, as far as it gets; packed in 150 KB."""
_TICK = 0.01  # seconds between two bytes of a server that is slow on purpose
_TURNS = 5  # of the loop, within which a connection that was just accepted gets to its task
_PIECE = 64 * 1024
_TLS = b"\x16"  # the first byte of a client that begins to speak it


@dataclass
class Reply:
    """An answer as it goes over the wire."""

    head: bytes
    """The status line and the headers, without the empty line."""
    body: bytes

    @property
    def raw(self) -> bytes:
        return self.head + b"\r\n\r\n" + self.body

    def with_body(self, body: bytes) -> "Reply":
        """Return it with another body, and the length of that declared."""
        head = re.sub(rb"(?i)(\r\ncontent-length: *)\d+", rb"\g<1>%d" % len(body), self.head)
        return Reply(head, body)


@dataclass
class Call:
    """A request, and the way back to its sender."""

    line: str
    head: bytes
    body: bytes
    reader: StreamReader
    writer: StreamWriter
    fetch: Callable[[], Awaitable[Reply]]
    """Passes it on to the server; gives the true answer."""

    async def send(self, data: bytes) -> None:
        await _send(self.writer, data)

    async def sender_is_gone(self) -> None:
        """Wait until the sender hangs up."""
        while await self.reader.read(_PIECE):
            pass


Act = Callable[[Call], Awaitable[None]]
"""What becomes of a request in place of its answer; afterwards the connection is closed."""


@dataclass
class Trick:
    """What the relay does to requests whose line contains `of`.

    Attributes:
        of: A part of `POST /v1/video/create HTTP/1.1`.
        act: What it does.
        passed: Whether the request is passed on to the server before, the answer being lost.
        times: How many requests; None means all.
        armed: Whether it is time for it.
    """

    of: str
    act: Act
    passed: bool = False
    times: int | None = None
    armed: Callable[[], bool] = lambda: True


@dataclass
class Relay:
    """Listens in place of a server, as long as it is entered.

    Attributes:
        port: The server's.
        edit: What is done to each true answer on its way back.
        readdress: What is done to the head of each request that is passed on.
        address: Where it is reached.
        tricks: In the order in which they are to be played; those that are over are gone.
        lines: The first lines of all requests.
    """

    port: int
    edit: Callable[[Call, Reply], Reply] = lambda _, reply: reply
    readdress: Callable[[bytes], bytes] = bytes
    address: str = ""
    tricks: list[Trick] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    _server: asyncio.Server | None = None
    _open: "set[asyncio.Task[None]]" = field(default_factory=set)

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.go_away()

    async def listen(self) -> None:
        """Listen; again, at the same port."""
        port = int(self.address.rpartition(":")[2] or 0)
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, limit=2**20)
        self.address = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def go_away(self) -> None:
        """Break all connections off; from now on new ones are refused."""
        assert self._server
        for listening in self._server.sockets:  # asyncio itself loses what it is accepting while it closes
            asyncio.get_running_loop().remove_reader(listening.fileno())
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        self._server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await self._server.wait_closed()

    def count(self, part: str) -> int:
        """Return how many requests had this in their line."""
        return sum(part in line for line in self.lines)

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._open.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._answer(reader, writer)
        finally:
            self._open.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _answer(self, reader: StreamReader, writer: StreamWriter) -> None:
        start = await reader.readexactly(1)
        if start == _TLS:  # as servers without TLS do
            await _send(writer, b"HTTP/1.1 400 Bad Request\r\n\r\n")
            return
        head = start + (await reader.readuntil(b"\r\n\r\n"))[:-4]
        if b"100-continue" in head.lower():
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        body = await reader.readexactly(int(length[1]) if length else 0)
        line = head.partition(b"\r\n")[0].decode()
        self.lines.append(line)

        async def fetch() -> Reply:
            return self.edit(call, await self._pass_on(call))

        call = Call(line, head, body, reader, writer, fetch)
        trick = self._draw(line)
        if trick is None and b"upgrade: websocket" in head.lower():
            await self._tunnel(call)
        elif trick is None:
            await call.send((await fetch()).raw)
        else:
            if trick.passed:
                await fetch()
            await trick.act(call)

    def _draw(self, line: str) -> Trick | None:
        trick = next((each for each in self.tricks if each.of in line and each.armed()), None)
        if trick and trick.times is not None:
            trick.times -= 1
            if not trick.times:
                self.tricks.remove(trick)
        return trick

    async def _pass_on(self, call: Call) -> Reply:
        head = self.readdress(re.sub(rb"(?i)\r\n(expect|connection):[^\r]*", b"", call.head))
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**20)
        try:
            writer.write(head + b"\r\nConnection: close\r\n\r\n" + call.body)
            answer_head, _, answer_body = (await reader.read(-1)).partition(b"\r\n\r\n")
        finally:
            writer.close()
        without = re.sub(rb"(?i)\r\n(connection|keep-alive):[^\r]*", b"", answer_head)
        return Reply(without + b"\r\nConnection: close", answer_body)

    async def _tunnel(self, call: Call) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(call.head + b"\r\n\r\n")
        both = [asyncio.create_task(_pour(call.reader, writer)), asyncio.create_task(_pour(reader, call.writer))]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            writer.close()
            for one in both:
                one.cancel()
            await asyncio.gather(*both, return_exceptions=True)


async def _send(writer: StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


async def _pour(reader: StreamReader, writer: StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(_PIECE):
            await _send(writer, data)
        writer.close()


def raw(data: bytes) -> Act:
    """Send these bytes, which may be anything."""

    async def act(call: Call) -> None:
        await call.send(data)

    return act


def answer(status: str, body: bytes, *headers: str, kind: str = "application/json") -> Act:
    """Send an answer; its length is declared unless a header is about that."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", *headers, "Connection: close"]
    if not any(header.lower().startswith(("content-length", "transfer-encoding")) for header in headers):
        lines.append(f"Content-Length: {len(body)}")
    return raw("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def edited(change: Callable[[Reply], Reply]) -> Act:
    """Send the true answer, changed."""

    async def act(call: Call) -> None:
        await call.send(change(await call.fetch()).raw)

    return act


async def silent(call: Call) -> None:
    """Never answer."""
    await call.sender_is_gone()


async def half_closed(call: Call) -> None:
    """Say that nothing will come any more, and go on listening."""
    call.writer.write_eof()
    await call.sender_is_gone()


async def reset(call: Call) -> None:
    """Break the connection off, with RST in place of FIN."""
    found: socket.socket = call.writer.get_extra_info("socket")
    found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    call.writer.transport.abort()


def slowly(at_once: bytes, byte: bytes) -> Act:
    """Send something at once, and then a byte now and then, for ever."""

    async def act(call: Call) -> None:
        gone = asyncio.create_task(call.sender_is_gone())
        await call.send(at_once)
        while not gone.done():
            await call.send(byte)
            await asyncio.sleep(_TICK)

    return act


def flooding(head: bytes, piece: bytes, pieces: int) -> Act:
    """Send so many pieces after a head, as long as the sender takes them."""

    async def act(call: Call) -> None:
        await call.send(head)
        for _ in range(pieces):
            await call.send(piece)

    return act
