"""Content that is no string: read as what it says, or no answer at all; never null in silence."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.answers.answering import AS_OBJECT, body_of, choice_of, read, read_content
from tests.unit.operations.reading import chat

SCALARS: list[tuple[Any, str]] = [
    (42, "42"),
    (0, "0"),
    (-1.5, "-1.5"),
    (True, "true"),
    (False, "false"),
    (12345678901234567890, "12345678901234567890"),
]
PARTS: list[tuple[Any, str]] = [
    ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "ab"),
    (["a", "b"], "ab"),
    (["a", {"type": "text", "text": "b"}], "ab"),
    (["a", 1, True], "a1true"),
    ([{"type": "text", "text": "a"}, 5], "a5"),
    ([["a"], [["b"]]], "ab"),
    ([{"type": "text", "text": {"value": "a", "annotations": []}}], "a"),
    ([{"type": "output_text", "text": "a"}], "a"),
    ([{"text": "a"}], "a"),
    ({"type": "text", "text": "a"}, "a"),
    (
        [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "a"}],
        "a",
    ),
    ([{"type": "reasoning", "text": "hm"}, {"type": "text", "text": "a"}], "a"),
    ([{"type": "image_url", "image_url": {"url": "https://x"}}, {"type": "text", "text": "a"}], "a"),
]
NOT_READABLE: list[Any] = [[None], [[]], [[[None]], None]]


@pytest.mark.parametrize(("content", "text"), SCALARS, ids=[text for _, text in SCALARS])
def test_a_number_or_boolean_is_text(content: Any, text: str) -> None:
    """A scalar is the answer, written as JSON has it."""
    answer = read_content(content)
    assert answer.output["text"] == text
    assert answer.output["responses"] == [text]
    assert answer.shortfall is None


@pytest.mark.parametrize(("content", "text"), PARTS, ids=[str(n) for n in range(len(PARTS))])
def test_parts_are_joined(content: Any, text: str) -> None:
    """The texts of parts are the answer; a model's thinking and its images are not."""
    assert read_content(content).output["text"] == text


@pytest.mark.parametrize("inputs", [{}, AS_OBJECT], ids=["text", "json"])
@pytest.mark.parametrize(
    "content", [{"city": "Paris"}, {"type": "invoice", "text": "a"}, {"text": "a"}, {}], ids=repr
)
def test_an_object_is_json_text_and_json(content: dict[str, Any], inputs: dict[str, Any]) -> None:
    """An object is given both ways."""
    output = read_content(content, **inputs).output
    assert output["json"] == content
    assert isinstance(output["text"], str)


@pytest.mark.parametrize(
    "content",
    [[{"city": "Paris"}, {"city": "Rome"}], [1, 2.5], [{"type": "circle", "r": 1}], [{"type": []}]],
    ids=repr,
)
def test_a_list_of_data_is_json(content: list[Any]) -> None:
    """A JSON array that is no list of parts is a value."""
    output = read_content(content).output
    assert output["json"] == content
    assert json.loads(output["text"]) == content


@pytest.mark.parametrize("content", NOT_READABLE, ids=repr)
def test_what_is_not_understood_is_no_answer(content: Any) -> None:
    """A paid answer that cannot be read at all is said to be; it does not become null."""
    missing = chat().missing_in(body_of(choice_of(content)))
    assert missing == "message in its choices that can be read"


BAD_CHOICES: list[Any] = [
    None,
    {},
    {"index": 1, "message": None},
    {"index": 1, "text": "old"},
    {"index": 1, **{k: v for k, v in choice_of([None]).items() if k != "index"}},
    {**choice_of("half an ans", "error"), "index": 1},
    {**choice_of(""), "index": 1, "error": {"code": 502, "message": "overloaded"}},
]


@pytest.mark.parametrize("bad", BAD_CHOICES, ids=repr)
def test_one_bad_choice_leaves_the_others(bad: Any) -> None:
    """Of several paid answers the good ones are kept; null stands for the other."""
    output = read(body_of(choice_of("good"), bad), choices=2).output
    assert output["responses"] == ["good", None]
    assert output["text"] == "good"


@pytest.mark.parametrize("bad", BAD_CHOICES, ids=repr)
def test_choices_that_are_all_bad_are_no_answer(bad: Any) -> None:
    """Nothing but bad choices is no answer."""
    assert chat().missing_in(body_of(bad, bad)) is not None


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "text", "a"]), inner)
        ),
        max_leaves=8,
    )
)
def test_any_content_gives_text_or_is_refused(content: Any) -> None:
    """Whatever a content is: the text is a string, or null with a condition, or there is no answer."""
    body = body_of(choice_of(content))
    if chat().missing_in(body) is not None:
        return
    answer = read(body)
    text = answer.output["text"]
    assert isinstance(text, str) or (text is None and answer.shortfall is not None)
