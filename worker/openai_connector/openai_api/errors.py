"""What may go wrong with a call: a tree of exceptions.

ApiError
 ├─ HostRefusedError         the address is not one that this worker may ask
 ├─ ApiConnectionError       no connection, or it broke before the answer was complete
 ├─ ApiTimeoutError          no answer in time; it may have been made, and paid for, all the same
 └─ ApiResponseError         there is a response:
     ├─ ApiStatusError       with a status of 400 or above
     └─ InvalidResponseError with a success status, but without a usable answer
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Any


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """An HTTP response as Camunda's own connector shows it to expressions."""

    status: int
    headers: dict[str, str | list[str]] = field(repr=False)
    """Names as received; a repeated header has a list."""
    body: Any = field(repr=False)
    """Parsed JSON object or array, or the text where it is none; None where there is no text."""
    reason: str = ""
    """The phrase beside the status, as received."""


class Verdict(Enum):
    """What a failed call means for the job (the table is in `policy`)."""

    PASSING = "passing"
    """Trying again may help: it costs a retry, after the template's back-off."""
    WAIT = "told to wait"
    """The API said when to come back: it costs no retry."""
    FINAL = "final"
    """Trying again cannot help: a person must act."""


class ApiError(Exception):
    """A call without a usable answer. The message says what failed and what to do next, without any secret."""

    code: str
    """What users compare in error expressions: the HTTP status as text, or a stable name."""

    def __init__(
        self,
        message: str,
        *,
        code: str,
        verdict: Verdict,
        response: ApiResponse | None = None,
        wait: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.verdict = verdict
        self.response = response
        self.wait = wait
        """How long the API asked to wait at least."""


class HostRefusedError(ApiError):
    """The address is not one that this worker may ask."""


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
