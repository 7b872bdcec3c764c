"""Which addresses may be connected to: a list of URLs is untrusted input."""

import errno
import ipaddress
import socket
from typing import Any, Final

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult

_CLOUD_METADATA: Final = frozenset({ipaddress.ip_address("168.63.129.16")})  # Azure's, on a public address
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_UNICAST: Final = ipaddress.ip_network("2000::/3")  # all that is handed out of IPv6
_SPECIAL: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "100.64.0.0/10",  # carriers' own, with a cloud's metadata service
        "192.0.0.0/24",  # protocol assignments, with another's
        "192.88.99.0/24",  # 6to4 relays
        "198.18.0.0/15",  # benchmarks
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation, as is the next
        "3fff::/20",
    )
)
"""Refused whatever the running Python's tables say: they differ between its versions."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressRefused(OSError):
    """The host leads to an address that is not public.

    Attributes:
        address: The address.
    """

    def __init__(self, address: str) -> None:
        super().__init__(errno.EACCES, f"{address} is not a public address")
        self.address = address


def is_public(address: str) -> bool:
    """Return whether an IP address lies in the public internet.

    Private, loopback, link-local (with the clouds' metadata services), multicast, reserved and unspecified ones do
    not, nor does an IPv6 address that carries such an IPv4 address within it.
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return _is_public(ip)


def _is_public(ip: _Address) -> bool:
    if isinstance(ip, ipaddress.IPv6Address):
        inner = _carried(ip)
        if inner is not None:
            return _is_public(inner)
        if ip not in _UNICAST:
            return False
    special = ip in _CLOUD_METADATA or any(ip in network for network in _SPECIAL)
    return ip.is_global and not ip.is_multicast and not ip.is_reserved and not special


def _carried(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour


def check_literal(host: str) -> None:
    """Refuse a host that is itself an address which is not public; names are checked when they are resolved.

    Raises:
        AddressRefused: It is one.
    """
    try:
        ip = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return  # a name, or an odd spelling such as 0x7f.1: the system's resolver says what it stands for
    if not _is_public(ip):
        raise AddressRefused(host)


class PublicResolver(AbstractResolver):
    """Resolves names to public addresses only.

    What it returns is what is connected to, so that a name which changes its answer in between (DNS rebinding) gains
    nothing.
    """

    def __init__(self) -> None:
        self._inner = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the public addresses of a name.

        Raises:
            AddressRefused: It has addresses, but no public one.
            OSError: It cannot be resolved.
        """
        found = await self._inner.resolve(host, port, family)
        public = [result for result in found if is_public(result["host"])]
        if found and not public:
            raise AddressRefused(found[0]["host"])
        return public

    async def close(self) -> None:
        """Let go of the resolver."""
        await self._inner.close()


def public_socket(info: tuple[Any, ...]) -> socket.socket:
    """Return a socket for an address, the last gate before a connection is made.

    Raises:
        AddressRefused: The address is not public.
    """
    family, kind, protocol, _, address = info
    if not is_public(str(address[0])):
        raise AddressRefused(str(address[0]))
    made = socket.socket(family=family, type=kind, proto=protocol)
    made.setblocking(False)
    return made
