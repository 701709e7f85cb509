"""Words of a failure are found beside codes under names that nobody knows, and no answer is taken for them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_connector.openai_api import (
    ApiResponse,
    InvalidResponseError,
    check_answer,
    is_failed_choice,
)
from openai_connector.openai_api.answers import SHOWN_TEXT_CHARACTERS
from tests.make import sentences_in
from tests.unit.openai_api.test_words import message_of, words_of

SAID = "boom"

ERRORS: tuple[dict[str, Any], ...] = (
    {"status": 400, "errorMessages": [SAID]},
    {"code": 400, "data": SAID},
    {"error": {"code": 400, "err_msg": SAID}},
    {"statusCode": 400, "error": "Bad Request", "info": SAID},
    {"ok": False, "error_code": 400, "text": SAID},
    {"errorCode": "X", "errorDetail": SAID},
    {"error": "invalid_request", "error_details": SAID},
    {"error": "bad_request", "data": {"reason": SAID}},
    {"type": "x", "text": SAID},
    {"success": False, "code": "E1", "result": SAID},
    {"status": "fail", "data": {"title": SAID}},
    {"error": {"messages": {"model": SAID}}},
    {"error": {"message": {"en": SAID}, "code": 7}},
    {"code": "400", "payload": {"list": [{"text": SAID}], "why": SAID}},
    {"code": 400, "url": "the boom is wrong"},
)
FAILURES_OF_A_SUCCESS: tuple[dict[str, Any], ...] = (
    {"title": SAID, "status": 503},
    {"description": SAID},
    {"description": SAID, "code": "503"},
    {"status": "failed", "reason": SAID},
    {"exception": SAID},
    {"Error": SAID},
    {"ERROR": {"Message": SAID}},
    {"result": {"error": SAID}},
    {"response": {"error": {"message": SAID}}},
    {"success": False, "hint": SAID},
    {"state": "Error", "cause": SAID},
)
ANSWERED = {"message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}


@pytest.mark.parametrize("body", ERRORS, ids=str)
def test_an_error_says_its_words(body: Any) -> None:
    """A number or a code beside them does not hide them."""
    assert SAID in words_of(body)


@pytest.mark.parametrize("body", FAILURES_OF_A_SUCCESS, ids=str)
def test_a_failure_with_a_success_status_says_its_words(body: Any) -> None:
    """Names that answers have too are read where the body says that it is none."""
    assert SAID in words_of(body, 200)


def test_a_code_in_an_envelope_is_said() -> None:
    """A gateway hands on an error of another server: its number decides."""
    body = {"response": {"error": {"code": 503}}}
    assert "code 503" in words_of(body, 200)
    with pytest.raises(InvalidResponseError) as caught:
        check_answer(ApiResponse(200, {}, body), missing_in=lambda _: "choices")
    assert caught.value.reason == "503"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param({"code": 400, "path": "/v1/chat", "timestamp": "2026-11-26"}, "code 400", id="where"),
        pytest.param({"error": {"code": "X", "id": "r-1", "model": "m"}}, "X", id="which"),
        pytest.param({"code": 400, "status": "error", "retry_after": "5s"}, "code 400", id="hints"),
        pytest.param({"error": "model_not_found"}, "model_not_found", id="code"),
        pytest.param({"code": 400, "headers": {"x-id": "7"}}, "code 400", id="headers"),
    ],
)
def test_what_says_where_is_no_word(body: Any, words: str) -> None:
    """Addresses, times and ids are not put in the place of a code."""
    assert words_of(body) == f'"{words}"'


@pytest.mark.parametrize("status", [400, 500])
def test_an_answer_with_an_error_status_is_not_shown(status: int) -> None:
    """What the model said is never taken for the words of an error."""
    body = {"id": "c", "object": "chat.completion", "choices": [ANSWERED], "note": "Hello"}
    message = message_of(body, status)
    assert "Hello" not in message
    assert "chat.completion" not in message


@pytest.mark.parametrize("start", ["", "<p>", "data: ", '"'], ids=["text", "xml", "stream", "json text"])
def test_of_a_text_that_may_be_an_answer_little_is_shown(start: str) -> None:
    """An operator sees by its beginning what it is."""
    words = words_of(start + "a model may have said this; " * 40, 200)
    assert len(words) <= SHOWN_TEXT_CHARACTERS + 3


@pytest.mark.parametrize(
    "error",
    [
        {"code": 200, "message": "ok"},
        {"code": 0, "message": "Success"},
        "success",
        "OK",
        "no_error",
        {"code": "ok"},
    ],
    ids=str,
)
def test_an_error_that_says_success_is_none(error: Any) -> None:
    """Some servers send it with every answer."""
    check_answer(ApiResponse(200, {}, {"choices": [ANSWERED], "error": error}), missing_in=lambda _: None)


@pytest.mark.parametrize(
    "error", [{"code": 200, "message": "boom"}, {"code": 5, "message": "ok"}, "boom"], ids=str
)
def test_an_error_that_says_more_is_one(error: Any) -> None:
    """A number of success, or a word of it, does not hide the other."""
    with pytest.raises(InvalidResponseError) as caught:
        check_answer(ApiResponse(200, {}, {"choices": [ANSWERED], "error": error}), missing_in=lambda _: None)
    assert "API_ERROR_IN_SUCCESS" in sentences_in(str(caught.value))


@pytest.mark.parametrize(
    "change",
    [
        {"finish_reason": "error"},
        {"finish_reason": "ERROR"},
        {"error": {"message": "boom"}},
        {"errors": ["boom"]},
        {"errors": [{"code": 502}]},
        {"message": {"content": "Hel", "error": "boom"}},
        {"message": {"content": None, "error": {"message": "boom"}}},
    ],
    ids=str,
)
def test_a_choice_that_failed(change: dict[str, Any]) -> None:
    """A part of a message does not make it an answer."""
    assert is_failed_choice({**ANSWERED, **change})


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"finish_reason": None},
        {"error": None, "errors": []},
        {"error": {}, "errors": [None, {}]},
        {"message": {"content": "Hello", "error": ""}},
        {"message": {"content": "error"}},
    ],
    ids=str,
)
def test_a_choice_that_did_not_fail(change: dict[str, Any]) -> None:
    """Empty errors say nothing."""
    assert not is_failed_choice({**ANSWERED, **change})


NAMES = st.from_regex(r"[a-z]{1,6}(_[a-z]{1,6}){0,2}", fullmatch=True)


@given(NAMES, NAMES, st.sampled_from([400, "400", "some_code", None]))
def test_any_name_is_read(name: str, outer: str, code: Any) -> None:
    """Whatever the names of the words and of the object around them."""
    said = "the boom is here"
    assert said in words_of({"code": code, name: said})
    assert said in words_of({"code": code, outer: {name: said}})
