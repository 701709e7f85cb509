"""The project's own cases, topic by topic."""

from __future__ import annotations

from typing import Any

import pytest

from camunda_feel import FeelError, FeelSyntaxError, parse, parse_unary_tests
from camunda_feel.limits import DEFAULT_LIMITS
from camunda_feel.runtime import Run
from camunda_feel.values import lift, to_text
from tests.feel.cases import CASES, UNARY_CASES


def printed(value: Any) -> str:
    """A value as `string` prints it inside a list."""
    return to_text(lift(value), Run(DEFAULT_LIMITS, None, None))


@pytest.mark.parametrize(("text", "variables", "expected"), CASES, ids=[case[0] for case in CASES])
def test_expression(text: str, variables: dict[str, Any], expected: str) -> None:
    """An expression gives the value, the failure or the syntax error that the engine gives."""
    try:
        result = printed(parse(text).evaluate(variables).value)
    except FeelSyntaxError:
        result = "SYNTAX ERROR"
    except FeelError:
        result = "FAILURE"
    assert result == expected


@pytest.mark.parametrize(("text", "literal", "expected"), UNARY_CASES)
def test_unary_tests(text: str, literal: str, expected: str) -> None:
    """The tests of a decision-table cell accept, refuse or leave open an input."""
    value = parse(literal).evaluate().value
    try:
        result = printed(parse_unary_tests(text).test(value, {"x": 3}).value)
    except FeelSyntaxError:
        result = "SYNTAX ERROR"
    assert result == expected
