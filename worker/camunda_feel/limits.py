"""Limits of an expression's work: expressions come from modelers, and their data from anywhere."""

from typing import NamedTuple


class Limits(NamedTuple):
    """Bounds of one parse or evaluation; exceeding one raises a `FeelError` with its name."""

    steps: int = 3_000_000
    """Items visited plus functions called in one evaluation (about two seconds of work)."""
    seconds: float = 10.0
    """Seconds of one evaluation, checked when steps are counted: work on long strings costs few steps."""
    nesting: int = 50
    """Levels of parentheses, lists, calls and so on in an expression (a chain of `else if` is one level)."""
    depth: int = 200
    """Levels of data that is compared, printed or converted; also properties and filters in a row."""
    size: int = 4_000_000
    """Characters of a string, or items of a list, that an evaluation may build; nodes of a JSON result."""
    range_length: int = 2_000_000
    """Numbers of an iteration `a..b`."""
    digits: int = 10_000
    """Digits of one number, written or calculated."""
    source: int = 1_000_000
    """Characters of an expression's text."""
    regex_seconds: float = 0.5
    """Seconds for each use of a regular expression."""
    warnings: int = 100
    """Warnings kept from one evaluation; further ones are dropped."""


DEFAULT_LIMITS = Limits()
