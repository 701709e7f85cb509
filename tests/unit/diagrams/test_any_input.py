"""Nothing that stands in a file makes lint or migrate fail in another way than by saying so."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_connector.tasks.operations import INPUT_NAMES
from openai_connector.tools.diagrams.lint import check
from openai_connector.tools.diagrams.markup import DiagramError
from openai_connector.tools.diagrams.migrate import migrate
from tests.unit.diagrams.camunda_diagrams import (
    AZURE,
    azure_inputs,
    chat_inputs,
    diagram,
    moderation_inputs,
    task,
)

TODAY = date(2026, 11, 22)
CAMUNDA = diagram(
    task(chat_inputs(internal_custom_model="=m", internal_systemMessage="=s", internal_chatHistory="=h")),
    task(moderation_inputs(), element_id="Two", version=None, template=None),
    task(azure_inputs(chatCompletion_stop='=["END"]'), template=AZURE, version=4, element_id="Three"),
).encode()
OURS = {
    "openai_operation": "chat",
    "openai_model": "custom",
    "openai_customModel": "gpt-5.4",
    "openai_prompt": "=question",
    "openai_responseFormat": "json_schema",
}
# XML has no other control characters.
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn")), max_size=30)
VALUES = st.one_of(
    TEXT,
    TEXT.map("=".__add__),
    st.sampled_from(
        [
            "=null",
            "=[]",
            "={}",
            "=1",
            "=x",
            '={type: "json_schema"}',
            '={response_format: {type: "json_schema"}}',
            '={response_format: {type: "json_schema", json_schema: {strict: true, schema: {properties: {a: '
            "1}}}}}",
            '={response_format: {type: "json_object"}, temperature: null}',
            '{"type": "object", "properties": {"a": {"anyOf": 1}}, "required": 5}',
            "=for i in 1..100000000 return i",
            "=function(x) x",
            "=bpmnError(1, 2)",
            "{{secrets.X}}",
            "custom",
            "none",
            "json_object",
        ]
    ),
)


def checked(data: bytes) -> None:
    try:
        check(data, TODAY)
    except DiagramError:
        with pytest.raises(DiagramError, match=r"^[^\n]+$"):
            migrate(data, TODAY)
    else:
        once = migrate(data, TODAY).content
        assert migrate(once, TODAY).content == once


@given(st.integers(0, len(CAMUNDA) - 1), st.integers(0, 40), st.binary(max_size=6))
def test_any_damage(start: int, length: int, put: bytes) -> None:
    """A file with a damaged place is refused in one line, or read as what it is."""
    checked(CAMUNDA[:start] + put + CAMUNDA[start + length :])


@given(st.data())
def test_any_moved_piece(data: st.DataObject) -> None:
    """A file whose pieces stand in the wrong place is refused in one line, or read as what it is."""
    pieces = CAMUNDA.split(b">")
    moved = pieces.pop(data.draw(st.integers(0, len(pieces) - 1)))
    pieces.insert(data.draw(st.integers(0, len(pieces))), moved)
    checked(b">".join(pieces))


@given(
    st.dictionaries(st.sampled_from(INPUT_NAMES), VALUES),
    st.sampled_from(["resultExpression", "errorExpression"]),
    VALUES,
)
def test_any_value(inputs: dict[str, str], header: str, expression: str) -> None:
    """Whatever values and expressions a task has, it is checked."""
    checked(diagram(task(OURS | inputs, {header: expression}, template=None, version=None)).encode())


@given(st.dictionaries(st.sampled_from(sorted(chat_inputs())), VALUES))
def test_any_value_of_camundas(inputs: dict[str, str]) -> None:
    """Whatever values a task of Camunda's template has, it is moved over or named."""
    checked(diagram(task(chat_inputs() | inputs)).encode())
