"""FEEL values as the JSON that Camunda's connector runtime writes into process variables."""

from __future__ import annotations

from decimal import Decimal
from math import isinf
from typing import Any

from camunda_feel.decimals import is_whole, to_double
from camunda_feel.errors import FeelLimitError
from camunda_feel.limits import DEFAULT_LIMITS, Limits
from camunda_feel.temporal import Temporal
from camunda_feel.values import CONTEXT_TYPES, ErrorValue, Function, lift

_LONG = 2**63


def to_json(value: Any, *, limits: Limits = DEFAULT_LIMITS) -> Any:
    """Return plain JSON values: whole numbers within 64 bits as int, others as float, temporals as ISO text.

    The result shares nothing with the value. Raises FeelLimitError beyond `limits.depth` and `limits.size`
    (values may hold one part many times, or themselves), FeelEvaluationError for objects without FEEL value.
    """
    return _Converter(limits).convert(value, 0)


class _Converter:
    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.left = limits.size

    def convert(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind is str or value is None or kind is bool:
            return value
        if kind is int and -_LONG <= value < _LONG:
            return value
        if kind is list or kind in CONTEXT_TYPES:
            if depth >= self.limits.depth:
                raise FeelLimitError(f"a result may be nested {self.limits.depth} levels deep at most")
            self.left -= len(value) + 1
            if self.left < 0:
                raise FeelLimitError(f"a result may have {self.limits.size} parts at most")
            if kind is list:
                return [self.convert(item, depth + 1) for item in value]
            return {key: self.convert(item, depth + 1) for key, item in value.items()}
        lifted = lift(value)
        if type(lifted) is Decimal:
            return _number(lifted)
        if isinstance(lifted, Temporal):
            return lifted.to_json()
        if isinstance(lifted, Function | ErrorValue):
            return None
        if type(lifted) is not kind:
            return self.convert(lifted, depth)
        return str(lifted)


def _number(number: Decimal) -> int | float | str:
    if number.adjusted() < 19 and is_whole(number):
        whole = int(number)
        if -_LONG <= whole < _LONG:
            return whole
    double = to_double(number)
    if isinf(double):
        # JSON has no infinity; Jackson writes its name.
        return "Infinity" if double > 0 else "-Infinity"
    return double
