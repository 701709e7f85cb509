"""Who may ask: this page alone. Any other page in the same browser can send requests to this machine too."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from typing import Final

from openai_connector.tools.sandbox.view import ViewError

TOKEN_HEADER: Final = "X-Sandbox-Token"
_SAFE: Final = ("GET", "HEAD")


class Guard:
    """Checks each request: its host (against DNS rebinding), its origin, and the token for a change."""

    def __init__(self, port: int) -> None:
        """Expect requests for a port of this machine."""
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}
        self._url = f"http://127.0.0.1:{port}"
        self.token = secrets.token_urlsafe(32)
        """Part of the page: whoever cannot read the page does not know it."""

    def check(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        """Check a request.

        Raises:
            ViewError: it is not one of this page.
        """
        host = headers.get("Host", "").lower()
        if host not in self._hosts:
            raise ViewError(403, f"This page is for this machine only: open it as {self._url}.")
        origin = headers.get("Origin")
        if origin is not None and origin.lower() != f"http://{host}":
            raise ViewError(403, "Another page has sent this request: only this page may use the sandbox.")
        site = headers.get("Sec-Fetch-Site", "none")
        if site not in ("none", "same-origin") and not self._is_link(method, path, headers):
            raise ViewError(403, "Another site has sent this request: only this page may use the sandbox.")
        if method not in _SAFE:
            self._check_change(headers)

    def _check_change(self, headers: Mapping[str, str]) -> None:
        given = headers.get(TOKEN_HEADER, "")
        if not hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode()):
            raise ViewError(403, "The token of this page is missing or wrong: load the page again.")
        if headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/json":
            raise ViewError(415, "The request must have the type application/json.")

    @staticmethod
    def _is_link(method: str, path: str, headers: Mapping[str, str]) -> bool:
        """Check whether somebody follows a link to the page, from a README or a chat: that only shows it."""
        navigates = (headers.get("Sec-Fetch-Mode"), headers.get("Sec-Fetch-Dest")) == ("navigate", "document")
        return method == "GET" and path == "/" and navigates
