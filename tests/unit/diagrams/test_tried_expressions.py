"""Expressions are tried before they run: the error expression on answers and errors; FEEL's reasons for null."""

from __future__ import annotations

import re
from datetime import date

import pytest

from openai_connector.tasks.operations import Chat, Moderation, Operation
from openai_connector.tools.diagrams.lint import Finding, check
from openai_connector.tools.templates.variants import ERROR_EXAMPLES, RESULT_EXAMPLES
from tests.unit.diagrams.camunda_diagrams import diagram, task

TODAY = date(2026, 11, 22)
INPUTS = {
    "chat": {"openai_operation": "chat", "openai_model": "gpt-6-luna", "openai_prompt": "=q"},
    "moderation": {"openai_operation": "moderation", "openai_moderationInput": "=q"},
}


def found(
    result: str = "", error: str = "", *, operation: str = "chat", inputs: dict[str, str] | None = None
) -> list[Finding]:
    """Check a task of this connector with these expressions."""
    headers = {"resultExpression": result, "errorExpression": error}
    given = INPUTS[operation] | (inputs or {})
    return check(diagram(task(given, headers, template=None, version=None)).encode(), TODAY)


def told(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.severity, finding.rule) for finding in findings]


FAILING = {
    "no guard": "=jobError(error.message, {}, job.retries - 1)",
    "no guard, other action": "=bpmnError(error.code, error.message)",
    "no guard, with the body": '=bpmnError("X", error.message, {answer: response.body.choices})',
    "guard of another thing": '=if response.status = 200 then bpmnError("X", error.message) else null',
    "wrong type": '=if error != null then bpmnError(400, "x") else null',
    "wrong type of retries": '=if error != null then jobError("x", {}, "2") else null',
    "no action": '="REFUSED"',
    "no action on errors": "=if error != null then error.code else null",
    "no action, a list": "=[1]",
    "no action, a boolean": '=error.code = "400"',
    "unknown action": '={errorType: "retry"}',
    "a context that is none": '=if error.code = "429" then {code: "LIMIT"} else null',
    "one of several codes": '=if error.code = "500" then bpmnError(500, "x") else null',
    "answer that an error has not": '=if output.json.ok = true then null else bpmnError("BAD", output.json.why)',
    "variables": '=if error != null then bpmnError("A", "b", "c") else null',
}


@pytest.mark.parametrize("expression", FAILING.values(), ids=FAILING)
@pytest.mark.parametrize("result", ["", "={answer: output.text}"], ids=["no_result", "result"])
def test_error_expression_that_fails_is_found(expression: str, result: str) -> None:
    """An error expression that fails, or gives no action, on an answer or an error is an error."""
    assert told(found(result, expression)) == [("error", "bad-error-expression")]


def test_paid_successes_are_named() -> None:
    """Where a guard is missing the message says that the expression runs after each success."""
    (finding,) = found(error="=jobError(error.message, {}, job.retries - 1)")
    assert "evaluated after each success" in finding.message
    assert "if error = null then null else" in finding.message


UNEXPECTED = {
    "type of a code": '=if error.type = "AnswerError" then bpmnError(1, "x") else null',
    "type of one code": '=if error.code = "ANSWER_REFUSED" then bpmnError("X", 1) else null',
    "no action": '=if error.code = "ANSWER_NOT_JSON" then error.code else null',
    "output": '=if error.code = "ANSWER_EMPTY" then bpmnError("X", output.calls) else null',
}


@pytest.mark.parametrize("expression", UNEXPECTED.values(), ids=UNEXPECTED)
def test_error_expression_is_tried_on_answers_that_are_not_as_asked(expression: str) -> None:
    """A branch for such an answer alone is tried, too; a moderation has none."""
    assert told(found("={answer: output.text}", expression)) == [("error", "bad-error-expression")]


@pytest.mark.parametrize(
    "expression",
    [
        '=if error.type = "AnswerError" then bpmnError(error.code, output.text) else null',
        '=if error.code = "ANSWER_OFF_SCHEMA" then bpmnError("X", output.json.why) else null',
        '=if error.code = "ANSWER_EMPTY" then jobError("again", {}, job.retries - 1) else null',
    ],
)
def test_error_expression_for_such_an_answer_may_be_right(expression: str) -> None:
    """What a real answer may have is not complained of."""
    assert told(found(error=expression)) == []


def test_reason_for_a_null_in_the_error_expression_is_said_once() -> None:
    """A function with too many arguments gives null on each sample: one warning says so."""
    (finding,) = found(error='=if error != null then bpmnError("X", "a", {}, 2) else null')
    assert (finding.rule, finding.severity) == ("gives-null", "warning")
    assert "bpmnError" in finding.message


ACTING = {
    "BPMN error": '=bpmnError("X")',
    "BPMN error with words": '=bpmnError("X", "it failed")',
    "job error": '=jobError("x", {}, 0)',
    "completion": "=ignoreError({answer: null})",
    "with the answer": '=bpmnError("X", "it failed", {answer: body.choices})',
    "status": '=if response.status = 200 then bpmnError("X", "y") else null',
    "no error": '=if error = null then bpmnError("X", "y") else null',
    "text that there is": '=if output.text != null then bpmnError("X", "y") else null',
}


@pytest.mark.parametrize("expression", ACTING.values(), ids=ACTING)
def test_error_expression_that_acts_on_each_success_is_found(expression: str) -> None:
    """It may be meant, so that it is a warning."""
    assert told(found("={answer: output.text}", expression)) == [("warning", "acts-on-success")]


RIGHT = {
    "guarded": "=if error = null then null else jobError(error.message, {}, job.retries - 1)",
    "guarded the other way": "=if error != null then bpmnError(error.code, error.message) else null",
    "defined": "=if is defined(error) and error != null then bpmnError(error.code, error.message) else null",
    "code": '=if error.code = "400" then bpmnError("REFUSED", error.message) else null',
    "codes": '=if list contains(["400", "429"], error.code) then bpmnError("A", error.message) else null',
    "answer": '=if response.output.finishReason = "length" then bpmnError("TOO_LONG", "cut") else null',
    "answer is not": '=if output.finishReason != "stop" then bpmnError("TOO_LONG", "cut") else null',
    "text is not": '=if output.text != "yes" then bpmnError("NO", "no") else null',
    "empty text": '=if output.text = "" then bpmnError("EMPTY", "no") else null',
    "body": '=if body.choices[1].message.refusal != null then bpmnError("R", "refused") else null',
    "body that no sample has": '=if body.custom = null then bpmnError("R", "refused") else null',
    "usage": '=if output.usage.total_tokens > 1000 then bpmnError("DEAR", "too many") else null',
    "json": '=if error != null or output.json.ok = true then null else bpmnError("BAD", output.json.why)',
    "words of the API": '=if error.code = "400" then bpmnError("A", error.variables.response.body.x.y) else null',
    "result": '=if answer = "no" then bpmnError("NO", "no") else null',
    "null": "=null",
    "nothing": "={}",
}


@pytest.mark.parametrize("expression", RIGHT.values(), ids=RIGHT)
def test_error_expression_that_may_be_right_is_no_finding(expression: str) -> None:
    """Conditions on errors or answers pass, and what no sample can tell."""
    assert told(found("={answer: output.text}", expression)) == []


@pytest.mark.parametrize(
    ("expression", "rules"),
    [
        ('=if output.flagged = true then bpmnError("F", "harmful") else null', []),
        ('=if response.output.flagged then bpmnError("F", "harmful") else null', []),
        ('=if output.flagged in (true, false) then bpmnError("F", "x") else null', ["acts-on-success"]),
        ("=bpmnError(error.code)", ["bad-error-expression"]),
    ],
)
def test_error_expression_of_a_moderation(expression: str, rules: list[str]) -> None:
    """It is tried on a moderation's own answers."""
    assert [finding.rule for finding in found(error=expression, operation="moderation")] == rules


NULLS = {
    "text and number": ('={n: "a" + 1}', "line 1, column 8"),
    "text of the answer and number": ("={n: output.text + 1}", "column"),
    "no such number of arguments": ('={n: substring("a")}', "substring"),
    "deep": ('={a: {b: [1, "x" - 2]}}', "column"),
    "no such number beside an unknown entry": ("={a: body.x.y, b: substring(body.z)}", "substring"),
}


@pytest.mark.parametrize(("expression", "words"), NULLS.values(), ids=NULLS)
def test_reason_for_a_null_is_said(expression: str, words: str) -> None:
    """A part of a result expression that is null whatever the answer is has FEEL's own reason in a warning."""
    findings = found(expression)
    assert set(told(findings)) == {("warning", "gives-null")}
    assert all(finding.message.startswith("Result expression gives null: ") for finding in findings)
    assert any(words in finding.message for finding in findings)


@pytest.mark.parametrize(
    "expression",
    [
        "={a: body.choices[1].message.refusal}",
        "={a: output.json.price + 1}",
        "={a: output.usage.total_tokens * 2}",
        "={a: number(output.text)}",
        "={a: headers.Date, b: body.created + 1}",
    ],
)
def test_null_that_depends_on_the_answer_is_no_finding(expression: str) -> None:
    """What a real answer may have is not complained of."""
    assert found(expression) == []


@pytest.mark.parametrize(
    "source", ['="Order " + 7', '=string length(5) + "a"', "=[1, 2].x.y + 1", "=upper(1)"]
)
def test_input_that_is_always_null_says_why(source: str) -> None:
    """A prompt whose expression is null whatever the process holds has two findings: that, and FEEL's reason."""
    findings = found(inputs={"openai_prompt": source})
    assert ("error", "bad-input") in told(findings)
    assert any("its expression gave null" in finding.message for finding in findings)
    assert any(finding.message.startswith("Prompt gives null: ") for finding in findings)


def test_null_that_is_written_is_no_warning() -> None:
    """An optional input may be null on purpose."""
    assert found(inputs={"openai_temperature": "=null"}) == []


@pytest.mark.parametrize("before", ["", "=", "==", "= =", " = = ", "=\n=", "= =\t= "])
def test_signs_before_an_expression(before: str) -> None:
    """Modeler shows an equals sign of its own: more of them, with blanks between, do no harm."""
    assert found(f"{before}{{a: output.text}}") == []
    (finding,) = found(f"{before}output.text")
    assert finding.rule == "no-context"


@pytest.mark.parametrize("operation", [Chat, Moderation], ids=lambda operation: operation.name)
def test_examples_of_the_panel_are_no_finding(operation: type[Operation]) -> None:
    """What the panel shows as examples passes."""
    for example in RESULT_EXAMPLES[operation]:
        assert found("=" + code_of(example), operation=operation.name) == []
    for example in ERROR_EXAMPLES[operation]:
        assert found(error="=" + code_of(example), operation=operation.name) == []


def code_of(example: str) -> str:
    code = re.search("<code>(.*)</code>", example)
    assert code is not None
    return code[1]
