"""What can be known of an expression without the process."""

from __future__ import annotations

from collections.abc import Iterator

from openai_connector.tools.diagrams.lint.subject import Finding


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
