"""Untrusted text and data: errors, never crashes, hangs or unbounded work."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camunda_feel import (
    FeelError,
    FeelEvaluationError,
    FeelLimitError,
    FeelSyntaxError,
    Limits,
    parse,
    parse_unary_tests,
    to_json,
)

LIMITS = Limits(steps=20_000, size=100_000, range_length=2_000, regex_seconds=0.1)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("(" * 10_000, id="open brackets"),
        pytest.param("(" * 10_000 + "1" + ")" * 10_000, id="closed brackets"),
        pytest.param("[" * 10_000, id="lists"),
        pytest.param("{a:" * 10_000, id="contexts"),
        pytest.param("if " * 10_000, id="ifs"),
        pytest.param("a[" * 10_000, id="filters"),
        pytest.param("f(" * 10_000, id="calls"),
        pytest.param("function(x) " * 10_000 + "x", id="functions"),
        pytest.param("1 in (" * 5_000, id="unary tests"),
        pytest.param("((((((((((((((((((((((((((((((1..", id="open ranges"),
        pytest.param("not(" * 5_000, id="negated tests"),
        pytest.param("a" + "[1]" * 5_000, id="indexes"),
        pytest.param("9" * 100_000, id="digits"),
        pytest.param("1 +" * 20_000, id="sums"),
    ],
)
def test_nesting_is_refused_at_once(text: str) -> None:
    """Endless nesting is a syntax error, however it is spelled."""
    with pytest.raises(FeelSyntaxError):
        parse(text)


def test_long_flat_expressions_work() -> None:
    """What is long but not deep is no problem: sums, alternatives, lists, else-ifs."""
    assert parse("+".join(["1"] * 5_000)).evaluate().value == 5_000
    assert parse(" or ".join(["false"] * 5_000)).evaluate().value is False
    assert len(parse("[" + ",".join(["1"] * 5_000) + "]").evaluate().value) == 5_000
    branches = " else ".join(f"if x = {n} then {n}" for n in range(500))
    assert parse(branches + " else -1").evaluate({"x": 499}).value == 499


def test_megabyte_string() -> None:
    """A string of a megabyte is read, one beyond the limit is refused."""
    assert parse('string length("' + "x" * 900_000 + '")').evaluate().value == 900_000
    with pytest.raises(FeelSyntaxError, match="longer than"):
        parse('"' + "x" * 1_000_000 + '"')


@pytest.mark.parametrize(
    "text",
    [
        "for i in 1..1000000 return i",
        "for a in 1..2000, b in 1..2000 return a",
        "some a in 1..2000, b in 1..2000 satisfies false",
        "for i in 1..5000 return partial",
        "count(for i in 1..2000 return for j in 1..2000 return j)",
        '{a: string join(for i in 1..2000 return "0123456789"), b: a + a + a + a + a + a}',
        "decimal(1, 100000)",
        pytest.param('number("' + "1" * 20_000 + '")', id="number of 20000 digits"),
        "decimal(9 ** 9999, 9999)",
        "sort(for i in 1..2000 return -i, function(a, b) (some j in 1..50 satisfies false) or a < b)",
    ],
)
def test_unbounded_work_is_stopped(text: str) -> None:
    """Loops, sizes and digits end at the limits with an error that says so."""
    with pytest.raises((FeelLimitError, FeelSyntaxError)):
        parse(text).evaluate(limits=LIMITS)


@pytest.mark.parametrize(
    "text",
    [
        "9 ** 9 ** 9 ** 9",
        "10 ** 999999999 * 10 ** 999999999 * 10 ** 999999999",
        "-(10 ** 999999999) ** 3",
        "10 ** 9999999999",
        'number("1e999999999") ** 9',
        "log(0 - 1)",
        '@"P999999999D" * 2147483647 * 2147483647',
        '@"999999999-12-31" + @"P1D"',
        '@"P2147483647Y" + @"P1Y"',
    ],
)
def test_huge_numbers_end(text: str) -> None:
    """Towers of powers and huge exponents give a number or an evaluation error, at once."""
    with contextlib.suppress(FeelEvaluationError):
        parse(text).evaluate()


def test_huge_numbers_become_json() -> None:
    """A number with a giant exponent is not written out on its way to JSON."""
    value = (
        parse('[10 ** 999999999, -(10 ** 999999999), 1 / 10 ** 999999999, number("1e2147483647")]')
        .evaluate()
        .value
    )
    assert to_json(value) == ["Infinity", "-Infinity", 0.0, "Infinity"]


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|aa)+$", "(a*)*b", "^(([a-z])+.)+[A-Z]([a-z])+$", "(?:a?){25}a{25}b"]
)
def test_backtracking_is_timed_out(pattern: str) -> None:
    """A pattern that backtracks for ever ends in a limit error or an answer."""
    variables = {"p": pattern, "t": "a" * 5_000 + "!"}
    limits = LIMITS._replace(regex_seconds=0.02)
    for text in ("matches(t, p)", 'replace(t, p, "")', "split(t, p)", "extract(t, p)"):
        with contextlib.suppress(FeelLimitError):
            parse(text).evaluate(variables, limits=limits)


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param("(" * 5_000, id="groups"),
        pytest.param("[" * 5_000, id="classes"),
        pytest.param("a{999999999}", id="huge count"),
        pytest.param("\\", id="lone escape"),
        pytest.param("(?<x", id="open group name"),
        pytest.param("[z-a]", id="backward range"),
        pytest.param("\\p{Nope}", id="unknown class"),
    ],
)
def test_broken_patterns_are_null(pattern: str) -> None:
    """A pattern that Java would refuse, or that is absurdly nested, gives null."""
    evaluation = parse("matches(t, p)").evaluate({"t": "aaa", "p": pattern})
    assert evaluation.value in (None, False)


def self_nested() -> dict[str, Any]:
    """A context that contains itself."""
    context: dict[str, Any] = {"n": 1}
    context["self"] = context
    return context


def deep(levels: int) -> Any:
    """A list in a list in a list."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "text", ["x = y", "string(x)", "to json(x)", "flatten([x])", "list contains([x], y)", "x in [y]"]
)
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(self_nested, id="contains itself"),
        pytest.param(lambda: deep(20_000), id="nested without end"),
    ],
)
def test_bottomless_data(text: str, data: Any) -> None:
    """Data that contains itself, or is nested without end, runs into a limit where it is walked."""
    with pytest.raises(FeelLimitError):
        parse(text.replace("flatten([x])", "[flatten([x]), string(x)]")).evaluate({"x": data(), "y": data()})


def test_bottomless_data_is_harmless_unless_walked() -> None:
    """Reading one field of such data works, and writing it as JSON is refused."""
    assert parse("x.self.self.n").evaluate({"x": self_nested()}).value == 1
    with pytest.raises(FeelLimitError):
        to_json(parse("x").evaluate({"x": self_nested()}).value)
    with pytest.raises(FeelLimitError):
        to_json(deep(1_000))


def test_doubling_structures_are_refused() -> None:
    """A value that shares its parts, and would be huge written out, is stopped by its size."""
    entries = ", ".join(f"a{n}: [a{n - 1}, a{n - 1}]" for n in range(1, 40))
    value = parse("{a0: [1], " + entries + "}").evaluate().value
    with pytest.raises(FeelLimitError):
        to_json(value, limits=LIMITS)
    with pytest.raises(FeelLimitError):
        parse("string(x)").evaluate({"x": value}, limits=LIMITS)


def test_lone_surrogates() -> None:
    """Half a character is a string like any other."""
    assert parse("string length(x) + string length(y)").evaluate({"x": "\ud800", "y": "a\udfff"}).value == 3
    assert parse('upper case(x) < "b"').evaluate({"x": "\ud800"}).value is False
    assert parse("substring(x, 2, 1)").evaluate({"x": "\U0001f600"}).value == "\ude00"
    assert parse('"\ud800"').evaluate().value == "\ud800"


def survives(text: str, variables: dict[str, Any]) -> None:
    """Parse, evaluate and convert; only a FeelError without foreign cause may come out."""
    for parser in (parse, parse_unary_tests):
        caught = None
        try:
            to_json(parser(text, limits=LIMITS).evaluate(variables, limits=LIMITS).value, limits=LIMITS)
        except FeelError as error:
            caught = error
        assert caught is None or caught.__cause__ is None, caught


TOKENS = st.sampled_from(
    [
        *(
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            ".",
            "..",
            ",",
            ":",
            "?",
            "@",
            "+",
            "-",
            "*",
            "/",
            "**",
            "<",
            ">=",
            "=",
        ),
        *(
            "if ",
            " then ",
            " else ",
            "for ",
            " in ",
            " return ",
            "some ",
            " satisfies ",
            " and ",
            " or ",
            "not(",
        ),
        *(
            "function(",
            "x",
            "y",
            "item",
            "null",
            "true",
            "1",
            ".5",
            '"a"',
            '@"P1D"',
            "date(",
            '"2024-01-01"',
            "`",
        ),
        *(
            "count(",
            "sort(",
            "substring(",
            "a b(",
            "//",
            "/*",
            "*/",
            "\n",
            " ",
            "\\",
            "between ",
            "instance of ",
        ),
    ]
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(TOKENS, max_size=25).map("".join), JSON, JSON)
def test_any_tokens(text: str, x: Any, y: Any) -> None:
    """No arrangement of FEEL's own tokens raises anything but a FeelError."""
    survives(text, {"x": x, "y": y})


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_text(text: str) -> None:
    """No text at all raises anything but a FeelError."""
    survives(text, {})


FUNCTIONS = st.sampled_from(
    [
        *(
            "x = y",
            "x < y",
            "x + y",
            "x - y",
            "x * y",
            "x / y",
            "x ** y",
            "-x",
            "x[y]",
            "x[item = y]",
            "x in y",
        ),
        *(
            "x.a",
            "string(x)",
            "number(x)",
            "date(x)",
            "time(x)",
            "date and time(x)",
            "duration(x)",
            "to json(x)",
        ),
        *(
            "from json(x)",
            "sort(x, function(a, b) a < b)",
            "min(x)",
            "sum(x)",
            "median(x)",
            "mode(x)",
            "stddev(x)",
        ),
        *(
            "union(x, y)",
            "distinct values(x)",
            "duplicate values(x)",
            "flatten(x)",
            "get entries(x)",
            "get value(x, y)",
        ),
        *(
            "context put(x, y, 1)",
            "context merge(x, y)",
            "context(x)",
            "substring(x, y)",
            "split(x, y)",
            "matches(x, y)",
        ),
        *(
            "replace(x, y, x)",
            "extract(x, y)",
            "decimal(x, y)",
            "modulo(x, y)",
            "sqrt(x)",
            "log(x)",
            "exp(x)",
            "even(x)",
        ),
        *(
            "sublist(x, y)",
            "insert before(x, y, 1)",
            "remove(x, y)",
            "partition(x, y)",
            "string join(x, y)",
            "date(x, y, x)",
        ),
        *(
            "time(x, y, x)",
            "date and time(x, y)",
            "for i in x return i",
            "for i in x..y return i",
            "x between y and x",
        ),
        *(
            "years and months duration(x, y)",
            "number(x, y)",
            "before(x, [x..y])",
            "if x then y else x",
            "x.a.b[1].c",
        ),
    ]
)


@settings(max_examples=500, deadline=None)
@given(FUNCTIONS, JSON, JSON)
def test_any_data(text: str, x: Any, y: Any) -> None:
    """No data in any built-in function or operator raises anything but a FeelError."""
    survives(text, {"x": x, "y": y})


@settings(max_examples=200, deadline=None)
@given(JSON)
def test_json_comes_back(value: Any) -> None:
    """What goes in as a variable and is handed through comes out as equal JSON."""
    assert repr_json(to_json(parse("x").evaluate({"x": value}).value)) == repr_json(value)


def repr_json(value: Any) -> Any:
    """JSON with numbers made comparable: whole floats are written as integers, large ones as floats."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, list):
        return [repr_json(item) for item in value]
    return {key: repr_json(item) for key, item in value.items()}


@pytest.mark.parametrize(
    "text",
    [
        "(" * 48 + "1" + ")" * 48,
        "[" * 48 + "1" + "]" * 48,
        "{a: " * 48 + "1" + "}" * 48,
        "not(" * 48 + "true" + ")" * 48,
        "if " * 47 + "true" + " then true else false" * 47,
        "1 in (" * 24 + "1" + ")" * 24,
        "for x in [1] return " * 48 + "1",
        "[1][item = " * 48 + "1" + "]" * 48,
    ],
)
def test_allowed_nesting_works(text: str) -> None:
    """Nesting within the limit parses and evaluates with Python's ordinary stack."""
    parse(text).evaluate()


def test_time_is_bounded_where_steps_are_few() -> None:
    """Work on long strings costs few steps: the seconds of an evaluation end it all the same."""
    expression = parse('count(for i in 1..100 return split(text, ","))')
    with pytest.raises(FeelLimitError, match="seconds"):
        expression.evaluate({"text": "a," * 1000}, limits=Limits(seconds=0))
    assert expression.evaluate({"text": "a,b"}).value == 100
