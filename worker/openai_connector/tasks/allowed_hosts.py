"""Which hosts a task may have asked.

Checked before any secret is resolved, so that no key leaves for elsewhere.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

from openai_connector import wording
from openai_connector.contract import HOST_NOT_ALLOWED, OPENAI_HOST
from openai_connector.job import TaskError

ALWAYS_ALLOWED = (OPENAI_HOST, f"*.{OPENAI_HOST}", "*.openai.azure.com")
DEFAULT_PORTS = {"http": 80, "https": 443}

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
"""A host as DNS has it. Anything else (percent signs, other alphabets) is refused: clients read it
differently."""


class HostRefusedError(TaskError):
    """The address is not one that this worker may ask; no secret has been resolved."""

    code = HOST_NOT_ALLOWED


class AllowedHosts:
    """Host patterns: a name (`llm.example.com`), all below one (`*.example.com`), `host:port`, or `*`."""

    def __init__(self, patterns: Iterable[str]) -> None:
        """Read the patterns.

        Raises:
            ValueError: a pattern is not one, a URL for example; the message says so.
        """
        self._patterns = tuple(
            _read_pattern(pattern.strip().lower()) for pattern in patterns if pattern.strip()
        )

    def check(self, url: str, *, label: str = "Base URL", is_secret: bool = False) -> None:
        """Refuse a URL that is not one, that carries a user name, or whose host is not allowed.

        Args:
            url: an absolute URL.
            label: what the message calls it.
            is_secret: its host is not to be shown.

        Raises:
            HostRefusedError: the message names the host and the setting.
        """
        if not url.isascii():
            raise HostRefusedError(wording.URL_ASCII(label=label))
        parts, host, port = _split(url)
        if parts is None or not url.isprintable() or " " in url or "\\" in url:
            raise HostRefusedError(wording.URL_FORM(label=label))
        if parts.username is not None or parts.password is not None:
            raise HostRefusedError(wording.URL_USER(label=label))
        if "?" in url or "#" in url:
            raise HostRefusedError(wording.URL_QUERY(label=label))
        if parts.scheme == "http" and any(_matches(name, None, host, port) for name, _ in _ENCRYPTED):
            shown = "its host" if is_secret else host
            raise HostRefusedError(wording.URL_UNENCRYPTED(label=label, host=shown))
        if not any(_matches(name, wanted_port, host, port) for name, wanted_port in self._patterns):
            shown = "in the secret's value" if is_secret else host[:100]
            raise HostRefusedError(wording.HOST_NOT_ALLOWED(label=label, host=shown))


def host_of(url: str) -> str:
    """Return the host of a URL in small letters; empty when it has none."""
    return _split(url)[1]


def is_openai(url: str) -> bool:
    """Check whether a URL is OpenAI's own, its regions' among them: it wants a key."""
    return f".{host_of(url)}".endswith(f".{OPENAI_HOST}")


def pattern_of(url: str) -> str:
    """Return the pattern that allows the host of a URL, and the port where the URL names one."""
    parts, host, port = _split(url)
    host = f"[{host}]" if ":" in host else host
    return f"{host}:{port}" if parts is not None and parts.port is not None else host


@lru_cache(maxsize=1000)
def _split(url: str) -> tuple[SplitResult | None, str, int]:
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower().removesuffix(".")
        default = DEFAULT_PORTS[parts.scheme]  # the scheme counts whether or not there is a port
        port = default if parts.port is None else parts.port
    except (ValueError, KeyError):
        return None, "", 0
    return (parts, host, port) if port and _is_host(host) else (None, "", 0)


def _is_host(text: str) -> bool:
    if ":" not in text:
        return len(text) <= 253 and _NAME.fullmatch(text) is not None
    try:
        return ipaddress.IPv6Address(text).scope_id is None
    except ValueError:
        return False


def _read_pattern(pattern: str) -> tuple[str, int | None]:
    """Split a pattern into name and port."""
    if pattern == "*":
        return pattern, None
    name, port = pattern, None
    if not _is_host(pattern):
        try:
            parts = urlsplit(f"//{pattern}")
            name, port = (parts.hostname or "", parts.port) if parts.netloc == pattern else ("", None)
        except ValueError:
            name = ""
    if "@" in pattern or not (name == "*" or _is_host(name.removeprefix("*."))):
        shown = re.split(r"[?#]", pattern.rpartition("@")[2])[0]  # whoever gives a URL may give a password
        raise ValueError(wording.HOST_PATTERN(pattern=shown[:100]))
    return name, port


def _matches(name: str, wanted_port: int | None, host: str, port: int) -> bool:
    if wanted_port is not None and wanted_port != port:
        return False
    if name.startswith("*."):
        return host.endswith(name[1:])
    return name in ("*", host)


_ENCRYPTED = [_read_pattern(pattern) for pattern in ALWAYS_ALLOWED]
