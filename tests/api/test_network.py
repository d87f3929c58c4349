"""Where the key goes, and which hosts are connected to; against real servers."""

import ipaddress
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from prefect_octopusx.api import (
    DownloadError,
    DownloadRefused,
    EndpointNotFound,
    GatewayError,
    OctopusXClient,
    SubmissionUncertain,
)
from prefect_octopusx.api.file_hosts import FileHosts, is_public
from prefect_octopusx.api.transport import origin
from tests.api.gateways import CAT, http_answer
from tests.api.strangers import Authority, Stranger, fetch

pytestmark = pytest.mark.usefixtures("no_proxies")

KEY = "sk-0123456789abcdef"
VIDEO = http_answer("200 OK", b"video")


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """What DNS says of names: the addresses that it gives each time; it fails the test that asks once more."""
    known: dict[str, list[list[str]]] = {}
    real = socket.getaddrinfo

    def looked_up(host: Any, port: Any, *options: Any, **more: Any) -> Any:  # noqa: ANN401 - as it is called
        if host not in known:
            return real(host, port, *options, **more)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in known[host].pop(0)]

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    return known


@pytest.fixture
async def gateway() -> AsyncIterator[Stranger]:
    async with Stranger(VIDEO) as server:
        yield server


@pytest.fixture
async def other() -> AsyncIterator[Stranger]:
    async with Stranger(VIDEO) as server:
        yield server


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    return made


def moved(location: str, status: str = "302 Found") -> bytes:
    return http_answer(status, b"", f"Location: {location}")


class TestTheKey:
    """It goes to the gateway's origin and nowhere else."""

    @pytest.mark.parametrize(
        ("link", "at_gateway", "with_key"),
        [
            ("http://127.0.0.1:{gateway}/v.mp4", True, True),
            ("HTTP://127.0.0.1:{gateway}/v.mp4", True, True),
            ("http://localhost:{gateway}/v.mp4", True, False),
            ("http://0x7f.1:{gateway}/v.mp4", True, False),
            ("http://127.0.0.1:{other}/v.mp4", False, False),
            ("http://127.0.0.1:{gateway}@127.0.0.1:{other}/v.mp4", False, False),
            ("http://127.0.0.1:{other}/v.mp4?u=http://127.0.0.1:{gateway}", False, False),
            ("http://127.0.0.1:{other}#@127.0.0.1:{gateway}", False, False),
        ],
    )
    async def test_links(self, gateway: Stranger, other: Stranger, link: str, at_gateway: bool, with_key: bool) -> None:
        client = OctopusXClient(KEY, f"http://127.0.0.1:{gateway.port}")
        assert await fetch(client, link.format(gateway=gateway.port, other=other.port)) == b"video"
        asked, silent = (gateway, other) if at_gateway else (other, gateway)
        assert (KEY in asked.heads[0], silent.connections) == (with_key, 0)

    async def test_names_in_any_case_but_not_with_a_dot(
        self, gateway: Stranger, names: dict[str, list[list[str]]]
    ) -> None:
        names |= {"gateway.test": [["127.0.0.1"]], "gateway.test.": [["127.0.0.1"]]}
        for link in ("http://gateway.test", "http://GATEWAY.test."):
            await fetch(OctopusXClient(KEY, f"http://Gateway.TEST:{gateway.port}"), f"{link}:{gateway.port}/v.mp4")
        assert [KEY in head for head in gateway.heads] == [True, False]

    def test_the_port_of_a_scheme_is_that_scheme(self) -> None:
        assert origin("https://octopusx.ai:443/v1") == origin("https://OctopusX.ai") != origin("http://octopusx.ai:443")
        assert origin("http://octopusx.ai:80") == origin("http://octopusx.ai") != origin("http://octopusx.ai.")

    async def test_redirects_of_downloads(self, other: Stranger) -> None:
        async with Stranger(moved(f"http://127.0.0.1:{other.port}/v.mp4?sig=x")) as gateway:
            client = OctopusXClient(KEY, f"http://127.0.0.1:{gateway.port}")
            assert await fetch(client, f"http://127.0.0.1:{gateway.port}/v.mp4") == b"video"
        assert (KEY in gateway.heads[0], KEY in other.heads[0]) == (True, False)

    @pytest.mark.parametrize("status", ["301 Moved Permanently", "307 Temporary Redirect", "308 Permanent Redirect"])
    async def test_creates_and_questions_are_not_redirected_to_another_port(self, other: Stranger, status: str) -> None:
        async with (
            Stranger(moved(f"http://127.0.0.1:{other.port}/v1/x", status)) as gateway,
            OctopusXClient(KEY, f"http://127.0.0.1:{gateway.port}") as client,
        ):
            with pytest.raises(EndpointNotFound):
                await client.create_video(CAT)
            with pytest.raises(EndpointNotFound):
                await client.query_video("t")
        assert (len(gateway.heads), other.connections) == (2, 0)

    async def test_a_create_is_not_sent_again_within_the_gateway_either(self) -> None:
        async with (
            Stranger(moved("/v1/elsewhere", "307 Temporary Redirect")) as gateway,
            OctopusXClient(KEY, f"http://127.0.0.1:{gateway.port}") as client,
        ):
            with pytest.raises(EndpointNotFound):
                await client.create_video(CAT)
        assert len(gateway.heads) == 1

    async def test_nothing_is_redirected_from_https_to_http(self, authority: Authority, other: Stranger) -> None:
        away = moved(f"http://localhost:{other.port}/v1/x", "307 Temporary Redirect")
        async with Stranger(away, tls=authority.server("localhost")) as gateway:
            url = f"https://localhost:{gateway.port}"
            async with OctopusXClient(KEY, url, allowed_private_hosts=["localhost"]) as client:
                with pytest.raises(EndpointNotFound):
                    await client.create_video(CAT)
                with pytest.raises(EndpointNotFound):
                    await client.query_video("t")
                with pytest.raises(DownloadRefused, match="without TLS"):
                    await fetch(client, f"{url}/v.mp4")
        assert [KEY in head for head in gateway.heads] == [True, True, True]
        assert other.connections == 0


REFUSED = [
    *("127.0.0.1", "127.1", "2130706433", "0x7f.1", "017700000001", "0", "0.0.0.0", "localhost"),  # noqa: S104
    *("10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "100.100.100.200", "192.0.2.1", "198.18.0.1"),
    *("169.254.169.254", "168.63.129.16", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
    *("[::]", "[::1]", "[::127.0.0.1]", "[::ffff:127.0.0.1]", "[::ffff:0:7f00:1]", "[::ffff:a9fe:a9fe]"),
    *("[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]", "[2001:db8::1]"),
    *("[fd00:ec2::254]", "[fe80::1]", "[fec0::1]", "[ff02::1]", "[4000::1]"),
]


class TestHosts:
    """Only the public internet, the gateway's own, and what is allowed."""

    async def test_links_into_the_own_network_are_refused(self) -> None:
        client, refused = OctopusXClient(KEY), []
        for host in REFUSED:
            with pytest.raises(DownloadError) as caught:
                await fetch(client, f"http://{host}/v.mp4?sig=SECRET")
            assert "SECRET" not in str(caught.value)
            if "is not in the public internet" in str(caught.value) and not caught.value.retryable:
                refused.append(host)
        assert refused == REFUSED

    @pytest.mark.parametrize(
        "address", ["93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::"]
    )
    def test_the_public_internet_is_open(self, address: str) -> None:
        assert is_public(ipaddress.ip_address(address))

    async def test_a_name_of_the_own_network_is_refused(
        self, gateway: Stranger, names: dict[str, list[list[str]]]
    ) -> None:
        names["files.test"] = [["127.0.0.1", "10.1.2.3"]]
        with pytest.raises(DownloadRefused, match=r"files\.test \(127\.0\.0\.1, 10\.1\.2\.3\), which is not"):
            await fetch(OctopusXClient(KEY), f"http://files.test:{gateway.port}/v.mp4")
        assert gateway.connections == 0

    async def test_a_redirect_into_the_own_network_is_refused(
        self, other: Stranger, names: dict[str, list[list[str]]]
    ) -> None:
        names["gateway.test"] = [["127.0.0.1"]]
        async with Stranger(moved(f"http://127.0.0.1:{other.port}/admin")) as gateway:
            url = f"http://gateway.test:{gateway.port}"
            with pytest.raises(DownloadRefused, match=r"leads to 127\.0\.0\.1, which"):
                await fetch(OctopusXClient(KEY, url), f"{url}/v.mp4")
        assert (gateway.connections, other.connections) == (1, 0)

    async def test_the_address_that_was_checked_is_connected_to(
        self, gateway: Stranger, names: dict[str, list[list[str]]]
    ) -> None:
        names["files.test"] = [["10.255.255.1", "127.0.0.1"]]  # asked a second time, it fails
        client = OctopusXClient(KEY, allowed_private_hosts=["127.0.0.0/8"])
        assert await fetch(client, f"http://files.test:{gateway.port}/v.mp4") == b"video"
        assert f"Host: files.test:{gateway.port}" in gateway.heads[0].splitlines()
        assert names == {"files.test": []}

    async def test_the_next_address_is_tried(self, names: dict[str, list[list[str]]], gateway: Stranger) -> None:
        names["files.test"] = [["::1", "127.0.0.1"]]  # nobody listens at the first
        client = OctopusXClient(KEY, allowed_private_hosts=["files.test"])
        assert await fetch(client, f"http://files.test:{gateway.port}/v.mp4") == b"video"

    async def test_a_certificate_is_that_of_the_name(
        self, authority: Authority, names: dict[str, list[list[str]]]
    ) -> None:
        names |= {"files.test": [["127.0.0.1"]], "evil.test": [["127.0.0.1"]]}
        async with Stranger(VIDEO, tls=authority.server("files.test")) as files:
            client = OctopusXClient(KEY, allowed_private_hosts=["127.0.0.1"])
            assert await fetch(client, f"https://files.test:{files.port}/v.mp4") == b"video"
            for host in ("evil.test", "127.0.0.1"):
                with pytest.raises(DownloadError, match=r"can't be fetched .*certificate"):
                    await fetch(client, f"https://{host}:{files.port}/v.mp4")
        assert (len(files.heads), files.names[:2]) == (1, ["files.test", "evil.test"])

    @pytest.mark.parametrize("allowed", ["files.test", "Files.TEST.", "127.0.0.1", "127.0.0.0/30"])
    async def test_what_is_allowed_is_fetched(
        self, gateway: Stranger, names: dict[str, list[list[str]]], allowed: str
    ) -> None:
        names["files.test"] = [["127.0.0.1"]]
        client = OctopusXClient(KEY, allowed_private_hosts=[allowed])
        assert await fetch(client, f"http://files.test:{gateway.port}/v.mp4") == b"video"
        assert KEY not in gateway.heads[0]

    async def test_a_gateway_with_tls_has_its_own_port_only(
        self, authority: Authority, other: Stranger, names: dict[str, list[list[str]]]
    ) -> None:
        names["gateway.test"] = [["127.0.0.1"], ["127.0.0.1"]]
        async with Stranger(VIDEO, tls=authority.server("gateway.test")) as gateway:
            url = f"https://gateway.test:{gateway.port}"
            assert await fetch(OctopusXClient(KEY, url), f"{url}/v1/videos/t/content") == b"video"
            with pytest.raises(DownloadRefused):
                await fetch(OctopusXClient(KEY, url), f"http://gateway.test:{other.port}/v.mp4")

    @pytest.mark.parametrize("host", ["", "http://files.test", "files.test:80", "*.test", "10.0.0.1/8", "a b", "u@h"])
    def test_what_can_be_no_host(self, host: str) -> None:
        with pytest.raises(ValueError, match=r"allowed_private_hosts: .* is no host"):
            FileHosts("https://octopusx.ai", [host])

    @pytest.mark.parametrize("host", ["unknown.invalid", "x" * 64 + ".test"])
    async def test_a_name_without_an_address_may_have_one_later(self, host: str) -> None:
        with pytest.raises(DownloadError, match="can't be fetched") as caught:
            await fetch(OctopusXClient(KEY), f"http://{host}/v.mp4")
        assert caught.value.retryable


class TestProxies:
    """What the environment says is done; the proxy then resolves names."""

    async def test_a_proxy_is_asked_for_names_but_not_for_private_addresses(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with Stranger(VIDEO) as proxy:
            monkeypatch.setenv("http_proxy", f"127.0.0.1:{proxy.port}")
            assert await fetch(OctopusXClient(KEY), "http://files.test/v.mp4") == b"video"
            for host in ("169.254.169.254", "0x7f.1", "[::1]"):
                with pytest.raises(DownloadRefused):
                    await fetch(OctopusXClient(KEY), f"http://{host}/v.mp4")
        assert [head.splitlines()[0] for head in proxy.heads] == ["GET http://files.test/v.mp4 HTTP/1.1"]
        assert KEY not in proxy.heads[0]

    async def test_names_that_need_no_proxy(
        self, monkeypatch: pytest.MonkeyPatch, names: dict[str, list[list[str]]], gateway: Stranger, other: Stranger
    ) -> None:
        names["files.test"] = [["127.0.0.1"]]
        monkeypatch.setenv("all_proxy", f"http://127.0.0.1:{other.port}")
        monkeypatch.setenv("no_proxy", "files.test")
        with pytest.raises(DownloadRefused):
            await fetch(OctopusXClient(KEY), f"http://files.test:{gateway.port}/v.mp4")
        assert (gateway.connections, other.connections) == (0, 0)


async def test_redirects_to_no_address_are_errors_of_ours() -> None:
    targets = ["http://[", "http://h:x/", "http://xn--/", "http:127.0.0.1/", "javascript:1", "file:///etc/passwd"]
    nowhere = [http_answer("302 Found", b""), *map(moved, targets)]
    for answer in nowhere:
        async with Stranger(answer) as host:
            url = f"http://127.0.0.1:{host.port}"
            async with OctopusXClient(KEY, url) as client:
                with pytest.raises((EndpointNotFound, SubmissionUncertain)):
                    await client.create_video(CAT)
                with pytest.raises((EndpointNotFound, GatewayError)):
                    await client.query_video("t")
                with pytest.raises(DownloadError):
                    await fetch(client, f"{url}/v.mp4")
    for link in ["", "/v.mp4", *targets]:
        with pytest.raises(DownloadError, match="can't be fetched"):
            await fetch(client, link)
