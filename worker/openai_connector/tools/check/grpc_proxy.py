"""Which proxy gRPC goes through: by its own variables and rules, which are not those of HTTP clients.

Only names in small letters count, only the first of them that is set, and only an http:// URL.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Final

NAMES: Final = ("grpc_proxy", "https_proxy", "http_proxy")
EXCEPTIONS: Final = ("no_grpc_proxy", "no_proxy")


def variable_of(environment: Mapping[str, str], host: str) -> str | None:
    """Return the variable that names a proxy for a host."""
    name = next((name for name in NAMES if name in environment), None)
    if name is None or not environment[name].strip():
        return None
    exceptions = next((environment[one] for one in EXCEPTIONS if one in environment), "")
    return None if any(_covers(entry.strip(), host) for entry in exceptions.split(",")) else name


def is_usable(url: str) -> bool:
    """Return whether gRPC goes through it; it ignores all others, and goes directly."""
    return url.strip().lower().startswith("http://")


def is_misnamed(environment: Mapping[str, str]) -> bool:
    """Return whether a proxy is named in capital letters alone, which gRPC does not read."""
    return not any(name in environment for name in NAMES) and any(
        environment.get(name.upper()) for name in NAMES
    )


def _covers(entry: str, host: str) -> bool:
    if not entry:
        return False
    if "/" in entry:
        try:
            return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    return host.lower().endswith(entry.lower().removeprefix("."))
