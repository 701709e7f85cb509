"""JSON in an answer's text: after a byte order mark, in a Markdown fence around the whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_connector.tasks.operations.chat_answer import read_json
from tests.unit.answers.answering import AS_OBJECT, read_content

OBJECT = '{"city": "Paris", "fence": "```"}'
FENCED = [
    f"```json\n{OBJECT}\n```",
    f"```\n{OBJECT}\n```",
    f"\ufeff{OBJECT}",
    f"\ufeff```json\n{OBJECT}\n```\n",
    f"```json\n\ufeff{OBJECT}\n```",
    f"  \n```JSON\r\n{OBJECT}\r\n```  \n",
    f"~~~json\n{OBJECT}\n~~~",
    f"````json\n{OBJECT}\n````",
    f"```json {OBJECT} ```",
    f"```{OBJECT}```",
    f"```json5 title=a.json\n{OBJECT}\n```",
    f'```json title="an order"\n{OBJECT}\n```',
    f"```{{.json}}\n{OBJECT}\n```",
    f"```json\n\n\n{OBJECT}\n\n```",
]
UNFENCED = [
    f"Here you are:\n```json\n{OBJECT}\n```",
    f"```json\n{OBJECT}\n```\nAnything else?",
    f"```json\n{OBJECT}",
    f"```json\n{OBJECT}\n~~~",
    f"````json\n{OBJECT}\n```",
    "```json\n```",
    "``````",
    "```",
    "no JSON at all",
    '{"city": "Par',
    '{"city": NaN}',
    "{'city': 'Paris'}",
    '{"city": "Paris"} {"city": "Rome"}',
    "undefined",
]


@pytest.mark.parametrize("text", FENCED, ids=repr)
def test_a_fence_and_a_mark_of_order_are_no_part_of_it(text: str) -> None:
    """What stands in one fence around the whole is the answer; the text stays as it came."""
    answer = read_content(text, **AS_OBJECT)
    assert answer.output["json"] == json.loads(OBJECT)
    assert answer.output["text"] == text
    assert answer.output["condition"] == "AS_ASKED"


@pytest.mark.parametrize("text", UNFENCED, ids=repr)
def test_anything_else_is_not_json(text: str) -> None:
    """Words around it, or half a fence, are not what was asked for."""
    answer = read_content(text, **AS_OBJECT)
    assert answer.output["json"] is None
    assert answer.output["condition"] == "ANSWER_NOT_JSON"
    assert answer.shortfall is not None
    assert "Paris" not in answer.shortfall.problem


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(
    value=st.dictionaries(st.text(), VALUES, max_size=4),
    mark=st.sampled_from(["```", "~~~", "`````"]),
    label=st.sampled_from(["", "json", "JSON", " json ", "javascript"]),
    around=st.tuples(*[st.text(" \t\r\n\ufeff", max_size=3)] * 2),
    indent=st.sampled_from([None, 2]),
)
def test_any_value_in_any_fence(
    value: dict[str, Any], mark: str, label: str, around: tuple[str, str], indent: int | None
) -> None:
    """A fence of any length, label and white space around it gives the value that was written."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    assert read_json(f"{around[0]}{mark}{label}\n{text}\n{mark}{around[1]}") == value


@pytest.mark.parametrize(
    "text", ["`" * 200_000, "```" + " " * 200_000 + "x", "~" * 100_001 + "{", "\ufeff" * 100_000]
)
def test_a_hostile_text_is_read_at_once(text: str) -> None:
    """Long runs of marks or blanks are refused by a scan or two; a backtracking search would hang here."""
    with pytest.raises(ValueError, match=r"."):
        read_json(text)
