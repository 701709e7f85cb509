"""What a failed call means for the job: passing, told to wait, or final. One table, shown in the README."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from openai_connector.openai_api.errors import ApiResponse, Verdict

LONGEST_WAIT = timedelta(hours=24)  # what a Retry-After may ask for; a longer one counts as this

CODES: dict[str, tuple[Verdict, str]] = {
    "insufficient_quota": (Verdict.FINAL, "The quota is used up: check plan and billing of the API account"),
    "billing_hard_limit_reached": (
        Verdict.FINAL,
        "The billing limit is reached: check billing of the API account",
    ),
    "billing_not_active": (Verdict.FINAL, "Billing is not active: check billing of the API account"),
    "model_not_found": (Verdict.FINAL, "Check Model: it is unknown, shut down, or not open to this key"),
    "context_length_exceeded": (
        Verdict.FINAL,
        "Shorten Prompt or Chat history, or choose a model that takes more",
    ),
}
"""`error.code` or `error.type` of the API, where they tell more than the status."""

STATUSES: dict[str, tuple[Verdict, str]] = {
    "401": (Verdict.FINAL, "Check OpenAI API key (and Organization and Project)"),
    "402": (Verdict.FINAL, "The account has no credit left: check billing of the API account"),
    "403": (Verdict.FINAL, "The key may not do this: check its permissions, the project and the region"),
    "404": (Verdict.FINAL, "Check Base URL and Model"),
    "407": (
        Verdict.FINAL,
        "The proxy wants a user name and password: have the operator put them into HTTPS_PROXY",
    ),
    "408": (Verdict.PASSING, "The API gave up waiting; the job is tried again while retries are left"),
    "409": (
        Verdict.PASSING,
        "Another request was in the way; the job is tried again while retries are left",
    ),
    "413": (Verdict.FINAL, "The request is too large: shorten Prompt or Chat history"),
    "429": (Verdict.PASSING, "The rate limit is reached; the job is tried again while retries are left"),
    "4xx": (Verdict.FINAL, "Correct the task's inputs"),
    "5xx": (Verdict.PASSING, "The API is in trouble; the job is tried again while retries are left"),
}
"""The HTTP status, where neither `error.code` nor `error.type` stands in `CODES`."""

WAIT_STATUSES = (429, 503)
"""With a Retry-After that can be read, these are "told to wait": no retry is lost."""

INVALID_RESPONSE = "INVALID_RESPONSE"  # code of a response without an answer
HOST_NOT_ALLOWED = "HOST_NOT_ALLOWED"
CONNECTION = "408"  # Camunda's REST connector gives connection failures and timeouts this code
TIMEOUT = "408"
TLS = "SSL_HANDSHAKE_FAILED"  # as Camunda's REST connector


def classify(response: ApiResponse, now: datetime | None = None) -> tuple[Verdict, str, timedelta | None]:
    """Give the verdict on a response of status 400 or above, what to do, and how long the API asked to wait."""
    error = error_of(response.body)
    for key in ("code", "type"):
        name = error.get(key)
        if isinstance(name, str) and name in CODES:
            return *CODES[name], None
    status = str(response.status)
    verdict, advice = STATUSES.get(status) or STATUSES["5xx" if response.status >= 500 else "4xx"]
    wait = retry_after(response.headers, now) if response.status in WAIT_STATUSES else None
    return (verdict if wait is None else Verdict.WAIT), advice, wait


def error_of(body: Any) -> Mapping[str, Any]:
    """Give the error object of an API's answer, in the forms that compatible servers use; empty if there is none."""
    if not isinstance(body, Mapping):
        return {}
    error = body.get("error")
    if isinstance(error, Mapping):
        return error
    if isinstance(error, str):
        return {"message": error, "code": body.get("code"), "type": body.get("type")}
    return body if isinstance(body.get("message") or body.get("detail"), str) else {}


def retry_after(headers: Mapping[str, str | list[str]], now: datetime | None = None) -> timedelta | None:
    """Read how long the API asks to wait: `retry-after-ms`, or `Retry-After` as seconds or an HTTP date (RFC 9110).

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
