"""JSON of any depth: what Python's own parser reads, ours reads alike, and the other way round."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_engine import documents
from local_engine.documents import MAX_DEPTH, SHALLOW, Variable, depth_of, dump, load, read_document
from local_engine.errors import Rejection

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


def around(inner: str, levels: int) -> str:
    """Return JSON with a value deep inside of lists and objects."""
    return '[{"k":' * (levels // 2) + inner + "}]" * (levels // 2)


@given(VALUES, st.sampled_from([None, 1]))
def test_deep_documents_are_read_as_shallow_ones(value: Any, indent: int | None) -> None:
    """The same value comes out, whether it stands on the top or far below."""
    levels = SHALLOW + 10
    deep = read_document('{"a":' + around(json.dumps(value, indent=indent), levels) + "}")["a"]
    text = deep.text
    assert text.startswith('[{"k":' * (levels // 2))
    inner = text[len('[{"k":') * (levels // 2) : len(text) - len("}]") * (levels // 2)]
    assert inner == read_document('{"a":' + json.dumps(value) + "}")["a"].text
    assert dump(load(text)) == text


@given(VALUES, st.data())
def test_deep_documents_are_refused_as_shallow_ones(value: Any, data: st.DataObject) -> None:
    """A text that is broken at any place is refused or read by both parsers alike."""
    text = json.dumps(value)
    at = data.draw(st.integers(0, len(text)))
    broken = (
        text[:at] + data.draw(st.sampled_from(list('[]{},:"1 x'))) + text[at + data.draw(st.integers(0, 1)) :]
    )
    outcomes = []
    for levels in (0, SHALLOW + 10):
        try:
            outcomes.append(bool(read_document('{"a":' + around(broken, levels) + "}")))
        except Rejection as refused:
            outcomes.append(refused.status == "OK")
    try:
        json.loads(broken)
    except ValueError:
        assert outcomes == [False, False]
    else:
        assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("levels", [1, SHALLOW, SHALLOW + 1, MAX_DEPTH], ids=str)
def test_depth_is_counted_outside_of_strings(levels: int) -> None:
    """Brackets in strings, escaped quotes among them, are no levels."""
    text = "[" * levels + '"[[[{{{\\"[["' + "]" * levels
    assert depth_of(text) >= levels
    value, found = load(text), 0
    while isinstance(value, list):
        (value,) = value
        found += 1
    assert (value, found) == ('[[[{{{"[[', levels)


@pytest.mark.parametrize("opening", ["[", '{"k":'], ids=["lists", "objects"])
def test_the_deepest_that_passes(opening: str) -> None:
    """A thousand levels pass, one more is refused with both numbers."""
    closing = "]" if opening == "[" else "}"
    inner = "" if opening == "[" else "1"
    fine = '{"a":' + opening * MAX_DEPTH + inner + closing * MAX_DEPTH + "}"
    assert read_document(fine)["a"].text == fine[5:-1]
    deeper = '{"a":' + opening * (MAX_DEPTH + 1) + inner + closing * (MAX_DEPTH + 1) + "}"
    with pytest.raises(Rejection, match="1001 levels deep, and at most 1000"):
        read_document(deeper)


def test_a_variable_is_text_and_value() -> None:
    """Each is made from the other, once."""
    assert Variable('{"a":[1]}').value == {"a": [1]}
    assert Variable(None, {"a": [1]}).text == '{"a":[1]}'
    assert documents.dump_object({"x": Variable("1"), "y z": Variable('"t"')}) == '{"x":1,"y z":"t"}'
