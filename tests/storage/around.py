"""Stores around a store, for what a store alone does not do: die, hold, age."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import BinaryIO, Literal, TypeVar

from prefect_octopusx.sandbox import Sandbox
from prefect_octopusx.storage import Entry, Link, Mark, VideoRecord, VideoStore, VideoWriter
from prefect_octopusx.storage.store import Suffix

T = TypeVar("T")


def posts(sandbox: Sandbox) -> int:
    return sum(trace.method == "POST" for trace in sandbox.requests)


def billed(sandbox: Sandbox) -> int:
    return sum(not charge.refunded for charge in sandbox.ledger)


class Around(VideoStore):
    """Another store; all that changes something there goes through `change`."""

    def __init__(self, inner: VideoStore) -> None:
        self.inner = inner
        self.settling = inner.settling

    async def change(self, what: str, act: Callable[[], Awaitable[T]]) -> T:
        """Do it; `what` is the method's name."""
        del what
        return await act()

    def uri(self, name: str, suffix: Suffix = ".mp4") -> str:
        return self.inner.uri(name, suffix)

    def open(self, name: str, suffix: Suffix = ".mp4") -> BinaryIO | None:
        return self.inner.open(name, suffix)

    async def write_beside(self, name: str, suffix: Literal[".jpg", ".html"], data: bytes) -> None:
        await self.inner.write_beside(name, suffix, data)

    async def link(self, name: str, suffix: Suffix = ".mp4") -> Link | None:
        return await self.inner.link(name, suffix)

    async def read(self, name: str) -> Entry | None:
        return await self.inner.read(name)

    async def has_video(self, name: str) -> bool:
        return await self.inner.has_video(name)

    async def digest(self, name: str) -> tuple[int, str]:
        return await self.inner.digest(name)

    async def create(self, record: VideoRecord) -> Entry:
        return await self.change("create", lambda: self.inner.create(record))

    async def replace(self, entry: Entry, record: VideoRecord) -> Entry:
        return await self.change("replace", lambda: self.inner.replace(entry, record))

    async def mark(self, name: str, claim: str) -> None:
        await self.change("mark", lambda: self.inner.mark(name, claim))

    async def unmark(self, name: str, claim: str) -> None:
        await self.change("unmark", lambda: self.inner.unmark(name, claim))

    async def sweep(self, name: str) -> None:
        await self.change("sweep", lambda: self.inner.sweep(name))

    async def read_file(self, name: str) -> bytes | None:
        return await self.inner.read_file(name)

    async def write_file(self, name: str, data: bytes) -> str:
        return await self.change("write_file", lambda: self.inner.write_file(name, data))

    async def pending(self) -> AsyncIterator[Mark]:
        async for mark in self.inner.pending():
            yield mark

    @asynccontextmanager
    async def writer(self, name: str) -> AsyncIterator[VideoWriter]:
        async with self.inner.writer(name) as inner:
            yield _Writer(self, inner)


class _Writer:
    def __init__(self, store: Around, inner: VideoWriter) -> None:
        self._store = store
        self._inner = inner

    async def write(self, data: bytes) -> None:
        await self._inner.write(data)

    async def commit(self) -> None:
        await self._store.change("commit", self._inner.commit)


class Killed(BaseException):
    """The process ends here."""


class Mortal(Around):
    """A store whose user is killed at its change number `at`, before or after that takes effect, and stays dead."""

    def __init__(self, inner: VideoStore, at: int, *, after: bool) -> None:
        super().__init__(inner)
        self.at = at
        self.after = after
        self.changes: list[str] = []

    @property
    def dead(self) -> bool:
        return len(self.changes) >= self.at

    async def change(self, what: str, act: Callable[[], Awaitable[T]]) -> T:
        if self.dead:
            raise Killed
        self.changes.append(what)
        if not self.dead:
            return await act()
        if self.after:
            await act()
        raise Killed

    async def read(self, name: str) -> Entry | None:
        if self.dead:
            raise Killed
        return await super().read(name)


class Aged(Around):
    """A store whose index was written so many seconds earlier."""

    def __init__(self, inner: VideoStore, seconds: float) -> None:
        super().__init__(inner)
        self.seconds = seconds

    async def pending(self) -> AsyncIterator[Mark]:
        async for mark in self.inner.pending():
            yield mark._replace(age=mark.age + self.seconds)
