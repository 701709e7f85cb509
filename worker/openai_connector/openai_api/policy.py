"""What the API's answer means for another attempt: transient, rate-limited or permanent.

One table, in the docs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple

from openai_connector.job import Recovery
from openai_connector.openai_api.errors import ApiResponse

LONGEST_WAIT = timedelta(hours=24)  # what a Retry-After may ask for; a longer one counts as this

CODES: Final[Mapping[str, Recovery]] = {
    "insufficient_quota": Recovery.PERMANENT,
    "billing_hard_limit_reached": Recovery.PERMANENT,
    "billing_not_active": Recovery.PERMANENT,
    "model_not_found": Recovery.PERMANENT,
    "context_length_exceeded": Recovery.PERMANENT,
}
"""`error.code` or `error.type` of the API, where they tell more than the status."""

STATUSES: Final[Mapping[str, Recovery]] = {
    "401": Recovery.PERMANENT,
    "402": Recovery.PERMANENT,
    "403": Recovery.PERMANENT,
    "404": Recovery.PERMANENT,
    "407": Recovery.PERMANENT,
    "408": Recovery.TRANSIENT,
    "409": Recovery.TRANSIENT,
    "413": Recovery.PERMANENT,
    "429": Recovery.TRANSIENT,
    "4xx": Recovery.PERMANENT,
    "5xx": Recovery.TRANSIENT,
}
"""The HTTP status, where neither `error.code` nor `error.type` stands in `CODES`."""

WAIT_STATUSES = (429, 503)
"""With a Retry-After that can be read, these are rate limits: no retry is lost."""


class Classified(NamedTuple):
    """What a response of status 400 or above means."""

    recovery: Recovery
    reason: str
    """The key of `CODES` or `STATUSES` that it was found by."""
    wait: timedelta | None
    """How long the API asked to wait."""


def classify(response: ApiResponse, now: datetime | None = None) -> Classified:
    """Return what a response of status 400 or above means."""
    error = error_of(response.body)
    for key in ("code", "type"):
        name = error.get(key)
        if isinstance(name, str) and name in CODES:
            return Classified(CODES[name], name, None)
    status = str(response.status)
    reason = status if status in STATUSES else "5xx" if response.status >= 500 else "4xx"
    wait = retry_after(response.headers, now) if response.status in WAIT_STATUSES else None
    return Classified(STATUSES[reason] if wait is None else Recovery.RATE_LIMITED, reason, wait)


def error_of(body: Any) -> Mapping[str, Any]:
    """Return the error object of an API's answer, in the forms that compatible servers use.

    Empty if there is none.
    """
    if not isinstance(body, Mapping):
        return {}
    error = body.get("error")
    if isinstance(error, Mapping):
        return error
    if isinstance(error, str):
        return {"message": error, "code": body.get("code"), "type": body.get("type")}
    return body if isinstance(body.get("message") or body.get("detail"), str) else {}


def retry_after(headers: Mapping[str, str | list[str]], now: datetime | None = None) -> timedelta | None:
    """Read how long the API asks to wait.

    `retry-after-ms`, or `Retry-After` as seconds or an HTTP date (RFC 9110).

    None when neither is there or can be read; a date that has passed is no wait at all, so 0.
    """
    lower = {name.lower(): value[0] if isinstance(value, list) else value for name, value in headers.items()}
    milliseconds = _number(lower.get("retry-after-ms"))
    if milliseconds is not None:
        return min(timedelta(milliseconds=milliseconds), LONGEST_WAIT)
    text = lower.get("retry-after")
    seconds = _number(text)
    if seconds is not None:
        return min(timedelta(seconds=seconds), LONGEST_WAIT)
    if text is None:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(moment - (now or datetime.now(UTC)), timedelta(0)), LONGEST_WAIT)


def _number(text: str | None) -> float | None:
    if text is None or not re.fullmatch(r"\s*\d{1,12}(\.\d{1,9})?\s*", text, re.ASCII):
        return None
    number = float(text)
    return number if math.isfinite(number) else None
