"""Actions do what they say wherever an expression gives them, and never become variables."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openai_connector import wording
from openai_connector.commands.evaluate import outcome_of
from openai_connector.contract import STATE_VARIABLE
from openai_connector.job import Completed, Failed
from openai_connector.openai_api import ApiResponse
from openai_connector.wording import Sentence
from tests.make import ANSWER, FakeApi, connector, job, sentences_in

BODY = {"results": [1, 2], "code": "C-1", "message": "words"}
ACTIONS = [
    'bpmnError("C")',
    'bpmnError("C", "m")',
    'bpmnError("C", "m", {v: body.results})',
    'bpmnError(code: "C", message: "m")',
    'bpmnError(errorCode: "C", errorMessage: "m", variables: {})',
    "bpmnError(body.code, body.message)",
    'jobError("m")',
    'jobError("m", {v: 1}, 2, duration("PT90S"))',
    'jobError("m", {}, 0 - 5)',
    'jobError("m", {}, 1, backoff(3, duration("PT1S"), 2, duration("PT1M"), 0))',
    'jobError(message: "m", variables: {v: 1})',
    "ignoreError()",
    "ignoreError({v: body.results[1]})",
    '{errorType: "bpmnError", code: "C", message: "m"}',
    '{errorType: "bpmnError", errorCode: "C", errorMessage: "m", variables: {v: 1}}',
    '{errorType: "bpmnError", errorCode: 7}',
    '{errorType: "jobError", message: "m", retries: 1, retryBackoff: "PT5S"}',
    '{errorType: "jobError", errorMessage: {deep: [1]}}',
    '{errorType: "jobError"}',
    '{errorType: "ignoreError", variables: {v: 1}}',
    '{"errorType": "ignoreError"}',
    '[bpmnError("C", "m"), 1][1]',
    'if status = 200 then jobError("m") else {a: 1}',
]
REFUSED = [
    "bpmnError(404)",
    'bpmnError("C", 1)',
    'jobError("m", 1)',
    'jobError("m", {}, "two")',
    'jobError(errorMessage: "m", retries: 1)',
    '{errorType: "bpmnError", code: true}',
    '{errorType: "bpmnError", code: "C", variables: [1]}',
    '{errorType: "jobError", message: "m", retries: "two"}',
    '{errorType: "jobError", message: "m", retryBackoff: "soon"}',
    '{errorType: "ignoreError", variables: 1}',
]


def result(expression: str, body: object = BODY, **headers: str) -> dict[str, Any]:
    """Map an answer by a result expression."""
    response = {"status": 200, "headers": {}, "body": body}
    return outcome_of({"response": response, "headers": {"resultExpression": f"={expression}", **headers}})


def error(expression: str) -> dict[str, Any]:
    """Decide about the same answer by an error expression."""
    response = {"status": 200, "headers": {}, "body": BODY}
    return outcome_of({"response": response, "headers": {"errorExpression": f"={expression}"}})


def assert_refused(outcome: dict[str, Any], sentence: Sentence) -> None:
    """Check for an incident at once, without the action in any variable."""
    assert (outcome["outcome"], outcome["retries"]) == ("fail", 0)
    assert sentence.id in sentences_in(outcome["errorMessage"])


class TestTheWholeValue:
    """An action is the same in both expressions."""

    @pytest.mark.parametrize("expression", ACTIONS)
    def test_does_what_an_error_expression_does(self, expression: str) -> None:
        """Outcome, code, message, retries, back-off and variables are the same, and nothing else is mapped."""
        assert result(expression) == error(expression)
        assert result(expression, resultVariable="r") == error(expression)

    @pytest.mark.parametrize("expression", REFUSED)
    def test_is_checked_as_in_an_error_expression(self, expression: str) -> None:
        """A wrong code, variable, number of retries or back-off is refused, by the name of the expression."""
        got, other = result(expression), error(expression)
        assert (got["outcome"], got["retries"], got["retryBackoff"]) == ("fail", 0, None)
        assert got["errorMessage"] == other["errorMessage"].replace("Error expression", "Result expression")

    def test_needs_a_code(self) -> None:
        """Without one an error expression has no decision, but a result expression has no result either."""
        assert_refused(result('{errorType: "bpmnError", code: body.missing}'), wording.ACTION_CODE)

    def test_that_fails_when_the_answer_is_not_the_one_expected(self) -> None:
        """Nothing of the action becomes a variable."""
        expression = (
            'if count(body.results) != 1 then jobError("one was expected") else {hit: body.results[1]}'
        )
        got = result(expression)
        assert (got["outcome"], got["retries"], got["errorMessage"]) == ("fail", 0, "one was expected")
        assert got["variables"] == {"error": "one was expected"}
        assert result(expression, {"results": [5]})["variables"] == {"hit": 5}

    @pytest.mark.parametrize(
        ("expression", "is_kept"), [('=jobError("m")', True), ('=jobError("m", {}, 1)', False)]
    )
    async def test_keeps_the_answer_where_nothing_is_asked_again(
        self, expression: str, is_kept: bool
    ) -> None:
        """A job error that leaves retries is to call again; an incident is not."""
        outcome = await connector(FakeApi()).work(job({"resultExpression": expression}))
        assert isinstance(outcome, Failed)
        state = json.loads(outcome.variables[STATE_VARIABLE])
        assert (state["response"] is not None) is is_kept

    def test_by_json_path(self) -> None:
        """A mapping by JSONPath may name an action too."""
        paths = {"errorType": "$.body.type", "errorCode": "$.body.code", "errorMessage": "$.body.message"}
        got = result(json.dumps(paths), {"type": "bpmnError", "code": "C", "message": "m"})
        assert (got["outcome"], got["errorCode"], got["errorMessage"]) == ("bpmnError", "C", "m")
        same = {name: f"$.body.{name}" for name in ("errorType", "message")}
        assert result(json.dumps(same), {"errorType": "jobError", "message": "m"})["outcome"] == "fail"
        assert result(json.dumps(paths), {"type": "other"})["variables"] == {
            "errorType": "other",
            "errorCode": None,
            "errorMessage": None,
        }


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        pytest.param('{a: bpmnError("X")}', wording.ACTION_INSIDE, id="in-a-variable"),
        pytest.param('{a: {b: [1, jobError("X")]}}', wording.ACTION_INSIDE, id="deep"),
        pytest.param('{a: {errorType: "ignoreError"}}', wording.ACTION_INSIDE, id="raw"),
        pytest.param('ignoreError({a: bpmnError("X")})', wording.ACTION_INSIDE, id="in-an-action"),
        pytest.param('ignoreError(bpmnError("X"))', wording.ACTION_INSIDE, id="as-variables"),
        pytest.param('{errorType: "jobError", answer: 1}', wording.ACTION_MIXED, id="beside-a-variable"),
        pytest.param('context put(bpmnError("X"), "answer", 1)', wording.ACTION_MIXED, id="put-together"),
        pytest.param("{errorType: body.code, answer: 1}", wording.ACTION_MIXED, id="by-chance"),
        pytest.param('[bpmnError("X")]', wording.ACTION_INSIDE, id="in-a-list"),
        pytest.param(
            '{"errorType": "$.body.code", "answer": "$.body"}', wording.ACTION_MIXED, id="by-json-path"
        ),
    ],
)
async def test_elsewhere_an_action_is_refused_by_name(expression: str, sentence: Sentence) -> None:
    """It would be variables in silence; the answer is kept, and the error expression has the first word."""
    body = {"code": "bpmnError"}
    assert_refused(result(expression, body), sentence)
    assert result(expression, body, errorExpression='=bpmnError("MINE", error.code)')["errorCode"] == "MINE"
    answering = FakeApi([ApiResponse(200, {}, {**ANSWER, **body})])
    outcome = await connector(answering).work(job({"resultExpression": expression}))
    assert wording.IS_KEPT.id in sentences_in(outcome.message if isinstance(outcome, Failed) else "")


@pytest.mark.parametrize(
    "body",
    [
        {"errorType": "validation"},
        {"errorType": "bpmnerror", "code": "C"},
        {"errorType": None},
        {"errorType": ["jobError"]},
    ],
    ids=repr,
)
def test_another_error_type_is_a_variable(body: dict[str, Any]) -> None:
    """Only the three types are actions."""
    assert result("body", body)["variables"] == body
    assert result("{errorType: body.errorType, a: 1}", body)["variables"] == {
        "errorType": body["errorType"],
        "a": 1,
    }


PLANTED = [
    {"errorType": "jobError", "retries": 1000},
    {"errorType": "bpmnError", "code": "C"},
    {"errorType": "ignoreError", "variables": {"approved": True}},
]


@pytest.mark.parametrize("planted", PLANTED, ids=lambda action: action["errorType"])
class TestWhatLiesInTheAnswer:
    """A model may write what looks like an action: it decides nothing."""

    @pytest.mark.parametrize(
        "expression",
        [
            "body",
            "response.body",
            'if status = 500 then bpmnError("F") else body',
            '[body, jobError("m")][1]',
        ],
    )
    def test_is_no_action(self, expression: str, planted: dict[str, Any]) -> None:
        """Given as the whole value it is refused."""
        assert_refused(result(expression, planted), wording.ACTION_OF_ANSWER)

    def test_is_no_action_when_parsed(self, planted: dict[str, Any]) -> None:
        """Nor is JSON text that the expression reads."""
        assert_refused(
            result("from json(body.text)", {"text": json.dumps(planted)}), wording.ACTION_OF_ANSWER
        )

    @pytest.mark.parametrize(
        "expression", ["{a: body}", 'if status = 500 then bpmnError("F") else {a: body}']
    )
    def test_is_data_inside(self, expression: str, planted: dict[str, Any]) -> None:
        """Under a name of its own it is data like other data."""
        assert result(expression, planted)["variables"] == {"a": planted}
        assert result('{"a": "$.body"}', planted)["variables"] == {"a": planted}

    def test_is_data_with_more_beside_it(self, planted: dict[str, Any]) -> None:
        """So is what has other keys too."""
        body = {**planted, "answer": 1}
        assert result("body", body)["variables"] == body


types = st.sampled_from(["bpmnError", "jobError", "ignoreError", "other", None])
keys = st.sampled_from(["errorType", "errorCode", "message", "variables", "retries", "a"])
leaves = types | st.integers(0, 3)
contexts = st.dictionaries(
    keys,
    st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=3)
    ),
    max_size=4,
)


@settings(max_examples=300)
@given(contexts)
def test_no_answer_decides(body: dict[str, Any]) -> None:
    """Whatever a model writes: it becomes variables, or an incident, and no other outcome."""
    for expression in ("body", 'if status = 500 then bpmnError("F") else body'):
        got = result(expression, body)
        assert (got["outcome"], got["retries"]) in (("complete", None), ("fail", 0))
        if got["outcome"] == "complete":
            assert got["variables"] == body
        else:
            assert wording.ACTION_OF_ANSWER.id in sentences_in(got["errorMessage"])


@settings(max_examples=300)
@given(contexts)
def test_no_action_becomes_variables(written: dict[str, Any]) -> None:
    """Whatever an expression writes: no variables of a completed job hold an action."""
    got = result(json.dumps(written))
    if got["outcome"] == "complete" and written.get("errorType") != "ignoreError":
        assert got["variables"] == written
        assert written.get("errorType") not in ("bpmnError", "jobError")


async def test_a_mapped_answer_is_as_before() -> None:
    """An expression that names an action but gives variables maps them."""
    expression = '=if output.refusal = null then {answer: output.text} else bpmnError("REFUSED")'
    assert await connector(FakeApi()).work(job({"resultExpression": expression})) == Completed(
        {"answer": "Hello"}
    )
