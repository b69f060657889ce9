"""What leads to a person: e-mail addresses and public IP addresses."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from wsdiag.notation import QUOTES
from wsdiag.sensitive.spans import Hit

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
_AT = re.compile(
    r"@(?:(?:[\w-]+\.)+(?:[^\W\d_]{2,}|xn--[\w-]+)|(?:\d{1,3}\.){3}\d{1,3})", re.IGNORECASE
)
_LOCAL = re.compile(r"[\w.+%!#$*^~-]|(?<=\w)'(?=\w)")  # RFC 5322 section 3.2.3, less separators
_IPV4 = re.compile(
    r"(?<![\d.])(?<!\bv)(?<!ersion )(?<!Chrome/)(?<!Edg/)(?<!OPR/)(?<!Version/)(?<!Chromium/)"
    r"(?:\d{1,3}\.){3}\d{1,3}(?!\d)(?!\.\d+\.\d)"
    r"|(?:(?<=ec2-)|(?<=\bip-))(?:\d{1,3}-){3}\d{1,3}(?!\d)"
)
_IPV6 = re.compile(
    r"(?<![\w:])(?:[0-9a-fA-F]{0,4}:){2,9}(?:[0-9a-fA-F]{1,4}(?![\w.]))?(?:\d[\d.]{0,14})?"
)
_EUI = re.compile(r"(?:[0-9a-fA-F]{2}:){7}[0-9a-fA-F]{2}")
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")  # RFC 4291 section 2.4
_DOCUMENTATION = (ipaddress.ip_network("2001:db8::/32"), ipaddress.ip_network("3fff::/20"))
STAND_INS = (ipaddress.IPv4Network("240.0.0.0/4"), ipaddress.IPv6Network("fd77:7364:6961:67::/96"))
"""Networks whose addresses stand for hidden ones: reserved (RFC 1112), and a ULA (RFC 4193)."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052 section 2.1


def unmapped(ip: IpAddress) -> IpAddress:
    """The IPv4 address inside an IPv4-mapped one (RFC 4291 section 2.5.5.2), else the address."""
    return getattr(ip, "ipv4_mapped", None) or ip


def stands_in(ip: IpAddress) -> bool:
    """Whether the address stands for another, which is hidden."""
    return any(ip in network for network in STAND_INS if network.version == ip.version)


def public(ip: IpAddress) -> bool:
    """Whether the address could lead to a person: global, and neither documentation nor group; or
    stands for one that could.
    """
    if stands_in(ip):
        return str(ip) != "255.255.255.255"
    if isinstance(ip, ipaddress.IPv4Address):
        return ip.is_global and not ip.is_multicast
    if ip in _NAT64:
        return public(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    return ip in _GLOBAL_UNICAST and not any(ip in network for network in _DOCUMENTATION)


def parse_address(text: str) -> IpAddress | None:
    """An IP address, or None."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def emails(view: str, hosts: set[int]) -> Iterator[Hit]:
    """E-mail addresses; `hosts` are the places where the `@` of a URL stands."""
    last = 0
    for found in _AT.finditer(view):
        start = found.start()
        if start in hosts:  # ://user:password@host
            continue
        if view[start - 1 : start] in ('"', *QUOTES[3:5]):
            start = max(view.rfind(view[start - 1], last, start - 1), last)
        while start > last and _LOCAL.match(view, start - 1):
            start -= 1
        if start < found.start():
            yield Hit(start, found.end(), "user")
        last = found.end()


def addresses(view: str, *, private: bool) -> Iterator[Hit]:
    """IP addresses: the public ones, or all."""
    for found in _IPV4.finditer(view):
        parts = found.group().replace("-", ".").split(".")
        if all(int(part) < 256 for part in parts):
            ip = ipaddress.IPv4Address(bytes(int(part) for part in parts))
            if private or public(ip):
                yield Hit(*found.span(), "ip")
    for found in _IPV6.finditer(view):
        text = found.group().rstrip(".")
        if text.count(":") > 2 and not text.endswith("::"):
            text = text.rstrip(":")
        if _EUI.fullmatch(text):  # a 64-bit hardware address
            continue
        for candidate in (text, text.rpartition(":")[0]):  # with a port after it
            parsed = parse_address(candidate)
            if parsed:
                if private or public(unmapped(parsed)):
                    yield Hit(found.start(), found.start() + len(candidate), "ip")
                break
