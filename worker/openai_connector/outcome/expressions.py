"""The expressions of a task, compiled once and kept: FEEL, or a JSONPath mapping."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from openai_connector import wording
from openai_connector.outcome.actions import ActionError, check_result, names_action
from openai_connector.outcome.jsonpath import MOST_SECONDS, PathError, PathMapping

if TYPE_CHECKING:
    from camunda_feel import FeelWarning

_BEFORE = re.compile(r"[\s=]+")
CACHED_EXPRESSIONS = 1000  # compiled expressions kept; a cluster's diagrams have a few hundred at most


class ExpressionError(Exception):
    """An expression cannot be read, or failed; the message says which one, where and why."""

    nulls: tuple[NullReason, ...] = ()
    """Why parts of it were null until it failed."""


class MisplacedActionError(ExpressionError):
    """A result has an action where none can be; the message says which, and what to do."""


class NullReason(NamedTuple):
    """Why an expression, or a part of it, gave null."""

    label: str
    """What the modeler calls the expression."""
    kind: str
    """Such as `NO_VARIABLE_FOUND`."""
    line: int
    column: int
    text: str
    """In words, with the place; it may quote names and values."""


class CompiledExpression(Protocol):
    """Something that makes JSON of the response's keys and other variables."""

    known_names: frozenset[str]
    """Names of the variables that it is certain to set; empty where only evaluating can tell."""

    def evaluate(self, variables: Mapping[str, Any]) -> tuple[Any, list[NullReason]]:
        """Return the value as JSON, and the reasons why it or parts of it are null.

        Raises:
            ExpressionError: evaluation failed.
        """
        ...


class _Feel:
    known_names: frozenset[str] = frozenset()

    def __init__(self, label: str, text: str, *, is_result: bool) -> None:
        # Imported when the first expression comes: a worker's start need not wait for it.
        from camunda_feel import FeelError, FeelSyntaxError, parse

        self._label = label
        self._is_result = is_result
        self._is_named = names_action(text)
        try:
            self._expression = parse(text)
        except FeelSyntaxError as error:
            raise ExpressionError(wording.EXPRESSION_SYNTAX(label=label, problem=error)) from None
        except FeelError as error:
            raise ExpressionError(wording.EXPRESSION_UNREADABLE(label=label, problem=error)) from None

    def evaluate(self, variables: Mapping[str, Any]) -> tuple[Any, list[NullReason]]:
        from camunda_feel import FeelError, Limits, to_json
        from openai_connector.outcome.feel_functions import CONNECTOR_FUNCTIONS

        try:
            limits = Limits(seconds=MOST_SECONDS)
            evaluation = self._expression.evaluate(variables, functions=CONNECTOR_FUNCTIONS, limits=limits)
            value = to_json(evaluation.value)  # first: it bounds what may hold itself
            if self._is_result:
                check_result(
                    self._label, evaluation.value, variables.get("response"), is_named=self._is_named
                )
            return value, self._reasons(evaluation.warnings)
        except FeelError as error:
            failure = ExpressionError(wording.EXPRESSION_FAILED(label=self._label, problem=error))
            failure.nulls = tuple(self._reasons(getattr(error, "warnings", ())))
            raise failure from None
        except ActionError as error:
            raise MisplacedActionError(str(error)) from None

    def _reasons(self, warnings: Iterable[FeelWarning]) -> list[NullReason]:
        return [NullReason(self._label, w.type, w.line, w.column, str(w)) for w in warnings]


class _Path:
    def __init__(self, label: str, mapping: PathMapping) -> None:
        self._label = label
        self._mapping = mapping
        self.known_names = mapping.names

    def evaluate(self, variables: Mapping[str, Any]) -> tuple[Any, list[NullReason]]:
        response = variables["response"]
        try:
            value = self._mapping.apply(response)
            check_result(self._label, value, response, is_named="errorType" in self.known_names)
        except PathError as error:
            raise ExpressionError(wording.EXPRESSION_FAILED(label=self._label, problem=error)) from None
        except ActionError as error:
            raise MisplacedActionError(str(error)) from None
        return value, []


def is_blank(text: object) -> bool:
    """Check whether a header or an override counts as not set."""
    return not isinstance(text, str) or not text.strip()


def expression_text(text: str) -> str:
    """Return an expression without the `=` before it."""
    # Modeler shows an "=" of its own in these fields: one that is typed there too makes two, blanks between.
    begin = _BEFORE.match(text)
    return text[begin.end() if begin else 0 :].strip()


@lru_cache(maxsize=CACHED_EXPRESSIONS)
def compile_expression(label: str, text: str, *, takes_paths: bool) -> CompiledExpression:
    """Compile an expression; a `=` before it is optional, as in Camunda's runtime.

    Args:
        label: what the modeler calls it.
        text: FEEL, or a JSONPath mapping where `takes_paths`.
        takes_paths: a result expression does, an error expression does not (no path can give an error).

    Raises:
        ExpressionError: a syntax error, with line, column and a caret below the place.
    """
    text = expression_text(text)
    try:
        mapping = PathMapping.read(text) if takes_paths else None
    except PathError as error:
        raise ExpressionError(wording.PATH_UNREADABLE(label=label, problem=error)) from None
    return _Feel(label, text, is_result=takes_paths) if mapping is None else _Path(label, mapping)
