"""Downloads read by asyncio's streams, with TLS and without."""

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import IPv4Address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from prefect_octopusx.api.streams import StreamTransport

MIB = 1024 * 1024
BODY = bytes(range(256)) * (3 * MIB // 256)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
Serve = Callable[[asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For 127.0.0.1, signed by itself; with its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a file host")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - dt.timedelta(days=1), now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path_factory.mktemp("tls") / "host.pem"
    path.write_bytes(private + signed.public_bytes(pem))
    return path


@asynccontextmanager
async def host(serve: Serve, certificate: Path | None = None) -> AsyncIterator[str]:
    """Run a server that answers by `serve`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) if certificate else None
    if context and certificate:
        context.load_cert_chain(certificate)

    async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await serve(writer)
            await reader.read()  # the client goes first, and over TLS gets no farewell
        except OSError:
            pass
        finally:
            writer.transport.abort()

    async with await asyncio.start_server(welcome, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{port}/fox.mp4"


@asynccontextmanager
async def client(trusted: Path | None = None) -> AsyncIterator[httpx.AsyncClient]:
    transport = StreamTransport(ssl.create_default_context(cafile=trusted))
    async with httpx.AsyncClient(transport=transport, timeout=httpx.Timeout(20, read=0.5)) as opened:
        yield opened


@pytest.fixture(params=["http", "https"])
def trusted(request: pytest.FixtureRequest) -> Path | None:
    path: Path | None = request.getfixturevalue("certificate") if request.param == "https" else None
    return path


async def test_a_body_arrives_whole_and_nobody_waits_for_a_farewell(trusted: Path | None) -> None:
    async def whole(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD % len(BODY) + BODY)
        await writer.drain()

    async with host(whole, trusted) as url, client(trusted) as http, asyncio.timeout(20):
        assert (await http.get(url)).content == BODY


async def test_a_sender_waits_for_who_does_not_read(trusted: Path | None) -> None:
    """What has come and was not read stays small."""
    sent = 0

    async def flood(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(HEAD % (500 * MIB))
        for _ in range(500):
            writer.write(bytes(MIB))
            await writer.drain()
            sent += 1

    async with host(flood, trusted) as url, client(trusted) as http, http.stream("GET", url) as response:
        assert response.status_code == 200
        before = -1
        while before != sent:  # until nothing moves any more
            before = sent
            await asyncio.sleep(0.3)
    assert sent < 30  # most of it in the system's buffers


async def test_silence_and_a_broken_connection_are_told_as_httpx_does(trusted: Path | None) -> None:
    async def silent(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD % 10 + b"fox")

    async def broken(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD % 10 + b"fox")
        await writer.drain()
        writer.close()

    async with host(silent, trusted) as url, client(trusted) as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.get(url)
    async with host(broken, trusted) as url, client(trusted) as http:
        with pytest.raises(httpx.RemoteProtocolError, match="peer closed connection"):
            await http.get(url)


async def test_who_can_not_be_trusted_is_asked_nothing(certificate: Path) -> None:
    asked: list[bool] = []

    async def note(_: asyncio.StreamWriter) -> None:
        asked.append(True)

    async with host(note, certificate) as url, client() as http:
        with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
            await http.get(url)
    assert not asked


async def test_a_host_that_is_not_there() -> None:
    async with host(lambda _: asyncio.sleep(0)) as url:
        pass
    async with client() as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(url)
