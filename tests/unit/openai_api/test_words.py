"""The API's own words are found in a body of any shape, and stand in the message on one line."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openai_connector.openai_api import ApiResponse, ApiStatusError, InvalidResponseError, check_answer
from openai_connector.openai_api.answers import SHOWN_CHARACTERS
from tests.unit.openai_api.bodies import MARK, error_bodies


def message_of(body: Any, status: int = 400) -> str:
    """Return the message of a failure."""
    with pytest.raises((ApiStatusError, InvalidResponseError)) as caught:
        check_answer(ApiResponse(status, {}, body), missing_in=lambda _: "choices")
    return str(caught.value)


def words_of(body: Any, status: int = 400) -> str:
    """Return what stands after the status in the message of a failure."""
    return message_of(body, status).partition(": ")[2]


SHAPES: dict[str, tuple[int, Any, str]] = {
    "list_of_google": (
        400,
        [{"error": {"code": 400, "message": "unknown name foo", "status": "INVALID_ARGUMENT"}}],
        '"unknown name foo"',
    ),
    "fields_of_pydantic": (
        422,
        {"detail": [{"type": "missing", "loc": ["body", "messages"], "msg": "Field required"}]},
        '"body.messages: Field required"',
    ),
    "two_fields_of_pydantic": (
        422,
        {"detail": [{"loc": ["body", "n"], "msg": "Too small"}, {"loc": ["body", 0], "msg": "No text"}]},
        '"body.n: Too small; body.0: No text"',
    ),
    "fields_inside_a_message": (
        422,
        {
            "object": "error",
            "message": {
                "detail": [
                    {
                        "type": "extra_forbidden",
                        "loc": ["body", "max_completion_tokens"],
                        "msg": "Extra inputs are not permitted",
                    }
                ]
            },
            "type": "invalid_request_error",
            "param": None,
            "code": None,
        },
        '"body.max_completion_tokens: Extra inputs are not permitted"',
    ),
    "plain_text": (503, "no healthy upstream", '"no healthy upstream"'),
    "error_in_error": (400, {"error": {"error": {"message": "inner"}}}, '"inner"'),
    "error_in_error_in_error": (400, {"error": {"error": {"error": "inner words"}}}, '"inner words"'),
    "msg": (400, {"code": 1261, "msg": "prompt too long"}, '"prompt too long"'),
    "detail_with_message": (404, {"detail": {"message": "model not found"}}, '"model not found"'),
    "detail_with_error": (400, {"detail": {"error": "no such tool"}}, '"no such tool"'),
    "message_in_success": (200, {"message": "Unauthorized"}, '"Unauthorized"'),
    "msg_in_success": (200, {"code": 1002, "msg": "too many", "success": False}, '"too many"'),
    "status_message_in_success": (
        200,
        {"base_resp": {"status_code": 1004, "status_msg": "login fail"}},
        '"login fail"',
    ),
    "spring": (
        400,
        {
            "timestamp": "t",
            "status": 400,
            "error": "Bad Request",
            "message": "parse error at line 3",
            "path": "/v1",
        },
        '"parse error at line 3"',
    ),
    "phrase_alone": (400, {"error": "Bad Request", "path": "/v1"}, ""),
    "only_a_code": (
        403,
        {"error": {"code": "unsupported_country_region_territory", "type": "request_forbidden"}},
        '"unsupported_country_region_territory; request_forbidden"',
    ),
    "only_a_number": (400, {"error": {"code": 1261}}, '"code 1261"'),
    "only_a_name": (404, {"error": "model_not_found"}, '"model_not_found"'),
    "ollama": (404, {"error": "model 'x' not found"}, "\"model 'x' not found\""),
    "anthropic": (
        529,
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
        '"Overloaded"',
    ),
    "aws": (400, {"__type": "com.amazon#ThrottlingException", "Message": "Too fast"}, '"Too fast"'),
    "cohere": (400, {"message": "invalid request: no model"}, '"invalid request: no model"'),
    "hugging_face": (424, {"error": "out of memory", "error_type": "generation"}, '"out of memory"'),
    "hugging_face_list": (400, {"error": ["one thing", "another"]}, '"one thing; another"'),
    "problem": (
        400,
        {"type": "about:blank", "title": "Wrong", "status": 400, "detail": "n is 0", "instance": "/1"},
        '"n is 0; Wrong"',
    ),
    "oauth": (
        400,
        {"error": "invalid_grant", "error_description": "The token expired"},
        '"The token expired"',
    ),
    "aspnet": (
        400,
        {"title": "One or more errors", "errors": {"Prompt": ["is required"]}, "status": 400},
        '"Prompt: is required; One or more errors"',
    ),
    "cloudflare": (
        400,
        {"result": None, "success": False, "errors": [{"code": 7003, "message": "no route"}]},
        '"no route"',
    ),
    "apigee": (
        429,
        {"fault": {"faultstring": "quota violation", "detail": {"errorcode": "policies.ratelimit.X"}}},
        '"quota violation"',
    ),
    "field_violations_of_google": (
        400,
        {
            "error": {
                "message": "invalid",
                "details": [{"fieldViolations": [{"field": "n", "description": "below 1"}]}],
            }
        },
        '"invalid; n: below 1"',
    ),
    "gateway_with_raw": (
        400,
        {
            "error": {
                "message": "Provider returned error",
                "metadata": {"raw": '{"error":{"message":"too long"}}'},
            }
        },
        '"Provider returned error; too long"',
    ),
    "json_in_message": (400, {"error": {"message": '{"error": {"message": "inner"}}'}}, '"inner"'),
    "json_text": (400, '"no access"', '"no access"'),
    "zod": (
        400,
        {"error": {"issues": [{"path": ["n"], "message": "Expected number"}], "name": "ZodError"}},
        '"n: Expected number"',
    ),
    "litellm": (
        400,
        {"error": {"message": "m: no", "type": "None", "param": "None", "code": "400"}},
        '"m: no"',
    ),
    "unknown_names_inside": (400, {"error": {"prompt": "is blank"}}, '"prompt: is blank"'),
    "unknown_names": (400, {"prompt": ["must not be blank"]}, '"prompt: must not be blank"'),
    "html_title": (
        502,
        "<html><head><title>502: Bad &amp; ugly</title></head><body>x</body></html>",
        '"502: Bad & ugly"',
    ),
    "html_heading": (502, "<!DOCTYPE html><h1 class='a'>Down</h1>", '"Down"'),
    "html_without": (
        502,
        "<html><style>a{}</style><body><p>Site\nis down</p></body></html>",
        '"Site is down"',
    ),
    "xml": (
        403,
        "<?xml version='1.0'?><Error><Code>A</Code><Message>Access Denied</Message></Error>",
        '"Access Denied"',
    ),
    "event_stream": (400, 'event: error\ndata: {"error": {"message": "cut"}}\n\n', '"cut"'),
    "comments_first": (400, ': waiting\n: waiting\ndata: {"error": {"message": "cut"}}\n\n', '"cut"'),
    "cut_off_json": (400, '{"error": {"message": "cut', '"{"error": {"message": "cut"'),
    "control_characters": (400, {"message": "a\x00b\x1b[31mc\u202ed\n\te"}, '"a b [31mc d e"'),
    "nothing": (400, {}, ""),
    "blank": (400, {"error": {"message": " \n", "code": None, "type": ""}}, ""),
    "none": (400, {"message": "None", "detail": "null"}, ""),
    "a_number": (400, [1], ""),
}


@pytest.mark.parametrize(("status", "body", "words"), SHAPES.values(), ids=SHAPES)
def test_the_words_are_found(status: int, body: Any, words: str) -> None:
    """Whoever answers, and in whatever shape: the message has what was said."""
    assert words_of(body, status) == words


ODD: tuple[object, ...] = ("None", "null", "", " ", None, 5, {})


@pytest.mark.parametrize(
    ("parameter", "end"),
    [
        pytest.param("temperature", " (parameter temperature)", id="named"),
        *(pytest.param(odd, "", id=repr(odd)) for odd in ODD),
        pytest.param("said", "", id="in_the_words"),
    ],
)
def test_a_parameter_is_named_where_there_is_one(parameter: object, end: str) -> None:
    """A parameter of "None" is none."""
    assert words_of({"error": {"message": "said", "param": parameter}}) == f'"said"{end}'


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"object": "list", "data": [{"text": MARK}]}, id="list"),
        pytest.param({"message": {"role": "assistant", "content": MARK}, "done": True}, id="ollama"),
        pytest.param({"id": "r", "status": "completed", "output": [{"text": MARK}]}, id="responses"),
        pytest.param({"title": MARK, "description": MARK, "metadata": {"raw": MARK}}, id="bare_answer"),
        pytest.param({"status": MARK, "type": MARK, "reason": MARK}, id="codes"),
        pytest.param({"choices": [{"text": MARK}]}, id="choices_without_messages"),
        pytest.param('{"choices": [{"message": {"content": "' + MARK, id="cut_off"),
        pytest.param('data: {"choices": [{"delta": {"content": "' + MARK + '"}}]}\n\n', id="stream"),
    ],
)
def test_what_may_be_an_answer_is_not_shown(body: Any) -> None:
    """A success that is not understood may hold what the model said: no incident repeats it."""
    assert MARK not in message_of(body, 200)


@settings(max_examples=600, derandomize=True, deadline=None)
@given(error_bodies(), st.sampled_from([400, 422, 429, 500, 503]))
def test_the_words_are_found_in_any_shape(case: tuple[Any, str], status: int) -> None:
    """Bodies of a grammar of shapes and of wrappings around them: the words are found in all."""
    body, _ = case
    assert MARK in words_of(body, status)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.just('{"error":'),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ("error", "message", "detail", "code", "type", "param", "loc", "retry_after", "x")
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_no_body_is_too_odd(body: Any) -> None:
    """Whatever stands where, the message is one line of bounded length."""
    words = words_of(body)
    assert words.isprintable()
    assert len(words) <= SHOWN_CHARACTERS + 200


class Endless(dict[str, Any]):
    """An object with entries without end: only a bounded search of it ends."""

    def items(self) -> Any:
        """Yield names and more of the same."""
        return ((f"message{number}", Endless()) for number in itertools.count())


def nested(levels: int) -> Any:
    """Make an error in an error in an error."""
    body: Any = {"message": MARK}
    for _ in range(levels):
        body = {"error": body}
    return body


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(Endless(), id="names"),
        pytest.param({"errors": Endless()}, id="names_inside"),
        pytest.param([Endless()] * 100_000, id="items"),
        pytest.param({"detail": [{"detail": [{"detail": [Endless()] * 50}] * 50}] * 50}, id="products"),
        pytest.param("<style>" * 1_000_000, id="open_styles"),
        pytest.param("<title " * 1_000_000, id="open_tags"),
        pytest.param({"message": "[" * 90_000}, id="open_lists"),
        pytest.param("please retry in " * 1_000_000, id="hints"),
    ],
)
def test_the_search_is_bounded(body: Any) -> None:
    """A body without end, or of megabytes, is searched as far as its first parts."""
    assert len(message_of(body, 503)) < 2 * SHOWN_CHARACTERS


def test_words_are_searched_down_to_a_depth() -> None:
    """A few wrappings are looked through, hundreds are not."""
    assert MARK in words_of(nested(8))
    assert MARK not in words_of(nested(400))


def test_a_heap_of_errors_is_said_by_its_first() -> None:
    """Of thousands of violations the first ones stand in the message."""
    body = {"detail": [{"loc": ["body", number], "msg": "wrong"} for number in range(100_000)]}
    assert words_of(body, 422).startswith('"body.0: wrong; body.1: wrong')
