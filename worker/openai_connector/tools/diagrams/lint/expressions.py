"""What can be known of an expression without the process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from openai_connector.tools.diagrams.lint.subject import Finding

NOT_CONSTANT: Final = object()


def syntax_findings(label: str, source: str, line: int) -> Iterator[Finding]:
    """Check the syntax of an input's expression."""
    from camunda_feel import FeelError, parse

    try:
        parse(source[1:])
    except FeelError as error:
        yield Finding("feel-syntax", "error", f"{label} has a FEEL syntax error: {error}", line)


def null_findings(label: str, source: str, line: int) -> Iterator[Finding]:
    """Say why an input's expression, or a part of it, gives null, where the diagram alone decides it."""
    from camunda_feel import FeelError, parse

    try:
        expression = parse(source[1:])
        warnings = () if expression.variables else expression.evaluate({}).warnings
    except FeelError:
        return
    for warning in warnings:
        yield Finding("gives-null", "warning", f"{label} gives null: {warning}", line)


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
