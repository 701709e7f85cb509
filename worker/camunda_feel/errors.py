"""What can go wrong, as a small tree: `FeelError` over `FeelSyntaxError` and `FeelEvaluationError`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from camunda_feel.runtime import FeelWarning


class FeelError(Exception):
    """Root of everything that this package raises; nothing else escapes from it, whatever the input."""


class FeelSyntaxError(FeelError):
    """The text is not a FEEL expression (or is nested deeper than allowed).

    `line` and `column` count from 1; `excerpt` is the line in question with a caret below the place.
    """

    def __init__(self, message: str, line: int = 1, column: int = 1, excerpt: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column
        self.excerpt = excerpt

    def __str__(self) -> str:
        place = f"{self.message} (line {self.line}, column {self.column})"
        return f"{place}\n{self.excerpt}" if self.excerpt else place


class FeelEvaluationError(FeelError):
    """Evaluation failed where the engine would raise an incident; also raised when a limit is exceeded."""

    warnings: tuple[FeelWarning, ...] = ()
    """Why parts of the expression were null until then."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class FeelLimitError(FeelEvaluationError):
    """An evaluation needs more than `Limits` allows."""
