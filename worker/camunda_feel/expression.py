"""The public interface: parse a text once, evaluate it often."""

from __future__ import annotations

from decimal import DecimalException
from typing import TYPE_CHECKING, Any, NamedTuple

from camunda_feel.compiler import INPUT_VARIABLE, compile_node, names_read
from camunda_feel.decimals import arithmetic_failure
from camunda_feel.errors import FeelError, FeelEvaluationError, FeelLimitError, FeelSyntaxError
from camunda_feel.lexer import line_and_column
from camunda_feel.limits import DEFAULT_LIMITS, Limits
from camunda_feel.parser import parse_expression, parse_tests
from camunda_feel.runtime import FeelWarning, Run, Scope
from camunda_feel.values import ErrorValue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from camunda_feel.ast import Node
    from camunda_feel.functions import FunctionLibrary


class Evaluation(NamedTuple):
    """The result of an expression: a FEEL value, and why parts of it are null."""

    value: Any
    """See `camunda_feel.values`. Lists and contexts may be the same objects as in the input: do not change
    them. Numbers inside them that no expression read are still int or float."""
    warnings: tuple[FeelWarning, ...]


class Expression:
    """A parsed expression: immutable, reusable, usable from several threads at once."""

    __slots__ = ("_evaluate", "source", "variables")

    source: str
    """The text it was parsed from."""
    variables: frozenset[str]
    """The names of the variables that it may read, known without evaluating it."""

    def __init__(self, source: str, node: Node) -> None:
        try:
            self._evaluate = compile_node(node)
            self.variables = names_read(node)
        except RecursionError:
            raise FeelSyntaxError("expression is nested too deeply") from None
        self.source = source

    def evaluate(
        self,
        variables: Mapping[str, Any] | None = None,
        *,
        functions: FunctionLibrary | None = None,
        clock: Callable[[], datetime] | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> Evaluation:
        """Evaluate with variables (plain JSON data, Decimals, `datetime` objects and FEEL values).

        `functions` adds to the built-in ones. `clock` sets `now()` and `today()`: an aware datetime; by
        default the system's clock in the system's offset. Raises FeelEvaluationError where the engine fails,
        and FeelLimitError when the evaluation needs more than `limits` allows.
        """
        names = variables if type(variables) is dict else dict(variables or {})
        return self._run(names, functions, clock, limits)

    def _run(
        self,
        names: dict[str, Any],
        functions: FunctionLibrary | None,
        clock: Callable[[], datetime] | None,
        limits: Limits,
    ) -> Evaluation:
        run = Run(limits, functions.by_name if functions is not None else None, clock)
        try:
            value = self._value(run, names)
        except FeelEvaluationError as error:
            error.warnings = self._warnings(run)
            raise
        return Evaluation(value, self._warnings(run) if run.warned else ())

    def _warnings(self, run: Run) -> tuple[FeelWarning, ...]:
        return tuple(
            FeelWarning(kind, text, *line_and_column(self.source, pos)) for kind, text, pos in run.warned
        )

    def _value(self, run: Run, names: dict[str, Any]) -> Any:
        try:
            value = self._evaluate(Scope(run, names, None))
        except FeelError:
            raise
        except DecimalException as error:
            raise arithmetic_failure(error) from None
        except RecursionError:
            raise FeelLimitError("evaluation is nested too deeply") from None
        except Exception as error:
            # Nothing else may reach the caller; tests look for this message's cause.
            raise FeelEvaluationError(f"evaluation failed unexpectedly: {error!r}") from error
        if type(value) is ErrorValue:
            raise FeelEvaluationError(value.message)
        return value

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.source!r})"


class UnaryTests(Expression):
    """The parsed tests of a decision-table cell."""

    __slots__ = ()

    def test(
        self,
        value: Any,
        variables: Mapping[str, Any] | None = None,
        *,
        functions: FunctionLibrary | None = None,
        clock: Callable[[], datetime] | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> Evaluation:
        """Test an input value; the result is true, false or null. Otherwise as `evaluate`."""
        names = {**(variables or {}), INPUT_VARIABLE: value}
        return self._run(names, functions, clock, limits)


def parse(text: str, *, limits: Limits = DEFAULT_LIMITS) -> Expression:
    """Parse an expression; raise FeelSyntaxError with the position of the error."""
    return Expression(text, parse_expression(text, limits))


def parse_unary_tests(text: str, *, limits: Limits = DEFAULT_LIMITS) -> UnaryTests:
    """Parse unary tests such as `"a", "b"` or `[1..5]`; raise FeelSyntaxError."""
    return UnaryTests(text, parse_tests(text, limits))
