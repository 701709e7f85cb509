"""Which servers are somebody's own, by their names alone."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import Final

_HOST: Final = re.compile(r"(?:\[(?P<address>[^][]+)\]|(?P<name>[^][:]+))(?::[0-9]*)?")
_LABEL: Final = "[a-z0-9_-]+"
_OWN_NAME: Final = re.compile(
    rf"(?!(?:\d+|0x[0-9a-f]*)$){_LABEL}"  # a number without dots is an address too: anybody's
    rf"|(?:{_LABEL}\.)+(?:internal|local|localhost|svc)"
)


@lru_cache(maxsize=1000)
def is_own(host: str) -> bool:
    """Return whether a host, with its port or without, is of this machine or of a private network.

    What is not known to be, is not: a name that anybody may have is a provider's.
    """
    found = _HOST.fullmatch(host.lower())
    if found is None:
        return False
    name = (found["address"] or found["name"] or "").removesuffix(".")
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return _OWN_NAME.fullmatch(name) is not None
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    return address.is_loopback or address.is_private
