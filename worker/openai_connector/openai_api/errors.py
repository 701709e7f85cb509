"""What may go wrong with a call: a tree of exceptions.

ApiError
 ├─ ApiConnectionError       no connection, or it broke before the answer was complete
 ├─ ApiTimeoutError          no answer in time; it may have been made, and paid for, all the same
 └─ ApiResponseError         there is a response:
     ├─ ApiStatusError       with a status of 400 or above
     └─ InvalidResponseError with a success status, but without a usable answer
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from openai_connector.job import Recovery, TaskError


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """An HTTP response as Camunda's own connector shows it to expressions."""

    status: int
    headers: dict[str, str | list[str]] = field(repr=False)
    """Names as received; a repeated header has a list."""
    body: Any = field(repr=False)
    """Parsed JSON object or array, or the text where it is neither; None where there is no text."""
    reason: str = ""
    """The phrase after the status, as received."""
    size: int = field(default=0, compare=False)
    """Bytes of the body as received, unpacked: a body without text may have been blank, or empty."""
    is_proxy_told: bool = field(default=False, compare=False)
    """The proxy that handed it on was told who we are."""

    def header(self, name: str) -> str:
        """Return a header by its name in small letters; a repeated one has its values joined."""
        found = next((value for known, value in self.headers.items() if known.lower() == name), "")
        return found if isinstance(found, str) else ", ".join(found)


class ApiError(TaskError):
    """A call without a usable answer.

    The message says what happened; what to do about it is found by `reason`.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        recovery: Recovery,
        reason: str,
        response: ApiResponse | None = None,
        wait: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        """What users compare in error expressions: the HTTP status as text, or a stable name."""
        self.recovery = recovery
        self.reason = reason
        """What happened, as `wording.ADVICE` names it."""
        self.response = response
        self.wait = wait

    def response_shown(self) -> Mapping[str, Any]:
        """Return the response as error expressions see it; empty where there was no response."""
        got = self.response
        return {} if got is None else {"status": got.status, "headers": got.headers, "body": got.body}


class ApiConnectionError(ApiError):
    """No connection, or it broke before the answer was complete."""


class ApiTimeoutError(ApiError):
    """No answer in time; it may have been made, and paid for, all the same."""


class ApiResponseError(ApiError):
    """There is a response, but no answer in it."""

    response: ApiResponse


class ApiStatusError(ApiResponseError):
    """The API answered with a status of 400 or above."""


class InvalidResponseError(ApiResponseError):
    """The API answered with a success status (or a redirect), but without a usable answer."""
