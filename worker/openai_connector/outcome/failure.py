"""What went wrong before or during a call, in the words of error expressions: stable types and codes.

They are listed in the README; users compare them (`if error.code = "429" then ...`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from openai_connector.openai_api import ApiError, ApiResponse, Verdict
from openai_connector.openai_api.policy import classify
from openai_connector.tasks.operations import InvalidInputsError
from openai_connector.tasks.secrets import SecretError

INVALID_INPUTS = "INVALID_INPUTS"
SECRET_NOT_AVAILABLE = "SECRET_NOT_AVAILABLE"
FINAL_TYPES = ("HostRefusedError", "InvalidInputsError", "InvalidResponseError", "SecretError")
"""Types that are final whatever their code."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed call: `error.type`, `error.code`, the response if there is one, and what it means for the job."""

    kind: str
    code: str
    verdict: Verdict = Verdict.FINAL
    response: dict[str, Any] | None = None
    wait: timedelta | None = None

    @classmethod
    def of(cls, error: InvalidInputsError | SecretError | ApiError) -> Failure:
        """Describe an exception."""
        kind = type(error).__name__
        if isinstance(error, ApiError):
            got = error.response
            response = (
                None if got is None else {"status": got.status, "headers": got.headers, "body": got.body}
            )
            return cls(kind, error.code, error.verdict, response, error.wait)
        return cls(kind, SECRET_NOT_AVAILABLE if isinstance(error, SecretError) else INVALID_INPUTS)

    @classmethod
    def recorded(cls, error: Mapping[str, Any]) -> Failure:
        """Return what an error object stands for, as error expressions see it: verdict and wait are found again."""
        kind, code = str(error.get("type") or ""), str(error.get("code") or "")
        if kind in FINAL_TYPES:
            return cls(kind, code)
        if kind != "ApiStatusError" or not code.isascii() or not code.isdigit():
            return cls(kind, code, Verdict.PASSING)
        response = _part(_part(error, "variables"), "response")
        verdict, _, wait = classify(ApiResponse(int(code), _headers(response), response.get("body")))
        return cls(kind, code, verdict, wait=wait)


def _part(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = value.get(name)
    return part if isinstance(part, Mapping) else {}


def _headers(response: Mapping[str, Any]) -> dict[str, str | list[str]]:
    given = _part(response, "headers").items()
    return {
        name: value for name, value in given if isinstance(value, str) or (isinstance(value, list) and value)
    }
