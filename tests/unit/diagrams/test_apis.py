"""What lint says about the API that a task goes by, its tools, and the time at which its answer is needed."""

from __future__ import annotations

from datetime import date

import pytest

from openai_connector.tools.diagrams.lint import check
from tests.unit.diagrams.camunda_diagrams import diagram, task

TODAY = date(2026, 11, 22)
TOOLS = '=[{name: "find_order"}]'


def chat(**inputs: str) -> dict[str, str]:
    """Give the inputs of a chat task."""
    given = {"openai_operation": "chat", "openai_model": "gpt-6-luna", "openai_prompt": "=question"}
    return {**given, "openai_apiKey": "{{secrets.KEY}}", **inputs}


def rules_of(inputs: dict[str, str], result: str = "={text: response.output.text}") -> list[str]:
    """Give the rules that a task breaks."""
    text = diagram(task(inputs, {"resultExpression": result}, template=None, version=None))
    return [finding.rule for finding in check(text.encode(), TODAY)]


@pytest.mark.parametrize(
    ("model", "inputs", "is_found"),
    [
        ("gpt-5-pro", {}, True),
        ("gpt-5.1-codex", {}, True),
        ("gpt-5.1-codex-mini", {}, True),
        ("o3-pro-2025-06-10", {}, True),
        ("o3-deep-research", {}, True),
        ("computer-use-preview", {}, True),
        ("gpt-5-pro", {"openai_api": "responses"}, False),
        ("gpt-5-pro", {"openai_answerNeeded": "8h"}, False),
        ("gpt-5-pro", {"openai_answerNeeded": "day"}, True),
        ("gpt-5-pro", {"openai_api": "=later"}, False),
        ("gpt-4o-audio-preview", {}, False),
        ("gpt-4o-audio-preview", {"openai_api": "responses"}, True),
        ("gpt-4o-search-preview", {"openai_answerNeeded": "nowKept"}, True),
        ("gpt-6-luna", {}, False),
        ("gpt-6-luna", {"openai_api": "responses"}, False),
        ("my-own-pro-model", {"openai_baseUrl": "https://llm.example.com/v1"}, False),
    ],
)
def test_a_model_that_the_api_does_not_serve(model: str, inputs: dict[str, str], is_found: bool) -> None:
    """A model of the one API alone is named where a task goes by the other."""
    found = rules_of(chat(openai_model="custom", openai_customModel=model, **inputs))
    assert ("model-and-api" in found) == is_found


@pytest.mark.parametrize(
    ("model", "inputs", "is_found"),
    [
        ("gpt-6-luna", {}, True),
        ("gpt-6.1-sol", {}, True),
        ("gpt-5.6-terra", {}, True),
        ("gpt-10", {}, True),
        ("gpt-6-luna", {"openai_reasoningEffort": "none"}, False),
        ("gpt-6-luna", {"openai_reasoningEffort": "low"}, True),
        ("gpt-6-luna", {"openai_api": "responses"}, False),
        ("gpt-5.4", {}, False),
        ("gpt-5.4", {"openai_reasoningEffort": "low"}, True),
        ("gpt-5.2", {"openai_reasoningEffort": "low"}, False),
        ("gpt-4.1", {}, False),
    ],
)
@pytest.mark.parametrize("place", ["tools", "extra_body"])
def test_tools_by_chat_completions(model: str, inputs: dict[str, str], is_found: bool, place: str) -> None:
    """Models that reason take no tools there; it does not matter where the tools are given."""
    tools = (
        {"openai_tools": TOOLS}
        if place == "tools"
        else {"openai_extraBody": '={tools: [{type: "function", function: {name: "f"}}]}'}
    )
    found = rules_of(chat(openai_model="custom", openai_customModel=model, **tools, **inputs))
    assert ("model-and-api" in found) == is_found


@pytest.mark.parametrize(
    "inputs",
    [
        {"openai_choices": "2"},
        {"openai_frequencyPenalty": "0.5"},
        {"openai_extraBody": "={seed: 7}"},
        {"openai_extraBody": "={background: true}"},
        {"openai_prompt": '=[{type: "input_audio", input_audio: {data: "x", format: "wav"}}]'},
        {"openai_toolResults": '=[{id: "1", content: "a"}]'},
    ],
    ids=lambda inputs: next(iter(inputs)),
)
def test_an_input_without_a_place(inputs: dict[str, str]) -> None:
    """What the worker would refuse is found before it runs."""
    found = rules_of(chat(openai_api="responses", **inputs))
    assert "bad-input" in found


@pytest.mark.parametrize(
    ("inputs", "is_found"),
    [
        ({"openai_temperature": "0.5"}, True),
        ({"openai_temperature": "0.5", "openai_reasoningEffort": "none"}, True),  # it may
        ({"openai_extraBody": "={top_p: 0.5}"}, True),
        ({"openai_reasoningEffort": "low"}, False),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else "",
)
def test_a_parameter_that_the_model_refuses(inputs: dict[str, str], is_found: bool) -> None:
    """Reasoning models refuse the same parameters by either API."""
    for api in ("responses", "chatCompletions"):
        found = rules_of(chat(openai_model="gpt-6-luna", openai_api=api, **inputs))
        assert ("refused-parameter" in found) == is_found


def test_a_model_that_does_not_reason_refuses_an_effort() -> None:
    """An effort, which stands elsewhere in this API, is found there."""
    found = rules_of(
        chat(
            openai_model="custom",
            openai_customModel="gpt-4.1",
            openai_api="responses",
            openai_reasoningEffort="low",
        )
    )
    assert "refused-parameter" in found


@pytest.mark.parametrize(
    ("inputs", "rule"),
    [
        ({"openai_responseFormat": "json_object"}, "json-not-said"),
        (
            {"openai_responseFormat": "json_schema", "openai_jsonSchema": '={"type": "object"}'},
            "loose-schema",
        ),
        (
            {
                "openai_responseFormat": "json_schema",
                "openai_jsonSchema": '={"name": "no good name", "schema": {"type": "string"}}',
            },
            "bad-schema-name",
        ),
    ],
    ids=["json", "loose", "name"],
)
def test_response_formats_are_checked_where_they_stand(inputs: dict[str, str], rule: str) -> None:
    """The rules for JSON hold for either API."""
    for api in ("responses", "chatCompletions"):
        assert rule in rules_of(chat(openai_api=api, openai_prompt="Hello", **inputs))


@pytest.mark.parametrize(
    ("inputs", "count"),
    [
        ({"openai_answerNeeded": "8h"}, 0),
        ({"openai_answerNeeded": "8h", "openai_timeout": "PT8H"}, 1),
        ({"openai_answerNeeded": "day", "openai_timeout": "PT30S"}, 1),
        ({"openai_answerNeeded": "nowKept", "openai_timeout": "PT5M"}, 0),
        ({"openai_answerNeeded": "now", "openai_timeout": "PT5M"}, 0),
        ({"openai_answerNeeded": "=later", "openai_timeout": "PT5M"}, 0),
        ({"openai_answerNeeded": "2h", "openai_baseUrl": "https://llm.example.com/v1"}, 1),
        ({"openai_answerNeeded": "2h", "openai_baseUrl": "https://eu.api.openai.com/v1"}, 0),
        ({"openai_answerNeeded": "now", "openai_baseUrl": "https://llm.example.com/v1"}, 0),
    ],
)
def test_what_does_not_go_with_the_answer_needed(inputs: dict[str, str], count: int) -> None:
    """A timeout is for one request, and other servers keep no answers: both are warnings."""
    assert rules_of(chat(**inputs)).count("answer-needed") == count


@pytest.mark.parametrize(
    ("expression", "is_found"),
    [
        ("={total: response.output.tokens.total}", False),
        ("={total: response.output.tokens.totals}", True),
        ("={calls: response.output.toolCalls[1].name}", False),
        ("={calls: response.output.toolcalls}", True),
    ],
    ids=["tokens", "no_tokens", "calls", "no_calls"],
)
def test_the_new_keys_of_the_output_are_known(expression: str, is_found: bool) -> None:
    """Keys that the output has not are found in expressions, one level down, too."""
    assert ("unknown-key" in rules_of(chat(), expression)) == is_found
