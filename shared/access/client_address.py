"""Where a request came from, as far as that can be known."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address

_UNKNOWN = "unknown"
# Whoever has one IPv6 address has as many as there are in its network.
_NETWORK_BITS = 64


def client_address(headers: Mapping[str, str], *, hosted: bool) -> str:
    """The address that a bound is counted by: the whole network of an IPv6 address.

    Azure's front end puts the address that it sees at the end of `X-Forwarded-For`. What stands before is whatever its
    client sent, and names nobody. Behind a gateway of one's own it is the gateway's, so that all share one bound.

    Args:
        headers: names in lower case.
        hosted: whether such a front end is there; without it the header says nothing.
    """
    last = headers.get("x-forwarded-for", "").rpartition(",")[2].strip() if hosted else ""
    # With the port, as App Service has it: 203.0.113.7:50000, [2001:db8::1]:50000.
    if last.startswith("["):
        last = last[1:].partition("]")[0]
    elif last.count(":") == 1:
        last = last.partition(":")[0]
    try:
        address = ip_address(last)
    except ValueError:
        return _UNKNOWN
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped) if mapped is not None else f"{int(address) >> _NETWORK_BITS:x}::/{_NETWORK_BITS}"
    return str(address)
