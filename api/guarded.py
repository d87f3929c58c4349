"""HTTP to strangers: the address that was checked is the address that is connected to.

Checking a name and then connecting to that name asks DNS twice, and who owns the name may answer differently the second
time. So a name is resolved once, its addresses are checked, and the connection goes to one of those, while the request
and the certificate are still for the name.
"""

import asyncio
import socket
import ssl
from collections import Counter
from urllib.request import getproxies, proxy_bypass

import httpx

from prefect_octopusx.api.file_hosts import FileHosts

__all__ = ["GuardedTransport"]

_MOST_ADDRESSES = 4  # tried of one host
_NO_REUSE = httpx.Limits(max_keepalive_connections=0)  # two names at one address must not share a connection


class GuardedTransport(httpx.AsyncBaseTransport):
    """A transport that connects to the addresses that `hosts` allows only, at every request and so at every redirect.

    Where the environment names a proxy for a URL, as httpx and curl read it, the proxy resolves the name and connects.
    Then only addresses that are written out in the URL are checked here.

    Args:
        hosts: What is allowed.
        tls: How certificates are verified.
    """

    def __init__(self, hosts: FileHosts, tls: ssl.SSLContext) -> None:
        self._hosts = hosts
        self._tls = tls
        self._direct = httpx.AsyncHTTPTransport(verify=tls, limits=_NO_REUSE)
        self._proxies: dict[str, httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` and return the response.

        Raises:
            DownloadRefused: Its host is not allowed.
            httpx.TransportError: As any transport.
        """
        if request.url.scheme not in {"http", "https"} or not request.url.host:
            raise httpx.UnsupportedProtocol("it is no address of a file on the web")
        proxy = _proxy(request.url)
        if proxy:
            if addresses := await _resolved(request.url, written_out=True):
                self._hosts.choose(request.url, addresses)
            return await self._through(proxy).handle_async_request(request)
        return await self._directly(request)

    async def aclose(self) -> None:
        """Close all connections."""
        for transport in (self._direct, *self._proxies.values()):
            await transport.aclose()

    async def _directly(self, request: httpx.Request) -> httpx.Response:
        addresses = self._hosts.choose(request.url, await _resolved(request.url))
        failed: httpx.TransportError = httpx.ConnectError("its name has no address")
        for address in _mixed(addresses)[:_MOST_ADDRESSES]:
            # The headers keep their `Host`, and the certificate must be the name's.
            pinned = httpx.Request(
                request.method,
                request.url.copy_with(host=address),
                headers=request.headers,
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": request.url.raw_host.decode("ascii")},
            )
            try:
                return await self._direct.handle_async_request(pinned)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failed = error
        raise failed

    def _through(self, proxy: str) -> httpx.AsyncHTTPTransport:
        if proxy not in self._proxies:
            self._proxies[proxy] = httpx.AsyncHTTPTransport(verify=self._tls, limits=_NO_REUSE, proxy=proxy)
        return self._proxies[proxy]


async def _resolved(url: httpx.URL, *, written_out: bool = False) -> list[str]:
    """Return the addresses of a host, best first.

    The system's own reader does it, because it is the one that would connect: `2130706433` and `0x7f.1` are addresses
    to it.

    Args:
        url: Where the host is.
        written_out: Whether to read only what is an address already, and to ask nobody.

    Raises:
        httpx.ConnectError: The name has no address.
    """
    flags = socket.AI_NUMERICHOST if written_out else 0
    port = url.port or {"http": 80, "https": 443}.get(url.scheme)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            url.raw_host.decode("ascii"), port, type=socket.SOCK_STREAM, flags=flags
        )
    except (OSError, UnicodeError) as error:  # the second for what can be no name
        if written_out:
            return []
        raise httpx.ConnectError(str(error)) from None
    return [str(address[0]) for *_, address in found]


def _mixed(addresses: list[str]) -> list[str]:
    """Return IPv6 and IPv4 addresses in turns: where one of the two leads nowhere, that costs one attempt."""
    seen: Counter[bool] = Counter()
    ranks = []
    for address in addresses:
        six = ":" in address
        ranks.append(seen[six])
        seen[six] += 1
    return [address for _, address in sorted(zip(ranks, addresses, strict=True), key=lambda pair: pair[0])]


def _proxy(url: httpx.URL) -> str | None:
    if proxy_bypass(url.netloc.decode("ascii")):
        return None
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"
