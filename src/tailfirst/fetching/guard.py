"""Which URLs and addresses may be asked: http(s) to public addresses, and to the very address that was checked.

A corpus is a list of URLs that strangers wrote, so each may point at a router, a cloud's metadata service or a
database next door. A host name is resolved once; if any of its addresses is not public the host is refused, and the
connection goes to a checked address, so that a second answer of the name server cannot change it (DNS re-binding).
"""

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx

from tailfirst.errors import UrlGone, UrlRefused, UrlRetry

Lookup = Callable[[str, int], Sequence[str]]
PORTS = frozenset({80, 443})
LONGEST = 4096  # characters of a URL

# IPv4 blocks that are not the public internet (IANA special-purpose registry), and addresses that clouds serve secrets
# on although they lie in public space.
V4_CLOSED = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
            "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
            "168.63.129.16/32",
        ),
    )
)  # fmt: skip
# Of IPv6 only global unicast is open. Loopback, mapped (::ffff:0:0/96), NAT64 (64:ff9b::/96 and 64:ff9b:1::/48),
# unique local, link-local, site-local and multicast all lie outside of it.
V6_OPEN = ipaddress.IPv6Network("2000::/3")
V6_CLOSED = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "2001::/23",  # protocol assignments, Teredo and ORCHID among them
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4: carries any IPv4 address
            "2620:4f:8000::/48",
            "3fff::/20",  # documentation
        ),
    )
)


def is_public(address: str) -> bool:
    """Whether an IP address, as text, is on the public internet; what cannot be read is not."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:  # a scope such as fe80::1%eth0 among them
        return False
    if isinstance(found, ipaddress.IPv4Address):
        return not any(found in block for block in V4_CLOSED)
    return found.scope_id is None and found in V6_OPEN and not any(found in block for block in V6_CLOSED)


def host_of(url: httpx.URL) -> tuple[str, int]:
    """The host as it is looked up and connected to (IDNA applied), and the port."""
    return url.raw_host.decode("ascii"), url.port or (443 if url.scheme == "https" else 80)


def system_lookup(host: str, port: int) -> Sequence[str]:
    """The addresses of a host name.

    Raises:
        UrlGone: There is no such host.
        UrlRetry: The name server did not answer.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            raise UrlRetry("name server did not answer") from error
        raise UrlGone("no such host") from error
    except (UnicodeError, ValueError) as error:
        raise UrlRefused("host name cannot be resolved") from error
    return list(dict.fromkeys(str(info[4][0]) for info in found))


@dataclass(frozen=True, slots=True)
class Guard:
    """What may be asked."""

    ports: frozenset[int] = PORTS
    lookup: Lookup = system_lookup
    # For a server that a test starts on its own machine; nothing but a constructor call in a test sets it.
    test_servers: frozenset[tuple[str, int]] = frozenset()  # (address, port)

    def checked(self, url: str) -> httpx.URL:
        """The URL without its fragment.

        Raises:
            UrlRefused: Not http(s), with credentials, without a host, on another port, or not a URL.
        """
        if len(url) > LONGEST:
            raise UrlRefused("URL is too long")
        try:
            found = httpx.URL(url.strip())
            host, port = host_of(found)
        except (httpx.InvalidURL, ValueError, TypeError) as error:
            raise UrlRefused("not a URL") from error
        if found.scheme not in {"http", "https"}:
            raise UrlRefused("neither http nor https")
        if found.userinfo:
            raise UrlRefused("credentials in the URL")
        if not host:
            raise UrlRefused("no host in the URL")
        if port not in self.ports:
            raise UrlRefused("port is not allowed")
        return found.copy_with(fragment=None)

    def addresses(self, host: str, port: int) -> tuple[str, ...]:
        """Where a host may be connected to: all its addresses, all of them public.

        Raises:
            UrlRefused: At least one address is not public.
            UrlGone: There is no such host.
            UrlRetry: The name server did not answer.
        """
        found = tuple(self.lookup(host, port))
        if not found:
            raise UrlGone("no such host")
        for address in found:
            if not is_public(address) and (address, port) not in self.test_servers:
                raise UrlRefused("host is not on the public internet")
        return found
