"""Which proxy a call goes through, by the variables that all programs know; read as Go and curl read them."""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote_to_bytes

from openai_connector import wording

DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_ADDRESS: Final = re.compile(
    r"(?:(?P<scheme>[a-z][a-z0-9+.-]*)://)?(?:(?P<user>[^/?#\s]*)@)?"
    r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?/?",
    re.ASCII | re.IGNORECASE,
)
_NAME: Final = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*", re.ASCII)
_NETWORK: Final = re.compile(r"\[?([0-9a-f:.]+)\]?/([0-9]{1,3})", re.ASCII)
_BRACKETS: Final = re.compile(r"\[([0-9a-f:.]+)\](?::([0-9]{1,5}))?", re.ASCII)
_WITH_PORT: Final = re.compile(r"([^:]+):([0-9]{1,5})", re.ASCII)

_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_NO_ADDRESSES: Final = ipaddress.ip_network("::/96")
"""Of these, only :: and ::1 are in use."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Rule = Callable[[str, Address | None, int], bool]
"""Whether a host (a name, or an address too) and its port are asked without a proxy."""


class ProxyError(ValueError):
    """A proxy's address cannot be used; the message names its variable and never its value."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where a proxy is, and who we are to it."""

    scheme: str
    host: str
    port: int
    credentials: bytes = field(default=b"", repr=False)
    """User name and password, colon between."""

    def authorization(self) -> list[tuple[bytes, bytes]]:
        """Return the header that says who we are, where there is something to say."""
        if not self.credentials:
            return []
        return [(b"Proxy-Authorization", b"Basic " + base64.b64encode(self.credentials))]


class Proxies:
    """The proxies of an environment, and the hosts that are asked without."""

    def __init__(self, by_scheme: Mapping[str, Proxy], no_proxy: str) -> None:
        self._by_scheme = by_scheme
        self._rules: list[Rule] = []
        self.not_understood: list[str] = []
        """Entries of NO_PROXY that cannot be read, and are ignored; by their place where a password may be
        a part of them, which may have a comma in it."""
        may_be_secret = "@" in no_proxy
        entries = [entry for entry in re.split(r"[,\s]+", no_proxy) if entry]
        for place, entry in enumerate(entries, 1):
            rule = _rule(entry.lower())
            if rule is not None:
                self._rules.append(rule)
            elif may_be_secret or "://" in entry:
                self.not_understood.append(f"entry {place}")
            else:
                self.not_understood.append(entry[:100].encode("utf-8", "backslashreplace").decode())

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Proxies:
        """Read the variables, in small letters first.

        Raises:
            ProxyError: an address cannot be used.
        """
        found: dict[str, Proxy] = {}
        for scheme in ("http", "https"):
            for name in (f"{scheme}_proxy", "all_proxy"):
                variable, value = _variable(environment, name)
                if value:
                    found[scheme] = _proxy(variable, value)
                    break
        variable, value = _variable(environment, "grpc_proxy")
        if value and not _ADDRESS.fullmatch(value):  # gRPC's messages would have the password
            raise ProxyError(wording.PROXY_ADDRESS(variable=variable))
        return cls(found, _variable(environment, "no_proxy")[1])

    def proxy_for(self, scheme: str, host: str, port: int) -> Proxy | None:
        """Return the proxy for a host; None where it is asked directly."""
        proxy = self._by_scheme.get(scheme)
        if proxy is None or not self._rules:
            return proxy
        host = host.lower().rstrip(".")
        address = _address(host)
        return None if any(rule(host, address, port) for rule in self._rules) else proxy


def _variable(environment: Mapping[str, str], name: str) -> tuple[str, str]:
    """Return a variable's name as it was set, and its value."""
    for spelling in (name, name.upper()):
        if spelling in environment:
            return spelling, environment[spelling].strip()
    return name.upper(), ""


def _proxy(variable: str, value: str) -> Proxy:
    match = _ADDRESS.fullmatch(value)
    if match is None:
        raise ProxyError(wording.PROXY_ADDRESS(variable=variable))
    scheme = (match["scheme"] or "http").lower()
    if scheme not in DEFAULT_PORTS:
        raise ProxyError(wording.PROXY_SCHEME(variable=variable))
    host, port = match["host"].lower(), int(match["port"] or DEFAULT_PORTS[scheme])
    is_readable = _address(host[1:-1]) is not None if host[0] == "[" else _NAME.fullmatch(host.rstrip("."))
    if not is_readable or not 0 < port < 65536:
        raise ProxyError(wording.PROXY_ADDRESS(variable=variable))
    user, _, password = (match["user"] or "").partition(":")
    credentials = unquote_to_bytes(user) + b":" + unquote_to_bytes(password) if match["user"] else b""
    return Proxy(scheme, host.strip("[]"), port, credentials)


def _rule(entry: str) -> Rule | None:
    """Read an entry of NO_PROXY in small letters; None where it cannot be read."""
    if entry == "*":
        return lambda host, address, port: True
    if match := _NETWORK.fullmatch(entry):
        return _network(match[1], match[2])
    port: str | None
    if match := _BRACKETS.fullmatch(entry):
        name, port = match[1], match[2]
        if ":" not in name:
            return None
    elif match := _WITH_PORT.fullmatch(entry):
        name, port = match[1], match[2]
    else:
        name, port = entry, None
    if port is not None and not 0 < int(port) < 65536:
        return None
    matches = _host(name)
    if matches is None or port is None:
        return matches
    return lambda host, address, asked: asked == int(port) and matches(host, address, asked)


def _network(text: str, bits: str) -> Rule | None:
    try:
        network = ipaddress.ip_network(f"{text}/{bits}", strict=False)
    except ValueError:
        return None
    first = _unmapped(network.network_address)
    is_mapped = first.version != network.version and network.prefixlen >= 96
    inner = ipaddress.ip_network((first, network.prefixlen - 96)) if is_mapped else network
    return lambda host, address, port: (
        address is not None and (address in network or _unmapped(address) in inner)
    )


def _host(text: str) -> Rule | None:
    """Read an address, or a name: it and all below it; with `*.` before it, only what is below it."""
    wanted = _address(text)
    if wanted is not None:
        if "." not in text and wanted in _NO_ADDRESSES and int(wanted) > 1:
            return None  # such as ::1:8080, which needs brackets to mean a port
        wanted = _unmapped(wanted)
        return lambda host, address, port: address is not None and _unmapped(address) == wanted
    name = text.rstrip(".").removeprefix("*").removeprefix(".")
    if not _NAME.fullmatch(name) or _NUMBER.fullmatch(name.rpartition(".")[2]):
        return None  # a name never ends in a number: it is a part of an address, or a range
    below = f".{name}"
    is_itself_too = not text.startswith("*")
    return lambda host, address, port: (
        address is None and (host.endswith(below) or (is_itself_too and host == name))
    )


def _unmapped(address: Address) -> Address:
    """Return the IPv4 address that is written as one of IPv6: ::ffff:127.0.0.1."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
