"""Expressions of a diagram: static text, or FEEL after an equals sign, and checks of the result's type."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import camunda_feel
from camunda_feel import FeelError, FeelLimitError, FunctionLibrary, Limits
from local_engine.errors import ExpressionError

SECONDS_PER_STEP: Final = 1.0
"""Seconds for all expressions of one step together: no other command runs at the same time."""
MISSING: Final[Any] = object()
"""What a lookup returns for a name that no scope has."""

Lookup = Callable[[str], Any]
"""Returns the value of a variable, or `MISSING`."""


class Expression:
    """`=feel`, parsed once; anything else is the text itself."""

    __slots__ = ("feel", "text")

    def __init__(self, text: str) -> None:
        """Parse an expression.

        Raises:
            ExpressionError: it is not FEEL.
        """
        self.text = text
        self.feel: camunda_feel.Expression | None = None
        if text.startswith("="):
            try:
                self.feel = camunda_feel.parse(text[1:])
            except FeelError as error:
                raise ExpressionError(f"Failed to parse the expression '{text[1:]}': {error}") from None

    @property
    def is_static(self) -> bool:
        """Whether the text is the value."""
        return self.feel is None

    @property
    def source(self) -> str:
        """The expression as messages show it: without the equals sign."""
        return self.text[1:] if self.feel is not None else self.text

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"


class Evaluator:
    """Evaluates the expressions of one step, which share one time limit."""

    __slots__ = ("_clock", "_ends", "lookup")

    def __init__(self, lookup: Lookup, clock: Callable[[], datetime]) -> None:
        self.lookup = lookup
        self._clock = clock
        self._ends = 0.0  # set by the first FEEL evaluation: most steps have none

    def cover(self, variables: Mapping[str, Any]) -> None:
        """Add variables that cover all others: they are evaluated, but not written yet."""
        outer = self.lookup
        self.lookup = lambda name: variables[name] if name in variables else outer(name)

    def elsewhere(self, lookup: Lookup) -> Evaluator:
        """Return an evaluator that sees other variables; it shares this one's time limit."""
        other = Evaluator(lookup, self._clock)
        other._ends = self._ends
        return other

    def value(self, expression: Expression, over: dict[str, Any] | None = None) -> Any:
        """Return the expression's value: FEEL's, or the text.

        Args:
            expression: to evaluate.
            over: variables that cover those of the scope.

        Raises:
            ExpressionError: FEEL failed, or the step has run for too long.
        """
        feel = expression.feel
        if feel is None:
            return expression.text
        names: dict[str, Any] = {}
        for name in feel.variables:
            if over is not None and name in over:
                names[name] = over[name]
            elif (value := self.lookup(name)) is not MISSING:
                names[name] = value
        try:
            return feel.evaluate(names, functions=FUNCTIONS, clock=self._clock, limits=self._limits()).value
        except FeelLimitError as error:
            raise ExpressionError(
                f"The expression '{_shortened(expression.source)}' was stopped: {error}; make it or its data "
                "smaller."
            ) from None
        except FeelError as error:
            raise ExpressionError(
                f"Failed to evaluate the expression '{_shortened(expression.source)}': {error}"
            ) from None

    def _limits(self) -> Limits:
        now = time.monotonic()
        if not self._ends:
            self._ends = now + SECONDS_PER_STEP
        left = self._ends - now
        if left <= 0:
            raise ExpressionError(
                f"The element's expressions took more than {SECONDS_PER_STEP:g} s together: make them or "
                "their data smaller."
            )
        return Limits(seconds=left, regex_seconds=min(0.5, left))

    def json(self, expression: Expression, over: dict[str, Any] | None = None) -> Any:
        """Return the expression's value as plain JSON data.

        Raises:
            ExpressionError: as `value`, or the value has no JSON form.
        """
        value = self.value(expression, over)
        return value if expression.feel is None else as_json(value, expression)

    def text(self, expression: Expression) -> str:
        """Return a value that must be a string."""
        value = self.value(expression)
        if isinstance(value, str):
            return value
        raise wrong_type(expression, "STRING", value)

    def boolean(self, expression: Expression, over: dict[str, Any] | None = None) -> bool:
        """Return a value that must be true or false."""
        value = self.value(expression, over)
        if isinstance(value, bool):
            return value
        raise wrong_type(expression, "BOOLEAN", value)

    def integer(self, expression: Expression) -> int:
        """Return a value that must be a whole number; a static text may be one too."""
        value = self.value(expression)
        try:
            if isinstance(value, bool):
                raise ValueError
            number = int(value)
            if not isinstance(value, str) and number != value:
                raise ValueError
        except (TypeError, ValueError, ArithmeticError):
            raise wrong_type(expression, "NUMBER", value) from None
        return number

    def array(self, expression: Expression) -> list[Any]:
        """Return a value that must be a list, as plain JSON data."""
        value = self.value(expression)
        if not isinstance(value, list):
            raise wrong_type(expression, "ARRAY", value)
        items: list[Any] = as_json(value, expression)
        return items


def as_json(value: Any, expression: Expression) -> Any:
    """Return a FEEL value as plain JSON data.

    Raises:
        ExpressionError: the value has no JSON form, such as a function.
    """
    try:
        return camunda_feel.to_json(value)
    except FeelError as error:
        raise ExpressionError(
            f"The value of the expression '{_shortened(expression.source)}' cannot be kept: {error}"
        ) from None


def type_name(value: Any) -> str:
    """Return the name of a value's type in messages."""
    if value is None:
        return "NULL"
    for kind, name in _TYPE_NAMES:
        if isinstance(value, kind):
            return name
    return "NUMBER"


_TYPE_NAMES: Final[tuple[tuple[Any, str], ...]] = (
    (bool, "BOOLEAN"),
    (str, "STRING"),
    (list, "ARRAY"),
    (dict, "OBJECT"),
    (camunda_feel.DaysTimeDuration, "DURATION"),
    (camunda_feel.YearsMonthsDuration, "PERIOD"),
    (camunda_feel.ZonedDateTime, "DATE_TIME"),
    (camunda_feel.LocalDateTime, "DATE_TIME"),
    (camunda_feel.Temporal, "DATE"),
)


def wrong_type(expression: Expression, wanted: str, value: Any) -> ExpressionError:
    """Return the error for a value that does not have the type that is needed."""
    return ExpressionError(
        f"Expected result of the expression '{_shortened(expression.source)}' to be '{wanted}', "
        f"but was '{type_name(value)}'."
    )


def _shortened(text: str) -> str:
    return text if len(text) <= 500 else f"{text[:500]}…"


def _library() -> FunctionLibrary:
    """Return the functions that the engine adds to FEEL's own: `cycle`, for timers."""
    from local_engine import schedules

    return schedules.feel_functions()


FUNCTIONS: Final = _library()
