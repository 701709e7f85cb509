"""FEEL in pure Python, as Camunda's engine (feel-scala 1.21) evaluates it.

    >>> import camunda_feel
    >>> expression = camunda_feel.parse("{total: sum(for i in items return i.price * i.count)}")
    >>> expression.evaluate({"items": [{"price": 2.5, "count": 4}]}).value
    {'total': Decimal('10.0')}

`parse` and `parse_unary_tests` return reusable expressions. Evaluating one returns a value with warnings that
explain why parts of it are null, or raises a `FeelError`. `to_json` returns values in the form in which
Camunda's connector runtime writes them into process variables.
"""

from camunda_feel.errors import FeelError, FeelEvaluationError, FeelLimitError, FeelSyntaxError
from camunda_feel.expression import Evaluation, Expression, UnaryTests, parse, parse_unary_tests
from camunda_feel.functions import FunctionLibrary, IllegalArgumentError
from camunda_feel.json_output import to_json
from camunda_feel.limits import Limits
from camunda_feel.runtime import FeelWarning
from camunda_feel.temporal import (
    Date,
    DaysTimeDuration,
    LocalDateTime,
    LocalTime,
    Temporal,
    YearsMonthsDuration,
    ZonedDateTime,
    ZonedTime,
)

__version__ = "0.2.0"

__all__ = [
    "Date",
    "DaysTimeDuration",
    "Evaluation",
    "Expression",
    "FeelError",
    "FeelEvaluationError",
    "FeelLimitError",
    "FeelSyntaxError",
    "FeelWarning",
    "FunctionLibrary",
    "IllegalArgumentError",
    "Limits",
    "LocalDateTime",
    "LocalTime",
    "Temporal",
    "UnaryTests",
    "YearsMonthsDuration",
    "ZonedDateTime",
    "ZonedTime",
    "parse",
    "parse_unary_tests",
    "to_json",
]
