"""What went wrong before or during a call, in the words of error expressions: stable types and codes.

They are listed in the README; users compare them (`if error.code = "429" then ...`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from openai_connector.openai_api import ApiError, Verdict
from openai_connector.operations import InvalidInputsError
from openai_connector.secrets import SecretError

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
            response = None if got is None else {"status": got.status, "headers": got.headers, "body": got.body}
            return cls(kind, error.code, error.verdict, response, error.wait)
        return cls(kind, SECRET_NOT_AVAILABLE if isinstance(error, SecretError) else INVALID_INPUTS)
