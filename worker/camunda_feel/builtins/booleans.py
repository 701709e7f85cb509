"""Booleans, and checks for null."""

from typing import Any

from camunda_feel.builtins.library import builtin
from camunda_feel.functions import IllegalArgumentError


@builtin("not(negand: any)")
def negate(negand: Any) -> bool | None:
    """Negate a boolean; anything else is null, without a warning."""
    return not negand if type(negand) is bool else None


@builtin("is defined(value: any)")
def is_defined(value: Any) -> bool:
    """Return whether a value is not null: a null variable counts as undefined."""
    return value is not None


@builtin("get or else(value: any, default: any)")
def get_or_else(value: Any, default: Any) -> Any:
    """Return the value, or the default if the value is null."""
    return default if value is None else value


@builtin("assert(value: any, condition: any)")
def assert_condition(value: Any, condition: Any) -> Any:
    """Check a condition; if it is not met, the whole evaluation fails (`compiler` handles this name)."""
    return assert_with_cause(value, condition, "the condition is not fulfilled")


@builtin("assert(value: any, condition: any, cause: any)")
def assert_with_cause(value: Any, condition: Any, cause: Any) -> Any:
    """Check a condition as above, with the modeler's own message."""
    if condition is not True:
        raise IllegalArgumentError(cause if type(cause) is str else "illegal arguments")
    return value
