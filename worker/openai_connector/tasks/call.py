"""What the handler needs of a call: a request that may be sent, and how its answer is understood.

`api_call` makes those of this connector's own tasks, `rest_call` those of the drop-in job type.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol

from openai_connector.openai_api import ApiResponse
from openai_connector.redaction import Redaction


class Call(Protocol):
    """A request that may be sent, and what is needed to understand its answer."""

    @property
    def method(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> bytes | None: ...
    @property
    def timeout(self) -> timedelta: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def redaction(self) -> Redaction: ...

    def check(self, response: ApiResponse) -> None:
        """Make sure that a response is an answer, else raise an `ApiError`."""

    def answer_of(self, response: ApiResponse) -> Mapping[str, Any]:
        """Give what is kept of an answer until the job is done."""

    def response_of(self, answer: Mapping[str, Any]) -> Any:
        """Give what the expressions see as the response."""


def fingerprint(method: str, url: str, body: bytes, organization: str | None, project: str | None) -> str:
    """Tell whether a kept answer belongs to this very request. The key is no part of it: it may be renewed."""
    digest = hashlib.sha256()
    for part in (method, url, organization or "", project or ""):
        digest.update(part.encode("utf-8", "replace") + b"\n")
    digest.update(body)
    return digest.hexdigest()
