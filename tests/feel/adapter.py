"""The engine as the conformance runner calls it.

python ../shared/feel/run_corpus.py --adapter tests.feel.adapter:evaluate
python ../shared/feel/run_corpus.py --adapter tests.feel.adapter:evaluate_json --json \
    --corpus ../shared/feel/connectors.dev.jsonl
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

try:
    import camunda_feel
except ModuleNotFoundError:
    sys.path.insert(0, str(Path(__file__).parents[2] / "worker"))
    import camunda_feel

from camunda_feel import temporal
from camunda_feel.values import CONTEXT_TYPES, lift

if TYPE_CHECKING:
    from collections.abc import Callable

_NONE = object()
_READERS: dict[str, Callable[[str], temporal.Temporal | None]] = {
    "date": temporal.parse_date,
    "time": temporal.parse_time,
    "date time": temporal.parse_date_time,
    "days-time-duration": temporal.parse_duration,
    "years-months-duration": temporal.parse_duration,
}


def evaluate(expr: str, context: dict[str, Any], unary_input: Any = _NONE) -> Any:
    """The value with its types kept; unary tests if there is an input."""
    variables = {key: _from_corpus(value) for key, value in context.items()}
    if unary_input is not _NONE:
        return _encoded(camunda_feel.parse_unary_tests(expr).test(_from_corpus(unary_input), variables).value)
    return _encoded(camunda_feel.parse(expr).evaluate(variables).value)


def evaluate_json(expr: str, context: dict[str, Any]) -> Any:
    """What the connector runtime would put into process variables, its functions being registered."""
    from openai_connector.outcome.feel_functions import (
        CONNECTOR_FUNCTIONS,
    )  # the package alone knows nothing of them

    variables = {key: _from_corpus(value) for key, value in context.items()}
    expression = camunda_feel.parse(expr.strip().removeprefix("="))
    return camunda_feel.to_json(expression.evaluate(variables, functions=CONNECTOR_FUNCTIONS).value)


def _from_corpus(value: Any) -> Any:
    """Data as the runner decodes it, its pairs of type name and text made into temporal values."""
    kind = getattr(value, "type", None)
    if kind is not None:
        text = value.value
        return temporal.parse_date_time(text) if kind == "date time" else _READERS[kind](text)
    if isinstance(value, dict):
        return {key: _from_corpus(item) for key, item in value.items()}
    return [_from_corpus(item) for item in value] if isinstance(value, list) else value


def _encoded(value: Any) -> Any:
    """All numbers read, so that the runner sees decimals throughout."""
    value = lift(value)
    if type(value) in CONTEXT_TYPES:
        return {key: _encoded(item) for key, item in value.items()}
    return [_encoded(item) for item in value] if type(value) is list else value
