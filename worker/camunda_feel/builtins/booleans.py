"""Truth and absence."""

from typing import Any

from camunda_feel.builtins.library import builtin
from camunda_feel.functions import IllegalArgumentError


@builtin("not(negand: any)")
def negate(negand: Any) -> bool | None:
    """Anything but a boolean gives null, without a warning."""
    return not negand if type(negand) is bool else None


@builtin("is defined(value: any)")
def is_defined(value: Any) -> bool:
    """A null variable counts as undefined."""
    return value is not None


@builtin("get or else(value: any, default: any)")
def get_or_else(value: Any, default: Any) -> Any:
    """The default stands in for null."""
    return default if value is None else value


@builtin("assert(value: any, condition: any)")
def assert_condition(value: Any, condition: Any) -> Any:
    """Unmet, it fails the whole evaluation (the caller sees to that, by the function's name)."""
    return assert_with_cause(value, condition, "the condition is not fulfilled")


@builtin("assert(value: any, condition: any, cause: any)")
def assert_with_cause(value: Any, condition: Any, cause: Any) -> Any:
    """As above, with the modeler's own words."""
    if condition is not True:
        raise IllegalArgumentError(cause if type(cause) is str else "illegal arguments")
    return value
