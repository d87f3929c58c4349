"""What the tests of the client talk to: the sandbox, and a server that gives any raw answer."""

import asyncio
import contextlib

from prefect_octopusx.api import OctopusXClient, ViduRequest
from prefect_octopusx.sandbox import Sandbox

CAT = ViduRequest(model="viduq3-pro", prompt="a cat chasing butterflies", duration=5)


def client(sandbox: Sandbox, **settings: float) -> OctopusXClient:
    return OctopusXClient(api_key=sandbox.key, base_url=sandbox.url, **settings)


class Odd:
    """A server for what no sandbox does: one raw answer to whatever is asked."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __aenter__(self) -> str:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        await self.server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head.decode().splitlines()[0])
        writer.write(self.answers.pop(0))
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def http_answer(status: str, body: bytes, *headers: str, length: int | None = None) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return ("\r\n".join(head) + "\r\n\r\n").encode() + body
