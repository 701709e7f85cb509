"""Which variables an incident's message speaks of."""

from __future__ import annotations

import pytest

from openai_connector.tools.sandbox.mending import named_in


@pytest.mark.parametrize(
    ("message", "names"),
    [
        pytest.param("Temperature must be a number, got 'hot'", ["openai_temperature"], id="a label"),
        pytest.param(
            "Model is required; Prompt is required",
            ["openai_model", "openai_prompt"],
            id="labels after each other",
        ),
        pytest.param(
            "The answer is kept: set the local variable openai_resultExpression at the task; openai_state "
            "has it.",
            ["openai_resultExpression"],
            id="a variable, and the worker's own",
        ),
        pytest.param("The Model of this house must be seen", [], id="a label in a sentence"),
        pytest.param("", [], id="nothing"),
    ],
)
def test_variables_that_a_message_names(message: str, names: list[str]) -> None:
    """Variables are found by their names and by the labels of their fields, and nothing else is."""
    assert sorted(named_in(message)) == sorted(names)
