"""Which addresses a video may be fetched from.

A finished video lies where a reply says, and replies come from strangers. A link into the network where this runs would
make it read what its writer can't reach: a database, a neighbour's admin page, the credentials at a cloud's metadata
address. So only addresses of the public internet are connected to, the gateway's own, and those that the user names.
"""

import ipaddress
import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias

import httpx

from prefect_octopusx.api.errors import DownloadRefused
from prefect_octopusx.api.redact import redact, redact_url
from prefect_octopusx.api.transport import Origin, origin

__all__ = ["FileHosts", "check_hosts", "is_public"]

_Address: TypeAlias = IPv4Address | IPv6Address
_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_LOOPBACK: tuple[_Network, ...] = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # all that was ever given out of IPv6
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_AZURE_METADATA = IPv4Address("168.63.129.16")  # looks public, and is the machine's own host


def is_public(address: _Address) -> bool:
    """Return whether `address` is one of the public internet, also where it is an IPv4 address in an IPv6 form."""
    inner = _embedded(address)
    if isinstance(inner, IPv4Address):
        return inner.is_global and not inner.is_multicast and not inner.is_reserved and inner != _AZURE_METADATA
    return inner in _GLOBAL_UNICAST and inner.is_global


def check_hosts(hosts: Iterable[str]) -> tuple[str, ...]:
    """Return names, addresses and networks as they are compared: names in lower case, without a dot at the end.

    Raises:
        ValueError: One is none of these.
    """
    return tuple(_checked(host) for host in hosts)


class FileHosts:
    """The addresses that videos may be fetched from.

    Args:
        gateway: The gateway's base URL. Its own origin is always allowed. Where it is plain http, it is in the user's
            own network, and its host is allowed at any port: the sandbox serves files at another one.
        allowed: Hosts outside the public internet that are allowed too: names, addresses, networks.

    Raises:
        ValueError: One of `allowed` is none of these.
    """

    def __init__(self, gateway: str, allowed: Iterable[str] = ()) -> None:
        self._gateway: Origin = origin(gateway)
        own = httpx.URL(gateway)
        hosts = [*check_hosts(allowed), *([_name(own)] if own.scheme == "http" else [])]
        self._names = frozenset(hosts)
        networks = [network for host in hosts if (network := _network(host))]
        self._networks = (*networks, *(_LOOPBACK if "localhost" in hosts else ()))

    def choose(self, url: httpx.URL, addresses: Iterable[str]) -> list[str]:
        """Return those of the addresses that the host of `url` has which may be connected to.

        Raises:
            DownloadRefused: None of them.
        """
        found = list(addresses)
        if origin(url) == self._gateway or _name(url) in self._names:
            return found
        allowed = [address for address in found if self._allows(ipaddress.ip_address(address))]
        if not allowed:
            raise DownloadRefused(_refusal(url, found))
        return allowed

    def _allows(self, address: _Address) -> bool:
        forms = {address, _embedded(address)}
        return is_public(address) or any(form in network for form in forms for network in self._networks)


def _embedded(address: _Address) -> _Address:
    """Return the IPv4 address that an IPv6 address stands for (mapped, NAT64, 6to4), or the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _name(url: httpx.URL) -> str:
    """Return the host of `url` as it goes over the wire, without the dot that ends a full name."""
    return url.raw_host.decode("ascii").lower().strip("[]").rstrip(".")


def _checked(host: str) -> str:
    given = host.strip()
    if _network(given):
        return given
    try:
        name = _name(httpx.URL(f"http://{given}"))
    except (httpx.InvalidURL, UnicodeError):
        name = ""
    if not name or re.search(r"[\s/@:?#*]", given):
        raise ValueError(
            f"allowed_private_hosts: {redact(given)!r} is no host. Give a name like files.corp.example, an address, or "
            "a network like 10.1.0.0/16, without scheme, port and path"
        )
    return name


def _network(host: str) -> _Network | None:
    try:
        return ipaddress.ip_network(host)
    except ValueError:
        return None


def _refusal(url: httpx.URL, addresses: list[str]) -> str:
    where = "" if _name(url) in addresses else f" ({', '.join(addresses)})"
    return (
        f"The link to the video leads to {url.host}{where}, which is not in the public internet. "
        f"{redact_url(str(url))} is not fetched: such a link can be an attack on your own network. If your videos do "
        "lie there, name the host in `allowed_private_hosts` of the OctopusX credentials, or of the client"
    )
