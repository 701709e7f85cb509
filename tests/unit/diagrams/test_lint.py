"""Checking diagrams before they run."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from openai_connector.cli import main
from openai_connector.tasks.operations import INPUT_NAMES, OPERATION_INPUT, OPERATIONS
from openai_connector.tools.diagrams.lint import Finding, check
from tests import diagrams
from tests.unit.diagrams.camunda_diagrams import (
    AZURE,
    azure_inputs,
    chat_inputs,
    diagram,
    moderation_inputs,
    task,
)

TODAY = date(2026, 11, 22)
SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}


def found(**how: Any) -> list[Finding]:
    """Check a process with one task that is made with the main template."""
    values = {"openai_prompt": "=question", **how.pop("values", {})}
    how.setdefault("headers", {"resultVariable": "answer"})
    return check(diagrams.process("p", diagrams.task(values=values, **how)).encode(), TODAY)


def told(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.severity, finding.rule) for finding in findings]


def own(**inputs: str | None) -> list[Finding]:
    """Check a task whose inputs are written by hand, as no template would let it be."""
    given = {
        "openai_apiKey": "{{secrets.KEY}}",
        "openai_operation": "chat",
        "openai_model": "gpt-6-luna",
        "openai_prompt": "=question",
        **inputs,
    }
    kept = {name: source for name, source in given.items() if source is not None}
    return check(hand_made(kept, {"resultVariable": "answer"}).encode(), TODAY)


def hand_made(inputs: dict[str, str], headers: dict[str, str] | None = None, **how: str) -> str:
    """Write a diagram with one task that is linked to no template."""
    return diagram(task(inputs, headers or {}, template=None, version=None, **how))


@pytest.mark.parametrize("template", ["openai-connector.json", "openai-chat.json"])
def test_task_as_modeler_makes_it_is_clean(template: str) -> None:
    """A task made with a template and nothing odd in it has no finding."""
    assert found(template=template, values={"openai_apiKey": "{{secrets.KEY}}"}) == []


def test_findings_name_element_and_line() -> None:
    """A finding has the element's id and name, and the line of the mapping that it is about."""
    text = hand_made({"openai_operation": "chat", "openai_model": "gpt-6-luna", "openai_prompt": "=a +"})
    (finding,) = check(text.encode(), TODAY)
    assert (finding.element_id, finding.element_name, finding.severity) == ("Ask", "Ask the model", "error")
    assert text.splitlines()[finding.line - 1].strip().startswith('<zeebe:input source="=a +"')
    assert finding.message.startswith("Prompt has a FEEL syntax error: ")


@pytest.mark.parametrize(
    ("inputs", "severity", "rule", "message"),
    [
        ({"openai_prompt": None}, "error", "bad-input", "Prompt is required"),
        ({"openai_model": None}, "error", "bad-input", "Model is required"),
        ({"openai_operation": "talk"}, "error", "bad-input", "Operation must be chat or moderation"),
        (
            {"openai_maxTokens": "many"},
            "error",
            "bad-input",
            "Maximum tokens must be a whole number of at least 1",
        ),
        (
            {"openai_maxTokens": "=0"},
            "error",
            "bad-input",
            "Maximum tokens must be a whole number of at least 1",
        ),
        ({"openai_timeout": "soon"}, "error", "bad-input", "Request timeout must be an ISO 8601 duration"),
        ({"openai_baseUrl": "llm.example"}, "error", "bad-input", "Base URL must be a URL"),
        ({"openai_customModel": "x"}, "error", "bad-input", "Model is not Custom"),
        (
            {"openai_promt": "=x"},
            "error",
            "unknown-input",
            "The input openai_promt is unknown: is openai_prompt meant?",
        ),
        (
            {"openai_state": "x"},
            "error",
            "unknown-input",
            "The input openai_state is reserved for the worker",
        ),
        (
            {"openai_moderationInput": "x"},
            "warning",
            "unused-input",
            "Evaluation input is not used by the operation chat",
        ),
        ({"openai_apiKey": "sk-proj-1234567890abcdefgh"}, "error", "literal-key", "written in the diagram"),
        ({"openai_apiKey": '="top" + "secret"'}, "error", "literal-key", "written in the diagram"),
        ({"mine": "Bearer sk-1234567890abcdefgh"}, "error", "literal-key", "The input mine holds an API key"),
        ({"openai_prompt": "{{secrets.X}}"}, "error", "misplaced-secret", "Prompt asks for the secret X"),
        ({"openai_extraBody": "={stop: [}"}, "error", "feel-syntax", "Extra body has a FEEL syntax error"),
        ({"openai_resultExpression": "{a: }"}, "error", "bad-header", "Result expression has a syntax error"),
        ({"answer": "=1"}, "error", "lost-result", "The result 'answer' would be lost"),
        (
            {"openai_model": "custom", "openai_customModel": "gpt-9"},
            "warning",
            "unknown-model",
            "The model gpt-9 is not",
        ),
        (
            {"openai_model": "custom", "openai_customModel": "gpt-4o-2024-08-06"},
            "warning",
            "model-shutdown",
            "The model gpt-4o-2024-08-06 will be shut down on 2027-01-14; OpenAI names gpt-6-luna as its "
            "replacement",
        ),
        (
            {"openai_model": "custom", "openai_customModel": '="gpt-4"'},
            "error",
            "model-shutdown",
            "The model gpt-4 was shut down on 2026-10-23; OpenAI names gpt-5.6-sol as its replacement",
        ),
        (
            {"openai_temperature": "0.2"},
            "error",
            "refused-parameter",
            "The model gpt-6-luna refuses Temperature: empty it",
        ),
        (
            {"openai_temperature": "1"},
            "warning",
            "refused-parameter",
            "The model gpt-6-luna refuses Temperature",
        ),
        (
            {"openai_temperature": "=warmth"},
            "warning",
            "refused-parameter",
            "The model gpt-6-luna refuses Temperature",
        ),
        ({"openai_presencePenalty": "1"}, "error", "refused-parameter", "refuses Presence penalty"),
        (
            {"openai_extraBody": "={logprobs: true}"},
            "error",
            "refused-parameter",
            "refuses logprobs in Extra body",
        ),
        (
            {"openai_temperature": "0.2", "openai_reasoningEffort": "none"},
            "warning",
            "refused-parameter",
            "may refuse Temperature even with the reasoning effort none",
        ),
        (
            {"openai_prompt": "Give a list", "openai_responseFormat": "json_object"},
            "error",
            "json-not-said",
            "no message has the word JSON",
        ),
        (
            {
                "openai_responseFormat": "json_schema",
                "openai_jsonSchema": '={type: "object", properties: {a: {type: "object", properties: {b: {}}}}}',
            },
            "error",
            "loose-schema",
            'JSON schema: the schema must have "additionalProperties": false',
        ),
        (
            {"openai_responseFormat": "json_schema", "openai_jsonSchema": '={type: ["object", "null"]}'},
            "error",
            "loose-schema",
            'JSON schema: the schema must have "additionalProperties": false',
        ),
        (
            {"openai_responseFormat": "json_schema", "openai_jsonSchema": '={name: "the order", schema: {}}'},
            "error",
            "bad-schema-name",
            "JSON schema: its name must be made of at most 64 letters, digits, _ and -, got 'the order'",
        ),
    ],
)
def test_mistake_is_found(inputs: dict[str, str | None], severity: str, rule: str, message: str) -> None:
    """Each mistake is found with its severity and a sentence that names the field."""
    findings = own(**inputs)
    assert (severity, rule) in told(findings)
    assert any(message in finding.message for finding in findings)
    assert not any("sk-proj-1234567890abcdefgh" in finding.message for finding in findings)


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"openai_temperature": "0.2", "openai_reasoningEffort": "none", "openai_model": "gpt-5.4"},
        {"openai_temperature": "0.2", "openai_baseUrl": "https://llm.example/v1"},
        {"openai_model": "custom", "openai_customModel": "=model", "openai_temperature": "0.2"},
        {"openai_model": "=model", "openai_customModel": "=other"},
        {"openai_prompt": "Give a JSON list", "openai_responseFormat": "json_object"},
        {"openai_responseFormat": "json_object"},
        {"openai_responseFormat": "json_schema", "openai_jsonSchema": json.dumps(SCHEMA)},
        {"openai_responseFormat": "=format", "openai_jsonSchema": "=schema"},
        {"openai_apiKey": '="{{secrets.KEY}}"'},
        {"openai_apiKey": "=key"},
        {"openai_apiKey": None},
        {"openai_baseUrl": "{{secrets.URL}}"},
        {"openai_baseUrl": "=url"},
        {"openai_chatHistory": "=history", "openai_extraBody": "=more", "openai_timeout": "=wait"},
        {"openai_operation": "=what", "openai_prompt": None},
        {"mine": "anything"},
    ],
)
def test_what_is_right_or_unknown_is_not_found(inputs: dict[str, str | None]) -> None:
    """Values that are right, and those that only the process knows, are no findings."""
    assert own(**inputs) == []


def test_temperature_beside_top_p() -> None:
    """Temperature and top P together are a warning, where the model takes them."""
    inputs = {"openai_temperature": "0.2", "openai_topP": "0.9", "openai_baseUrl": "https://llm.example/v1"}
    assert told(own(**inputs)) == [("warning", "temperature-and-top-p")]


@pytest.mark.parametrize(
    ("headers", "rule", "message"),
    [
        ({"resultExpression": "={a: }"}, "bad-header", "Result expression has a syntax error"),
        ({"resultExpression": '{"a": "$.body[?("}'}, "bad-header", "Result expression has a JSONPath"),
        ({"errorExpression": "=if error then"}, "bad-header", "Error expression has a syntax error"),
        ({"retryBackoff": "30 s"}, "bad-header", "Retry backoff must be an ISO 8601 duration"),
        ({"jobTimeout": "P1Y"}, "bad-header", "Job timeout must be an ISO 8601 duration"),
        ({"resultVariable": "my answer"}, "bad-header", "Result variable must be a name without spaces"),
        ({"resultVariable": "openai_prompt"}, "lost-result", "The result 'openai_prompt' would be lost"),
        (
            {"resultExpression": "={openai_model: 1}"},
            "lost-result",
            "The result 'openai_model' would be lost",
        ),
        (
            {"resultExpression": '{"openai_model": "$.body"}'},
            "lost-result",
            "The result 'openai_model' would be lost",
        ),
        ({"resultExpression": "=={a: question}"}, "unseen-variable", "Result expression reads 'question'"),
        ({"resultExpression": "={a: question}"}, "unseen-variable", "Result expression reads 'question'"),
        ({"errorExpression": "=bpmnError(order.id, error.message)"}, "unseen-variable", "reads 'order'"),
        ({"mine": "sk-1234567890abcdefgh"}, "literal-key", "The header mine holds an API key"),
        (
            {"resultExpression": "=response.output.text"},
            "no-context",
            "Result expression must give a context such as {answer: ...}, but gives a text",
        ),
        ({"resultExpression": "body.choices.message.content"}, "no-context", "but gives a list"),
        ({"resultExpression": '=if status = 200 then "done" else {}'}, "no-context", "but gives a text"),
        ({"resultExpression": '={a: bpmnError("X")}'}, "misplaced-action", "gives bpmnError inside"),
        ({"resultExpression": '=[1, jobError("X")]'}, "misplaced-action", "gives jobError inside"),
        ({"resultExpression": '={errorType: "ignoreError", a: 1}'}, "misplaced-action", "together with 'a'"),
    ],
)
def test_mistake_in_a_header_is_found(headers: dict[str, str], rule: str, message: str) -> None:
    """Result mapping, error handling and retries are checked by the worker's own code."""
    inputs = {"openai_operation": "chat", "openai_model": "gpt-6-luna", "openai_prompt": "=question"}
    findings = check(hand_made(inputs, headers).encode(), TODAY)
    assert rule in [finding.rule for finding in findings]
    assert any(message in finding.message for finding in findings)


@pytest.mark.parametrize(
    "expression",
    [
        "=response.output.json",
        "=response.body",
        "=null",
        "=response.body.order",
        '=if output.text = "yes" then {ok: true} else null',
        '=bpmnError("ALWAYS", "never")',
        '=if output.text = "" then jobError("empty") else {answer: output.text}',
        "=ignoreError({answer: output.text})",
        '=assert(response.body.id, response.body.id != null, "no id")',
    ],
)
def test_expression_that_may_be_right_is_not_found(expression: str) -> None:
    """What gives a context, null or an error, or fails on no real answer, is no finding."""
    assert found(headers={"resultExpression": expression}) == []


def test_moderation_gives_flags() -> None:
    """A result expression is tried on an answer of its own operation; one of another's reads null."""
    inputs = {"openai_operation": "moderation", "openai_moderationInput": "=text"}
    expressions = ("=output.flagged", "=output.text")
    findings = [check(hand_made(inputs, {"resultExpression": text}).encode(), TODAY) for text in expressions]
    assert [told(of_one) for of_one in findings] == [[("error", "no-context")], [("warning", "unknown-key")]]


def test_expression_may_read_what_it_sees() -> None:
    """An error expression sees the response, the error, the job and the results.

    Functions are no variables.
    """
    headers = {
        "resultExpression": "={answer: response.output.text, code: status}",
        "errorExpression": '=if answer = "x" and job.retries > 0 then bpmnError("A", error.message) else null',
    }
    assert found(headers=headers) == []


def test_output_mapping_takes_the_result() -> None:
    """With output mappings, a result that stays at the task is read there, and not lost."""
    inputs = {"openai_operation": "chat", "openai_model": "gpt-6-luna", "openai_prompt": "=q", "answer": "=1"}
    output = '          <zeebe:output source="=answer" target="reply" />\n'
    text = hand_made(inputs, {"resultVariable": "answer"}, outputs=output)
    assert check(text.encode(), TODAY) == []


def test_retries_and_mappings_are_checked() -> None:
    """Retries that are no number, a mapping without a source and one that is written twice are found."""
    inputs = {"openai_operation": "chat", "openai_model": "gpt-6-luna", "openai_prompt": "=q"}
    twice = (
        '          <zeebe:input target="openai_topP" />\n'
        '          <zeebe:input source="=q" target="openai_prompt" />\n'
    )
    text = hand_made(inputs, retries="a few", outputs=twice)
    assert sorted(told(check(text.encode(), TODAY))) == [
        ("error", "bad-input"),
        ("error", "no-source"),
        ("warning", "mapped-twice"),
        ("warning", "mapped-twice"),
    ]


def test_azure_wants_a_key_and_knows_no_models() -> None:
    """Azure's deployments have any name; its key is required."""
    inputs = {
        "openai_operation": "chat",
        "openai_prompt": "=q",
        "openai_azureResource": "=resource",
        "openai_azureDeployment": "gpt-4",
        "openai_azureApiVersion": "2024-10-21",
        "openai_temperature": "0.2",
    }
    (finding,) = check(hand_made(inputs).encode(), TODAY)
    assert finding.message.startswith("API key is required")
    inputs["openai_apiKey"] = "{{secrets.KEY}}"
    assert check(hand_made(inputs).encode(), TODAY) == []


def test_tasks_of_camundas_templates_are_checked() -> None:
    """Their inputs are checked under the labels that both templates share, in their own lines."""
    text = diagram(
        task(
            chat_inputs(
                internal_temperature="3",
                internal_model="gpt-4",
                authentication__token="sk-1234567890abcdefgh",
            )
        ),
        task(moderation_inputs(), {"resultVariable": "body"}, element_id="Moderate"),
        task(azure_inputs(), template=AZURE, element_id="Azure"),
        task(chat_inputs(method="get"), element_id="Odd"),
    )
    findings = check(text.encode(), TODAY)
    assert [(finding.element_id, finding.rule) for finding in findings] == [
        ("Ask", "literal-key"),
        ("Ask", "model-shutdown"),
        ("Ask", "bad-input"),
        ("Moderate", "lost-result"),
        ("Odd", "not-migratable"),
    ]
    assert 'target="internal_temperature"' in text.splitlines()[findings[2].line - 1]


def test_tasks_of_others_are_left_alone() -> None:
    """Other job types and user tasks are no business of this command."""
    assert check(diagram(task({"url": "=1 +"}, template=None, version=None)).encode(), TODAY) == []


@pytest.mark.parametrize("operation", OPERATIONS)
def test_all_inputs_may_come_from_the_process(operation: str) -> None:
    """Values that only the process knows are taken for good ones that fit together."""
    either = {"openai_baseUrl"}  # or an Azure resource
    later = dict.fromkeys(set(INPUT_NAMES) - {OPERATION_INPUT} - either, "=later")
    found = own(**{OPERATION_INPUT: operation, **later})
    assert [finding for finding in found if finding.severity == "error"] == []


class TestCommand:
    """`openai-connector lint`."""

    @pytest.fixture
    def good(self, tmp_path: Path) -> Path:
        path = tmp_path / "good.bpmn"
        path.write_text(diagrams.process("p", diagrams.task(values={"openai_prompt": "=q"})), "utf-8")
        return path

    @pytest.fixture
    def bad(self, tmp_path: Path) -> Path:
        path = tmp_path / "bad.bpmn"
        path.write_text(diagram(task(chat_inputs(internal_model="gpt-4"))), "utf-8")
        return path

    def test_exit_status(self, good: Path, bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Errors give 1, warnings alone 0; each finding is one line with file, line, severity and element."""
        assert main(["lint", str(good)]) == 0
        assert capsys.readouterr().out == "0 errors, 0 warnings\n"
        assert main(["lint", "--today", "2026-11-22", str(good), str(bad)]) == 1
        first, last = capsys.readouterr().out.splitlines()
        assert first.startswith(
            f'{bad}:17: error: Ask "Ask the model": The model gpt-4 was shut down on 2026-10-23'
        )
        assert last == "1 error, 0 warnings"
        assert main(["lint", "--today", "2026-10-22", str(bad)]) == 0

    def test_json(self, bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """With --json, the findings are an array of objects."""
        main(["lint", "--json", "--today", "2026-11-22", str(bad)])
        (finding,) = json.loads(capsys.readouterr().out)
        assert (finding.pop("message")[:15], finding) == (
            "The model gpt-4",
            {
                "file": str(bad),
                "line": 17,
                "severity": "error",
                "rule": "model-shutdown",
                "elementId": "Ask",
                "elementName": "Ask the model",
            },
        )

    def test_unreadable_files_are_errors(
        self, tmp_path: Path, good: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A file that cannot be read is an error of its own; the others are checked all the same."""
        broken = tmp_path / "broken.bpmn"
        broken.write_text("<a>\n<b></a>", "utf-8")
        assert main(["lint", str(broken), str(tmp_path / "none.bpmn"), str(good)]) == 1
        assert capsys.readouterr().out.splitlines() == [
            f"{broken}:2: error: The file is not well-formed XML: mismatched tag (line 2, column 6)",
            f"{tmp_path / 'none.bpmn'}:1: error: The file cannot be read: No such file or directory",
            "2 errors, 0 warnings",
        ]
