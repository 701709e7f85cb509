"""Which hosts a task may have asked: checked before any secret is resolved, so that no key leaves for elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from openai_connector.openai_api.errors import HostRefusedError, Verdict
from openai_connector.openai_api.policy import HOST_NOT_ALLOWED

OPENAI_HOST = "api.openai.com"
ALWAYS_ALLOWED = (OPENAI_HOST, "*.openai.azure.com")


class AllowedHosts:
    """Host patterns: a name (`llm.example.com`), all below one (`*.example.com`), `host:port`, or `*` for any."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = tuple(pattern.strip().lower() for pattern in patterns if pattern.strip())

    def check(self, url: str, *, label: str = "Base URL") -> None:
        """Refuse a URL that is none, that carries a user name, or whose host is not allowed.

        Raises:
            HostRefusedError: the message names the host and the setting.
        """
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").lower().rstrip("."), parts.port
        except ValueError:
            host, port, parts = "", None, urlsplit("")
        if parts.scheme not in ("http", "https") or not host or "\\" in url or any(c.isspace() for c in url):
            raise _refused(f"{label} must be a URL such as https://api.openai.com/v1")
        if parts.username is not None or parts.password is not None:
            raise _refused(f"{label} must not carry a user name or password; use OpenAI API key")
        if parts.query or parts.fragment:
            raise _refused(f"{label} must not carry a query or a fragment")
        if not any(_matches(pattern, host, port) for pattern in self._patterns):
            raise _refused(
                f"{label}: the host {host[:100]} is not allowed. "
                "Correct the address, or have the operator add the host to CONNECTOR_ALLOWED_HOSTS"
            )


def _matches(pattern: str, host: str, port: int | None) -> bool:
    if pattern == "*":
        return True
    name, colon, wanted_port = pattern.rpartition(":")
    if colon and wanted_port.isdigit():
        if port != int(wanted_port):
            return False
        pattern = name
    pattern = pattern.strip("[]")
    return host.endswith(pattern[1:]) and len(host) >= len(pattern) if pattern.startswith("*.") else host == pattern


def _refused(message: str) -> HostRefusedError:
    return HostRefusedError(message, code=HOST_NOT_ALLOWED, verdict=Verdict.FINAL)
