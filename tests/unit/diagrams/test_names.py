"""Names in expressions: those that FEEL's own scopes supply, those that nothing does, and keys of what is known."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_connector.tasks.operations import OPERATIONS
from openai_connector.tools.diagrams.lint import Finding, check
from openai_connector.tools.diagrams.reads import json_paths_of
from tests.unit.diagrams.camunda_diagrams import chat_inputs, diagram, task

TODAY = date(2026, 11, 22)
INPUTS = {
    "chat": {"openai_operation": "chat", "openai_model": "gpt-6-luna", "openai_prompt": "=q"},
    "moderation": {"openai_operation": "moderation", "openai_moderationInput": "=q"},
}


def found(result: str = "", error: str = "", operation: str = "chat") -> list[Finding]:
    """Check a task of this connector with these expressions."""
    headers = {"resultExpression": result, "errorExpression": error}
    return check(diagram(task(INPUTS[operation], headers, template=None, version=None)).encode(), TODAY)


def of_rule(rule: str, findings: list[Finding]) -> list[str]:
    return [finding.message for finding in findings if finding.rule == rule]


SCOPES = {
    "filter by an entry": '={done: body.choices[finish_reason = "stop"].message.content}',
    "filter by two entries": '={a: output.json.items[price > 10 and currency = "EUR"]}',
    "filter by index": "={a: body.choices[index > 0]}",
    "filter by a path": '={a: body.choices[message.role = "assistant"]}',
    "filter with item": "={a: output.responses[string length(item) > 3]}",
    "filter in a filter": "={a: output.json.orders[count(lines[amount > 5]) > 0]}",
    "filter of a literal": "={a: [{x: 1}, {x: 2}][x > 1]}",
    "filter in an iteration": "={a: for c in body.choices return c.parts[kind = 1]}",
    "filter of a filter": "={a: output.json.a[b = 1][c = 2]}",
    "for": "={a: for c in body.choices return c.message.content}",
    "two iterators": "={a: for x in [1, 2], y in [3, 4] return x * y}",
    "partial": "={a: for i in 1..5 return if i = 1 then 1 else partial[-1] + i}",
    "some": '={a: some c in body.choices satisfies c.finish_reason = "length"}',
    "every": "={a: every c in body.choices satisfies c.index >= 0}",
    "function": "={double: function(x) x * 2, a: double(4)}",
    "function as an argument": "={a: sort(output.responses, function(x, y) x < y)}",
    "earlier entries": "={a: output.text, b: a, c: {d: b, e: d}}",
    "entries of an outer context": "={a: 1, b: {c: a + 1, d: {e: a + c}}}",
    "context before a path": "={a: {x: output.text, y: x}.y}",
    "test of a value": '={a: output.finishReason in ("stop", "length")}',
}


@pytest.mark.parametrize("expression", SCOPES.values(), ids=SCOPES)
def test_names_of_feels_own_scopes_are_no_finding(expression: str) -> None:
    """Lint is silent about a name that a filter, a loop, a function or an entry before it may supply."""
    assert of_rule("unseen-variable", found(expression)) == []


UNSEEN = {
    "plain": ("={a: order}", "order"),
    "source of an iteration": ("={a: for c in orders return c.id}", "orders"),
    "after its loop": ("={a: for c in body.choices return 1, b: c}", "c"),
    "filtered": ("={a: orders[price > 10]}", "orders"),
    "later entry": ("={a: b, b: 1}", "b"),
    "of an inner context": ("={a: {x: 1}, b: x}", "x"),
    "parameter outside": ("={f: function(x) x, a: x}", "x"),
    "partial outside": ("={a: partial}", "partial"),
    "item outside": ("={a: item}", "item"),
    "of the error expression": ("={a: error.message}", "error"),
}


@pytest.mark.parametrize(("expression", "name"), UNSEEN.values(), ids=UNSEEN)
def test_name_that_nothing_supplies_is_found(expression: str, name: str) -> None:
    """A name outside of the scope that would supply it is a variable that is not seen."""
    (message,) = of_rule("unseen-variable", found(expression))
    assert f"reads '{name}'" in message


@given(
    st.from_regex("[a-z]{4,8}", fullmatch=True).filter(
        lambda name: name not in ("some", "then", "null", "true")
    ),
    st.sampled_from(
        ["body.choices[{} = 1]", "for {0} in [1] return {0}", "function({0}) {0}", "{{{0}: 1, b: {0}}}"]
    ),
)
def test_any_name_may_be_bound(name: str, form: str) -> None:
    """Whatever a bound name is, it is no finding."""
    if name.startswith(("for", "if", "in", "or", "and", "not", "every", "else", "false", "return")):
        return
    assert of_rule("unseen-variable", found(f"={{a: {form.format(name)}}}")) == []


UNKNOWN = {
    "output": ("={a: output.txt}", "output.txt", "is text meant?"),
    "output of the response": ("={a: response.output.finish_reason}", "response.output.finish_reason", ""),
    "deep": ("={a: {b: [response.output.texts]}}", "response.output.texts", "is text meant?"),
    "in a condition": ('={a: if output.reason = "stop" then 1 else 2}', "output.reason", ""),
    "JSONPath": ('{"a": "$.output.txt"}', "response.output.txt", "is text meant?"),
    "JSONPath of the response": ('{"a": "$.response.output.txt"}', "response.output.txt", "is text meant?"),
    "JSONPath in brackets": ("{\"a\": \"$['output']['txt'][0]\"}", "response.output.txt", ""),
    "JSONPath of the response itself": ('{"a": "$.outputs.text", "b": "$.body"}', "response.outputs", ""),
    "JSONPath below a text": ('{"a": "$.output.text.value"}', "response.output.text.value", "is a text"),
    "below a text": ("={a: output.text.foo}", "output.text.foo", "output.text is a text"),
    "far below a text": ("={a: response.output.text.foo.bar}", "response.output.text.foo", "is a text"),
    "below a number": ("={a: response.status.x}", "response.status.x", "response.status is a number"),
    "below a status": ("={a: status.code}", "status.code", "status is a number"),
    "below a condition": ("={a: output.condition.name}", "output.condition.name", "is a text"),
    "of a cost": ("={a: output.cost.amout}", "output.cost.amout", "is amount meant?"),
    "below an amount": (
        "={a: response.output.cost.amount.eur}",
        "response.output.cost.amount.eur",
        "is a number",
    ),
    "in brackets": ("={a: (response.output).txt}", "response.output.txt", ""),
    "response": ("={a: response.reason}", "response.reason", ""),
    "response by another name": ("={a: response.text}", "response.text", ""),
    "of moderation": ("={a: output.flagged}", "output.flagged", ""),
}


@pytest.mark.parametrize(("expression", "path", "hint"), UNKNOWN.values(), ids=UNKNOWN)
def test_key_that_there_is_not_is_found(expression: str, path: str, hint: str) -> None:
    """A key that a chat's answer has not is a warning that names the keys."""
    findings = found(expression)
    (message,) = of_rule("unknown-key", findings)
    assert f"reads {path}, which there is not" in message
    assert hint in message
    assert {finding.severity for finding in findings} == {"warning"}


ASKED = {
    "is defined": "={a: is defined(output.txt)}",
    "is defined, then read": "={a: if is defined(output.txt) then output.txt else null}",
    "is defined of the response": "={a: is defined(response.reason)}",
    "not": "={a: not(is defined(output.text.foo))}",
    "get value": '={a: get value(output, "txt")}',
    "get value of the response": '={a: get value(response.output, "txt")}',
    "get value of keys": '={a: get value(response, ["output", "txt"])}',
    "JSONPath that may be": '{"a": "$.body.txt.x", "b": "$.output.json.x", "c": "$.headers.X", "d": "$..txt"}',
    "JSONPath of a list": '{"a": "$.output.responses[0]", "b": "$.output.*", "c": "$"}',
    "JSONPath with a function": '{"a": "$.output.responses.`len`", "b": "$.output[?(@.x)]"}',
}


@pytest.mark.parametrize("expression", ASKED.values(), ids=ASKED)
def test_whoever_asks_whether_a_key_is_there_is_not_told(expression: str) -> None:
    """A key that is asked for by `is defined` or `get value`, or by a path that may match, is no finding."""
    assert of_rule("unknown-key", found(expression)) == []


@given(
    st.lists(
        st.tuples(
            st.from_regex("x[a-z_]{1,5}", fullmatch=True), st.sampled_from([".{}", "['{}']", '[\\"{}\\"]'])
        ),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from(["", "[0]", "[*]", ".*", "..y"]),
)
def test_any_spelling_of_a_json_path_is_read(steps: list[tuple[str, str]], end: str) -> None:
    """Keys are read after dots and in brackets, up to what may match several places."""
    path = "$" + "".join(form.format(key) for key, form in steps) + end
    assert json_paths_of(f'{{"a": "{path}"}}') == (("response", *(key for key, _ in steps)),)


FUNCTIONS = {
    "misspelt": ('=if error != null then bpmnErorr("X") else null', "bpmnErorr", "is bpmnError meant?"),
    "on no sample": ('=if error.code = "777" then bpmnErorr("X") else null', "bpmnErorr", "bpmnError"),
    "in capitals": ('=if error != null then BpmnError("X") else null', "BpmnError", "bpmnError"),
    "job error": ("=if error = null then null else jobErr(error.message)", "jobErr", "jobError"),
    "within a condition": (
        '=if contain(error.message, "x") then bpmnError("X") else null',
        "contain",
        "contains",
    ),
    "in a filter": ("=if count(body.choices[uper(item.a) = 1]) > 9 then null else null", "uper", ""),
    "of another language": (
        '=if error.message.includes("x") then null else null',
        "error.message.includes",
        "",
    ),
}


@pytest.mark.parametrize(("expression", "name", "hint"), FUNCTIONS.values(), ids=FUNCTIONS)
def test_function_that_there_is_not_is_found(expression: str, name: str, hint: str) -> None:
    """A function that nobody has is named wherever it stands, whether a sample leads there or not."""
    findings = found(error=expression)
    (message,) = of_rule("unknown-function", findings)
    assert f"calls {name}," in message
    assert hint in message
    assert len([finding for finding in findings if name in finding.message]) == 1


@pytest.mark.parametrize(
    "expression",
    [
        "={double: function(x) x * 2, a: double(4)}",
        "={a: for f in [function(x) x] return f(1)}",
        "={a: (function(g) g(1))(function(x) x)}",
        "={a: upper case(output.text), b: string join(output.responses)}",
    ],
)
def test_function_of_ones_own_is_no_finding(expression: str) -> None:
    """Functions that the expression defines, and FEEL's own, pass."""
    assert of_rule("unknown-function", found(expression)) == []


NEVER = {
    "equal": "error.code = 429",
    "the other way": "429 = error.code",
    "greater": "error.code >= 400",
    "of the response": "response.error.code = 429",
    "after another condition": 'error.type = "X" and error.code = 429',
    "one of": "error.code in (429, 500)",
    "one of a list": "error.code in [429, 500]",
    "range": "error.code in [400..499]",
    "between": "error.code between 400 and 499",
    "list contains": "list contains([429, 500], error.code)",
    "negative": "error.code = -1",
    "unequal": "error.code != 429",
    "status as a text": 'response.status = "200"',
    "condition as a number": "output.condition = 1",
    "retries as a text": 'job.retries = "1"',
}


@pytest.mark.parametrize("condition", NEVER.values(), ids=NEVER)
def test_comparison_with_another_type_is_found(condition: str) -> None:
    """Codes are texts, statuses are numbers: a comparison with the other is never true."""
    messages = of_rule("never-true", found(error=f'=if {condition} then bpmnError("X", "y") else null'))
    assert len(messages) == 1
    assert "never true" in messages[0]


@pytest.mark.parametrize(
    "condition",
    [
        'error.code = "429"',
        'error.code in ("429", "500")',
        "number(error.code) >= 400",
        'list contains(["429"], error.code)',
        "error.code = string(429)",
        "response.status >= 400",
        "job.retries = 1",
        "count(body.choices[code = 429]) = 1",
        "error.variables.response.body.error.code = 429",
        "some error in [{code: 429}] satisfies error.code = 429",
    ],
)
def test_comparison_with_its_like_is_no_finding(condition: str) -> None:
    """What may be true passes."""
    findings = found(error=f'=if error != null and {condition} then bpmnError("X", "y") else null')
    assert of_rule("never-true", findings) == []


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_key_of_an_output_is_known(operation: str) -> None:
    """All keys that an operation gives pass, and another one's message names them all."""
    keys = (
        *OPERATIONS[operation].outputs(),
        "cost",
        "costReason",
        "cost.amount",
        "cost.currency",
        "cost.priceDate",
    )
    entries = ", ".join(f"a{n}: response.output.{key}, b{n}: output.{key}" for n, key in enumerate(keys))
    assert of_rule("unknown-key", found(f"={{{entries}}}", operation=operation)) == []
    (message,) = of_rule("unknown-key", found("={a: output.nothing}", operation=operation))
    assert all(key in message for key in keys if "." not in key)


@pytest.mark.parametrize(
    ("expression", "path"),
    [
        ("=if error.mesage = null then null else null", "error.mesage"),
        ("=if error.status = 400 then null else null", "error.status"),
        ("=if job.retry = 1 then null else null", "job.retry"),
        ("=if output.txt = null then null else null", "output.txt"),
    ],
)
def test_keys_of_errors_and_jobs_are_known_too(expression: str, path: str) -> None:
    """The error expression's own contexts have known keys."""
    (message,) = of_rule("unknown-key", found(error=expression))
    assert path in message


KNOWN = {
    "body": "={a: response.body.anything.at.all, b: body.reason}",
    "headers": '={a: get value(headers, "x-anything")}',
    "deeper": "={a: output.usage.total_tokens, b: output.json.whatever}",
    "entry of that name": "={output: {txt: 1}, a: output.txt}",
    "variable of that name": "={a: for output in [{txt: 1}] return output.txt}",
    "in a filter": "={a: body.choices[output.txt = 1]}",
}


@pytest.mark.parametrize("expression", KNOWN.values(), ids=KNOWN)
def test_what_may_be_there_is_no_finding(expression: str) -> None:
    """Contexts that anybody fills, and others of the same name, have any keys."""
    assert found(expression) == []


def test_result_of_that_name_hides_it() -> None:
    """The error expression sees a result before the part of the response of the same name."""
    assert (
        of_rule("unknown-key", found("={output: {txt: 1}}", "=if output.txt = 2 then null else null")) == []
    )


def test_camundas_runtime_gives_more() -> None:
    """In a task that is not moved over, what Camunda's runtime gives is no finding."""
    headers = {"resultExpression": "={a: response.reason, b: reason, c: response.document}"}
    findings = check(diagram(task(chat_inputs(internal_model="gpt-6-luna"), headers)).encode(), TODAY)
    assert not {"unknown-key", "unseen-variable"} & {finding.rule for finding in findings}


HEADERS = {
    "date": ("={a: headers.date}", "Date"),
    "of the response": ("={a: response.headers.date}", "Date"),
    "in quotes": ('={a: get value(headers, "content-type")}', "Content-Type"),
    "in capitals": ('={a: get value(response.headers, "X-Request-Id")}', "x-request-id"),
    "in backticks": ("={a: headers.`retry-after`}", "Retry-After"),
}


@pytest.mark.parametrize(("expression", "usual"), HEADERS.values(), ids=HEADERS)
def test_header_that_is_spelled_otherwise_is_found(expression: str, usual: str) -> None:
    """Names of headers are case-sensitive: an unusual spelling is a warning with the usual one."""
    (message,) = of_rule("header-name", found(expression))
    assert message.endswith(f"usually write {usual}")


@pytest.mark.parametrize(
    "expression",
    ["={a: headers.Date}", '={a: get value(headers, "x-custom")}', "={a: body.headers2.date, b: body.date}"],
)
def test_header_as_usual_is_no_finding(expression: str) -> None:
    """The usual spelling, and names that no standard has, pass."""
    assert of_rule("header-name", found(expression)) == []
