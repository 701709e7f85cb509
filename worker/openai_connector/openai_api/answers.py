"""Which responses are answers, and what is said of those that are not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from openai_connector import wording
from openai_connector.contract import INVALID_RESPONSE
from openai_connector.job import Recovery
from openai_connector.openai_api.errors import ApiResponse, ApiStatusError, InvalidResponseError
from openai_connector.openai_api.policy import classify, error_of

SHOWN_CHARACTERS = 500  # of the API's own words in a message
SHOWN_PARAMETER_CHARACTERS = 100


def check_status(response: ApiResponse) -> None:
    """Check that a response has no status of 400 or above.

    Raises:
        ApiStatusError: it has.
    """
    if response.status >= 400:
        recovery, reason, wait = classify(response)
        message = wording.API_STATUS(
            status=response.status, phrase=_phrase(response.status), words=_words(response.body)
        )
        raise ApiStatusError(
            message,
            code=str(response.status),
            recovery=recovery,
            reason=reason,
            response=response,
            wait=wait,
        )


def check_answer(response: ApiResponse, *, missing_in: Callable[[Any], str | None]) -> None:
    """Check that a response is an answer: a success with a JSON body that lacks nothing.

    Args:
        response: what was received.
        missing_in: names what a body lacks to be an answer.

    Raises:
        ApiStatusError: its status is 400 or above.
        InvalidResponseError: it is anything else that is no answer.
    """
    check_status(response)
    status, body = response.status, response.body
    if status >= 300:
        raise invalid(wording.API_REDIRECT(status=status), "redirect", response)
    if status < 200:
        raise invalid(wording.API_INTERIM(status=status), "interim", response)
    if body is None:
        raise invalid(wording.API_EMPTY(status=status), "empty", response)
    if not isinstance(body, (Mapping, list)):
        if _is_event_stream(response):
            raise invalid(wording.API_EVENT_STREAM(), "event_stream", response)
        raise invalid(wording.API_NOT_JSON(), "not_json", response)
    if isinstance(body, Mapping) and body.get("error"):
        message = wording.API_ERROR_IN_SUCCESS(status=status, words=_words(body))
        raise invalid(message, "error_in_success", response)
    missing = missing_in(body)
    if missing:
        raise invalid(wording.API_LACKS(missing=missing), "lacks", response)


def invalid(message: str, reason: str, response: ApiResponse) -> InvalidResponseError:
    """Return the error of a response that arrived but is no answer: it is paid for, nobody repeats it."""
    return InvalidResponseError(
        message, code=INVALID_RESPONSE, recovery=Recovery.PERMANENT, reason=reason, response=response
    )


def _is_event_stream(response: ApiResponse) -> bool:
    """Return whether a server streams unless told not to; it may name another content type."""
    types = [value for name, value in response.headers.items() if name.lower() == "content-type"]
    return "text/event-stream" in str(types).lower() or str(response.body).lstrip().startswith("data:")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "(unknown status)"


def _words(body: Any) -> str:
    """Return the API's own words, shortened; the handler masks what is secret or private in them."""
    error = error_of(body)
    words = error.get("message") or error.get("detail")
    if not isinstance(words, str) or not words.strip():
        return ""
    words = " ".join(words.split())
    parameter = error.get("param")
    named = ""
    if isinstance(parameter, str) and parameter and parameter not in words:
        named = f" (parameter {parameter[:SHOWN_PARAMETER_CHARACTERS]})"
    return f': "{words if len(words) <= SHOWN_CHARACTERS else words[:SHOWN_CHARACTERS] + "…"}"{named}'
