"""What a source or an expression is worth, where the diagram alone decides it."""

from __future__ import annotations

from typing import Any, Final

NOT_CONSTANT: Final = object()


def value_of(source: str) -> Any:
    """Return an input's value if the diagram alone decides it, else NOT_CONSTANT."""
    from camunda_feel import FeelError, parse, to_json

    if not source.startswith("="):
        return source
    try:
        expression = parse(source[1:])
        return NOT_CONSTANT if expression.variables else to_json(expression.evaluate({}).value)
    except FeelError:
        return NOT_CONSTANT
