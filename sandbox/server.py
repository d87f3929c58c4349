"""The sandbox as a running server: a context manager around the app, uvicorn and a thread."""

import asyncio
import socket
import threading
import time
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from prefect_octopusx.sandbox.app import create_app
from prefect_octopusx.sandbox.faults import Fault
from prefect_octopusx.sandbox.jobs import Charge, Job
from prefect_octopusx.sandbox.settings import SandboxSettings
from prefect_octopusx.sandbox.state import GatewayState, Trace
from prefect_octopusx.sandbox.wire import Lines

__all__ = ["Sandbox"]

_GRACE_SECONDS = 2
_TICK = 0.005


class Sandbox:
    """A local OctopusX that bills nothing: a real HTTP server in a thread.

    It listens on two ports. The gateway is at `url`; the finished videos are at the other, because on the real service
    they lie in somebody else's storage, where the API key must not be sent.

        with Sandbox(SandboxSettings(generation=0)) as sandbox:
            sandbox.add_fault(Fault("create_lost_reply"))
            ...  # talk to sandbox.url with sandbox.key
            assert len(sandbox.ledger) == 1

    Use it with `async with` where an event loop runs. It can be entered once.

    Args:
        settings: How it behaves.
        host: The address to listen on.
        port: The gateway's port; 0 takes a free one.
        files_port: The videos' port; 0 takes a free one.
    """

    def __init__(
        self,
        settings: SandboxSettings | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        files_port: int = 0,
    ) -> None:
        self.settings = settings or SandboxSettings()
        self._state = GatewayState(self.settings)
        self._host = host
        self._ports = (port, files_port)
        self._url: str | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The gateway's base URL."""
        if self._url is None:
            raise RuntimeError("the sandbox does not run; enter it with `with` or `async with`")
        return self._url

    @property
    def key(self) -> str:
        """An API key that is accepted."""
        return self.settings.keys[0]

    @property
    def ledger(self) -> list[Charge]:
        """What was billed, oldest first."""
        return self._state.book.charges()

    @property
    def jobs(self) -> list[Job]:
        """The jobs, oldest first, also those whose id the client never learnt."""
        return self._state.book.jobs()

    @property
    def requests(self) -> list[Trace]:
        """The requests that came, oldest first; the last 10 000."""
        return list(self._state.requests)

    def add_fault(self, fault: Fault) -> None:
        """Let something go wrong."""
        self._state.faults.add(fault)

    def clear_faults(self) -> None:
        """Drop the faults that nothing has drawn yet."""
        self._state.faults.clear()

    def reset(self) -> None:
        """Forget jobs, ledger, faults and requests."""
        self._state.reset()

    def __enter__(self) -> Self:
        if self._thread is not None:
            raise RuntimeError("a sandbox can be entered once")
        with ExitStack() as undo:
            gateway, files = (undo.enter_context(self._listen(port)) for port in self._ports)
            undo.pop_all()  # from here on the server closes them
        self._state.files_port = files.getsockname()[1]
        config = uvicorn.Config(
            create_app(state=self._state),
            http=_protocol(self._state.lines),
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,  # logging belongs to the program around
            log_level="warning",
            access_log=False,
            proxy_headers=False,  # a request's client is its connection, see Lines
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        self._server = server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=server.run, kwargs={"sockets": [gateway, files]}, name="octopusx-sandbox", daemon=True
        )
        self._thread.start()
        while not server.started:
            if not self._thread.is_alive():
                raise RuntimeError("the sandbox's server did not start")
            time.sleep(_TICK)
        shown = "127.0.0.1" if self._host in ("", "0.0.0.0") else self._host  # noqa: S104 - compared, not bound
        self._url = f"http://{shown}:{gateway.getsockname()[1]}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is None or self._thread is None:
            return
        self._state.lines.closing.set()
        self._server.should_exit = True
        self._thread.join()
        self._url = None

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.__exit__, kind, error, trace)

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server((self._host, port), backlog=128)
        # Connections inherit it; without, head and body of an answer, written one after the other, are 40 ms apart.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener


def _protocol(lines: Lines) -> type[asyncio.Protocol]:
    """Return uvicorn's HTTP protocol, with its connections known to the app, so that faults can end them."""

    class KnownConnection(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            lines.add(transport)
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            lines.remove(self.transport)
            super().connection_lost(exc)

    return KnownConnection
