"""The face that the package shows: names, warnings, errors, reuse, data handed in and out."""

from __future__ import annotations

import datetime
import operator
import pickle
import re
import threading
from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import camunda_feel
from camunda_feel import (
    Date,
    FeelError,
    FeelEvaluationError,
    FeelLimitError,
    FeelSyntaxError,
    FunctionLibrary,
    IllegalArgumentError,
    Limits,
    ast,
    parse,
    to_json,
)
from camunda_feel.parser import parse_expression


def evaluate(text: str, variables: Mapping[str, Any] | None = None) -> Any:
    """The value of an expression."""
    return parse(text).evaluate(variables).value


def test_exported_names() -> None:
    """The public names are exactly these: what is added or taken away is a decision."""
    assert set(camunda_feel.__all__) == {
        *("parse", "parse_unary_tests", "to_json", "Expression", "UnaryTests", "Evaluation", "FeelWarning"),
        *("FeelError", "FeelSyntaxError", "FeelEvaluationError", "FeelLimitError", "IllegalArgumentError"),
        *("FunctionLibrary", "Limits", "Temporal", "Date", "LocalTime", "ZonedTime", "LocalDateTime"),
        *("ZonedDateTime", "YearsMonthsDuration", "DaysTimeDuration"),
    }
    assert all(hasattr(camunda_feel, name) for name in camunda_feel.__all__)


def test_error_tree() -> None:
    """Every error is a FeelError, and a limit is an evaluation error."""
    assert issubclass(FeelSyntaxError, FeelError)
    assert issubclass(FeelLimitError, FeelEvaluationError)
    assert issubclass(FeelEvaluationError, FeelError)


def test_syntax_error_shows_the_place() -> None:
    """A syntax error names line and column and points at them with a caret."""
    with pytest.raises(FeelSyntaxError) as caught:
        parse("{a: 1,\n b: (2 +}")
    assert (caught.value.line, caught.value.column) == (2, 9)
    assert caught.value.excerpt == " b: (2 +}\n        ^"
    assert "line 2, column 9" in str(caught.value)


def test_warnings_name_what_is_missing() -> None:
    """A null comes with its reason, the names involved and the place."""
    warnings = parse("{a: nope,\n b: body.idd}").evaluate({"body": {"id": 1}}).warnings
    assert [(w.type, w.line, w.column) for w in warnings] == [
        ("NO_VARIABLE_FOUND", 1, 5),
        ("NO_CONTEXT_ENTRY_FOUND", 2, 5),
    ]
    assert "'nope'" in warnings[0].message
    assert "'id'" in warnings[1].message


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("1 + null", "INVALID_TYPE"),
        ('1 < "a"', "NOT_COMPARABLE"),
        ('"a".x', "NO_PROPERTY_FOUND"),
        ("nope(1)", "NO_FUNCTION_FOUND"),
        ("count(1)", "FUNCTION_INVOCATION_FAILURE"),
    ],
)
def test_kinds_of_warnings(text: str, kind: str) -> None:
    """Each way to null has the engine's name for it."""
    evaluation = parse(text).evaluate()
    assert evaluation.value is None
    assert kind in [warning.type for warning in evaluation.warnings]


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("1 and true and 2", ["INVALID_TYPE", "INVALID_TYPE"]),
        ('1 != "a"', ["NOT_COMPARABLE", "INVALID_TYPE"]),
        ("[1..3]", ["NO_VARIABLE_FOUND", "NO_VARIABLE_FOUND", "NOT_COMPARABLE"]),
        ("for x in 1, y in 2 return x", ["INVALID_TYPE", "INVALID_TYPE"]),
        ("[a.f(1), b]", ["NO_VARIABLE_FOUND", "INVALID_TYPE"]),
        ("context(1)", []),
        ('"a" ** null', ["INVALID_TYPE"]),
    ],
)
def test_warnings_come_as_the_engine_gives_them(text: str, kinds: list[str]) -> None:
    """Each null on the way is warned of, and as often as the engine looks at it."""
    assert [
        warning.type for warning in parse(f"is defined(for i in [1] return {text})").evaluate().warnings
    ] == kinds


def test_warnings_are_bounded() -> None:
    """A loop that warns a thousand times keeps a hundred warnings."""
    assert len(parse("for i in 1..1000 return nope").evaluate().warnings) == 100


def test_no_warning_without_null() -> None:
    """An ordinary evaluation warns of nothing."""
    assert parse("a + 1").evaluate({"a": 1}) == (Decimal(2), ())


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("response.body.id", {"response"}),
        ("{a: b, c: a}", {"b"}),
        ("for x in xs return x + y + partial[1]", {"xs", "y"}),
        ("function(a) a + b", {"b"}),
        ("xs[item.n > limit]", {"xs", "limit"}),
        ("f(a, g(b))", {"a", "b"}),
        ("a.f(b)", {"a", "b"}),
        ("some x in xs satisfies x = `my var`", {"xs", "my var"}),
        ("if a then b else c", {"a", "b", "c"}),
        ("x in (a, > b)", {"x", "a", "b"}),
        ("{f: function() 1, r: f}", {"f"}),
        ("1", set()),
    ],
)
def test_free_variables(text: str, names: set[str]) -> None:
    """The variables that an expression reads are known without evaluating it."""
    assert parse(text).variables == names


def test_expressions_are_reusable_across_threads() -> None:
    """One parsed expression evaluates in many threads at once."""
    expression = parse("sum(for i in xs return i * n)")
    results: list[Any] = []

    def work(n: int) -> None:
        results.extend(expression.evaluate({"xs": [1, 2, 3], "n": n}).value == 6 * n for _ in range(50))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 400


def test_source_is_kept() -> None:
    """An expression remembers its text."""
    assert parse(" 1 + 1").source == " 1 + 1"


def test_python_data_becomes_feel() -> None:
    """Numbers, tuples, mappings and datetime objects may be handed in."""
    berlin = ZoneInfo("Europe/Berlin")
    values = {
        "n": 1.5,
        "t": (1, 2),
        "m": MappingProxyType({"a": 1}),
        "d": datetime.date(2024, 1, 31),
        "dt": datetime.datetime(2024, 7, 1, 12, tzinfo=berlin),
        "span": datetime.timedelta(hours=26),
        "clock": datetime.time(10, 30),
    }
    assert evaluate("n * 2", values) == 3
    assert evaluate("t[2] + m.a", values) == 3
    assert str(evaluate('d + @"P1M"', values)) == "2024-02-29"
    assert str(evaluate("dt", values)) == "2024-07-01T12:00:00@Europe/Berlin"
    assert evaluate("span.days", values) == 1
    assert str(evaluate("clock", values)) == "10:30:00"


def test_alien_objects_are_refused() -> None:
    """An object without FEEL value fails when it is read, and only then."""
    assert evaluate("1", {"x": object()}) == 1
    with pytest.raises(FeelEvaluationError, match="object has no FEEL value"):
        evaluate("x", {"x": object()})


def test_numbers_are_read_lazily() -> None:
    """A part of the answer that no operator touches is handed through as it is."""
    body = {"big": [1, 2.5]}
    assert evaluate("{b: body}", {"body": body})["b"] is body


def test_floats_keep_javas_scale() -> None:
    """A double prints as Java prints it, as the engine sees doubles that way."""
    assert evaluate("string(x)", {"x": 100.0}) == "100.0"
    assert evaluate("string(x)", {"x": 1e21}) == "1.0E+21"
    assert evaluate("string(x)", {"x": 1e-5}) == "0.000010"
    assert evaluate("string(x)", {"x": -0.0}) == "0.0"


def test_clock_is_a_parameter() -> None:
    """`now` and `today` follow the given clock and its zone."""
    moment = datetime.datetime(2024, 2, 29, 23, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    evaluation = parse("[now(), today()]").evaluate(clock=lambda: moment)
    assert list(map(str, evaluation.value)) == ["2024-02-29T23:30:00@Europe/Berlin", "2024-02-29"]


def test_naive_clock_is_refused() -> None:
    """A clock without offset is a mistake of the caller, told as an error."""
    with pytest.raises(FeelEvaluationError, match="aware"):
        parse("now()").evaluate(clock=lambda: datetime.datetime(2024, 1, 1))


def test_registered_functions() -> None:
    """A caller's functions are checked, overloaded and called by name like built-in ones."""
    library = FunctionLibrary()

    @library.function("half(n: number)")
    def half(n: Decimal) -> Decimal:
        return n / 2

    @library.function("half(n: number, times: number)")
    def half_often(n: Decimal, times: Decimal) -> Decimal:
        if times < 0:
            raise IllegalArgumentError("times must not be negative")
        return n / 2**times

    text = '[half(4), half(8, 2), half(times: 1, n: 6), half("a"), half(1, -1), half()]'
    evaluation = parse(text).evaluate(functions=library)
    assert evaluation.value == [2, 2, 3, None, None, None]
    assert "times must not be negative" in evaluation.warnings[1].message
    assert parse("half(4)").evaluate().value is None


def test_failing_function_fails_the_evaluation() -> None:
    """A bug in a registered function surfaces as a FeelEvaluationError with its cause."""
    library = FunctionLibrary()

    @library.function("broken()")
    def broken() -> int:
        raise KeyError("oops")

    with pytest.raises(FeelEvaluationError, match="broken") as caught:
        parse("broken()").evaluate(functions=library)
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.10", 1.1),
        ("5.0", 5),
        ("1/3", 0.3333333333333333),
        ("9223372036854775807", 9223372036854775807),
        ("12345678901234567890", 1.2345678901234567e19),
        ("10 ** 400", "Infinity"),
        ('@"2024-01-01"', "2024-01-01"),
        ('@"10:00:00"', "10:00:00"),
        ('@"10:00:00+02:00"', "10:00+02:00"),
        ('@"10:00:01Z"', "10:00:01Z"),
        ('@"10:00:01.5Z"', "10:00:01.500Z"),
        ('@"10:00:00.0001+02:00"', "10:00:00.000100+02:00"),
        ('@"10:00:00.5"', "10:00:00.5"),
        ('@"2024-01-01T10:00:00"', "2024-01-01T10:00:00"),
        ('@"2024-01-01T10:00:00@Europe/Berlin"', "2024-01-01T10:00:00+01:00"),
        ('@"P1Y2M"', "P1Y2M"),
        ('@"-P14M"', "P-1Y-2M"),
        ('@"P0Y"', "P0D"),
        ('@"P1DT2H"', "PT26H"),
        ('@"P400D"', "PT9600H"),
        ('@"-PT1H"', "PT-1H"),
        ('@"PT0.5S"', "PT0.5S"),
        ('@"-PT0.5S"', "PT-0.5S"),
        ('@"-PT1M0.5S"', "PT-1M-0.5S"),
        ('@"PT0S"', "PT0S"),
        ("{f: function(x) x, a: [null, true, {}]}", {"a": [None, True, {}]}),
    ],
)
def test_to_json(text: str, expected: Any) -> None:
    """Values become what Camunda's connector runtime writes into process variables."""
    result = to_json(evaluate(text))
    assert result == expected
    assert type(result) is type(expected)


def test_json_shares_nothing_with_the_data() -> None:
    """The JSON can be changed without changing the answer that it came from."""
    data = {"a": [1]}
    result = to_json(evaluate("x", {"x": data}))
    result["a"].append(2)
    assert data == {"a": [1]}


def test_values_print_and_compare() -> None:
    """Temporal values are equal by type and value, hashable and readable."""
    first, second = evaluate('@"2024-01-01"'), Date.of(2024, 1, 1)
    assert first == second
    assert len({first, second}) == 1
    assert repr(first) == "Date('2024-01-01')"


def test_errors_survive_pickling() -> None:
    """Errors can cross process borders."""
    error = pickle.loads(pickle.dumps(FeelSyntaxError("bad", 2, 3, "x")))
    assert (error.message, error.line, error.column, error.excerpt) in [("bad", 2, 3, "x"), ("bad", 1, 1, "")]


class _Callable:
    """An object that can be called."""

    def __call__(self, value: Any) -> Any:
        return value


@pytest.mark.parametrize(
    ("signature", "body", "expression", "value"),
    [
        pytest.param("up(s: string)", str.upper, 'up("a")', "A", id="method_of_a_type"),
        pytest.param("plus(a: number)", partial(operator.add, 1), "plus(2)", 3, id="partial"),
        pytest.param(
            "same(run: any)", _Callable(), "same(3)", 3, id="callable_object_with_a_parameter_called_run"
        ),
        pytest.param("most(items: any...)", max, "most(1, 3, 2)", 3, id="built_in_without_a_signature"),
    ],
)
def test_any_callable_can_be_registered(signature: str, body: Any, expression: str, value: Any) -> None:
    """What Python can call is a body, and no parameter's name has a meaning of its own."""
    library = FunctionLibrary()
    library.function(signature)(body)
    assert parse(expression).evaluate({}, functions=library).value == value


@pytest.mark.parametrize(
    ("signature", "body", "words"),
    [
        pytest.param("f", len, "is no signature", id="no_parentheses"),
        pytest.param("(a: any)", len, "is no signature", id="no_name"),
        pytest.param("f(a: text)", len, "parameter 1, a, has no known type", id="unknown_type"),
        pytest.param("f(a: any, b)", max, "parameter 2, b, has no known type", id="no_type"),
        pytest.param("f(a: any, a: any)", max, "parameter 1 needs a name of its own", id="name_twice"),
        pytest.param("f(a: any, b: any)", lambda a: a, "cannot be called with 2 arguments", id="too_few"),
        pytest.param("f()", lambda a: a, "cannot be called with 0 arguments", id="too_many"),
        pytest.param("f(a: any)", "text", "cannot be called", id="no_callable"),
    ],
)
def test_wrong_registrations_are_refused_at_once(signature: str, body: Any, words: str) -> None:
    """A ValueError names the signature and the place; nothing is registered."""
    library = FunctionLibrary()
    with pytest.raises(ValueError, match=re.escape(words)):
        library.function(signature)(body)
    assert library.by_name == {}


def test_the_syntax_tree_is_frozen() -> None:
    """A node can be walked and not be changed."""
    node = parse_expression("a + [1, b]", Limits())
    names = [child for child in _walk(node) if isinstance(child, ast.Name)]
    assert [name.names for name in sorted(names, key=lambda name: name.pos)] == [("a",), ("b",)]
    with pytest.raises(AttributeError, match="frozen"):
        node.pos = 3  # type: ignore[misc]
    with pytest.raises(AttributeError, match="frozen"):
        del node.pos


def _walk(node: ast.Node) -> list[ast.Node]:
    return [node, *(each for child in node.children() for each in _walk(child))]
