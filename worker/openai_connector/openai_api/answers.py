"""Which responses are answers, and what is said of those that are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final

from openai_connector import wording
from openai_connector.contract import INVALID_RESPONSE
from openai_connector.job import Recovery
from openai_connector.openai_api.errors import ApiResponse, ApiStatusError, InvalidResponseError
from openai_connector.openai_api.policy import Classified, classify
from openai_connector.openai_api.words import (
    Said,
    failed_choices,
    is_error,
    is_event_stream,
    said_in,
    said_in_answer,
    says_failed,
)

SHOWN_CHARACTERS = 500  # of the API's own words in a message
SHOWN_TEXT_CHARACTERS = 100  # of a text that may as well be an answer of the model
SHOWN_PARAMETER_CHARACTERS = 100

PENDING: Final = ("queued", "in_progress")
CANCELLED: Final = ("cancelled", "canceled")
"""Statuses of a response of the Responses API that is no answer, or none yet."""


def check_status(response: ApiResponse) -> None:
    """Check that a response has no status of 400 or above.

    Raises:
        ApiStatusError: it has.
    """
    if response.status >= 400:
        recovery, reason, wait = classify(response)
        phrase = _phrase(response.status)
        words = _words(said_in(response.body), phrase)
        raise ApiStatusError(
            wording.API_STATUS(status=response.status, phrase=phrase, words=words),
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
        InvalidResponseError: it is anything else that is no answer. It may pass where the body holds an error
            that does, or is blank.
    """
    check_status(response)
    status, body = response.status, response.body
    if status >= 300:
        raise invalid(wording.API_REDIRECT(status=status), "redirect", response)
    if status < 200:
        raise invalid(wording.API_INTERIM(status=status), "interim", response)
    if body is None:
        raise _no_body(response)
    if not isinstance(body, (dict, list)):
        raise _no_json(response)
    if _is_refused(body):
        raise _judged(wording.API_ERROR_IN_SUCCESS, "error_in_success", response, status=status)
    missing = missing_in(body)
    if missing:
        raise _judged(wording.API_LACKS, "lacks", response, missing=missing)


def state_of(body: Any) -> str:
    """Return the status that a body of the Responses API has, in small letters; empty where it has none."""
    state = body.get("status") if isinstance(body, dict) else None
    return state.strip().lower() if isinstance(state, str) else ""


def telling_part(body: Any) -> Any:
    """Return what a body says of a failure: of a failed response of the Responses API, its error alone.

    The rest of it repeats the request, whose metadata may hold any words.
    """
    is_failed = isinstance(body, dict) and state_of(body) == "failed" and "output" in body
    return {"error": body.get("error")} if is_failed else body


def check_final(response: ApiResponse, *, missing_in: Callable[[Any], str | None]) -> None:
    """Check that a response is a final answer of the Responses API: none failed, cancelled or being made.

    Args:
        response: what was received.
        missing_in: names what a body lacks to be an answer.

    Raises:
        ApiStatusError: its status is 400 or above.
        InvalidResponseError: it is anything else that is no answer. It may pass where the body holds an error
            that does.
    """
    body = response.body
    if 200 <= response.status < 300 and isinstance(body, dict):
        state = state_of(body)
        if state in PENDING:
            raise invalid(wording.API_NOT_FINAL(state=state), "not_final", response)
        if state in CANCELLED:
            raise invalid(wording.API_CANCELLED(), "cancelled", response)
        if state == "failed":
            raise _judged(wording.API_FAILED, "failed", response, about=telling_part(body))
    check_answer(response, missing_in=missing_in)


def invalid(message: str, reason: str, response: ApiResponse) -> InvalidResponseError:
    """Return the error of a response that arrived but is no answer: it is paid for, nobody repeats it."""
    return _invalid(message, Classified(Recovery.PERMANENT, reason, None), response)


def _is_refused(body: Any) -> bool:
    """Check whether a body is an error, or each of its choices is; an empty error object is none."""
    if isinstance(body, list):
        return bool(body) and isinstance(body[0], dict) and is_error(body[0].get("error"))
    return is_error(body.get("error")) or bool(failed_choices(body)) or says_failed(body)


def _no_body(response: ApiResponse) -> InvalidResponseError:
    message = wording.API_EMPTY(status=response.status)
    if not response.size:
        return invalid(message, "empty", response)
    # A server that keeps the connection open with blanks while the model works has given up.
    return _invalid(message, Classified(Recovery.TRANSIENT, "blank", None), response)


def _no_json(response: ApiResponse) -> InvalidResponseError:
    is_stream = is_event_stream(response.body)
    says_more = is_stream and said_in_answer(response.body).says_anything()
    if (is_stream or "text/event-stream" in response.header("content-type").lower()) and not says_more:
        return invalid(wording.API_EVENT_STREAM(), "event_stream", response)
    return _judged(wording.API_NOT_JSON, "not_json", response, most=SHOWN_TEXT_CHARACTERS)


def _judged(
    sentence: wording.Sentence,
    otherwise: str,
    response: ApiResponse,
    *,
    most: int = SHOWN_CHARACTERS,
    about: Any = None,
    **parameters: object,
) -> InvalidResponseError:
    """Return the error of a success status whose body, or a part of it, tells what happened."""
    telling = response if about is None else replace(response, body=about)
    found = classify(telling)
    is_told = found.reason != "error_in_success"
    with_codes = is_told or otherwise in ("error_in_success", "failed")
    words = _words(said_in_answer(telling.body), with_codes=with_codes, most=most)
    if not is_told:
        found = found._replace(reason=otherwise)
    return _invalid(sentence(words=words, **parameters), found, response)


def _invalid(message: str, found: Classified, response: ApiResponse) -> InvalidResponseError:
    return InvalidResponseError(
        message,
        code=INVALID_RESPONSE,
        recovery=found.recovery,
        reason=found.reason,
        response=response,
        wait=found.wait,
    )


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "(unknown status)"


def _words(said: Said, phrase: str = "", *, with_codes: bool = True, most: int = SHOWN_CHARACTERS) -> str:
    """Return the API's own words, shortened; the handler masks what is secret or private in them."""
    words = said.words(phrase, with_codes=with_codes)
    if not words:
        return ""
    parameter = said.parameter
    named = ""
    if parameter and parameter not in words:
        named = f" (parameter {parameter[:SHOWN_PARAMETER_CHARACTERS]})"
    return f': "{words if len(words) <= most else words[:most] + "…"}"{named}'
