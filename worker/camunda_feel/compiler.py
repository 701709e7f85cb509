"""From syntax tree to closures: each node becomes a function of a `Scope`, once, when it is parsed.

The rules are those of the engine's interpreter, including where an error value is turned into null, where it
is passed on, and what is evaluated twice.
"""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from itertools import accumulate, repeat
from typing import TYPE_CHECKING, Any

from camunda_feel import ast
from camunda_feel.arithmetic import OPERATIONS, undefined
from camunda_feel.builtins import BUILTINS
from camunda_feel.decimals import MATH, ONE, context, maths_of, precision_of, to_int32, unsigned_zero
from camunda_feel.errors import FeelEvaluationError, FeelLimitError
from camunda_feel.runtime import (
    FUNCTION_INVOCATION_FAILURE,
    INVALID_TYPE,
    MISSING,
    NO_CONTEXT_ENTRY_FOUND,
    NO_FUNCTION_FOUND,
    NO_PROPERTY_FOUND,
    NO_VARIABLE_FOUND,
    NOT_COMPARABLE,
    Run,
    Scope,
)
from camunda_feel.values import (
    CONTEXT_TYPES,
    RANGE_POINTS,
    Context,
    ErrorValue,
    Function,
    Range,
    brief,
    contains,
    equals,
    is_comparable,
    lift,
    order,
    property_of,
    type_name,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from camunda_feel.ast import Node

    Evaluate = Callable[[Scope], Any]

# The input of unary tests is a variable like any other; a variable `inputVariableName` may rename it.
INPUT_VARIABLE = "cellInput"
INPUT_VARIABLE_NAME = "inputVariableName"
INPUT_SYMBOL = "?"

_ORDER_TESTS: dict[str, Callable[[int], bool]] = {
    "<": lambda sign: sign < 0,
    "<=": lambda sign: sign <= 0,
    ">": lambda sign: sign > 0,
    ">=": lambda sign: sign >= 0,
}
_TYPE_ALIASES = {
    "date time": "date and time",
    "year-month-duration": "years and months duration",
    "day-time-duration": "days and time duration",
}


def compile_node(node: Node) -> Evaluate:
    """Return the closure that evaluates a node."""
    return _COMPILERS[type(node)](node)


def _is_fatal(value: Any) -> bool:
    return type(value) is ErrorValue and value.fatal


def _or_null(value: Any) -> Any:
    """Turn an error into null, unless it is fatal."""
    return None if type(value) is ErrorValue and not value.fatal else value


# ---- literals and names


def _literal(node: ast.Literal | ast.NumberLiteral) -> Evaluate:
    value = node.value
    return lambda scope: value


def _name(node: ast.Name) -> Evaluate:
    head, tail, pos = node.names[0], node.names[1:], node.pos

    def evaluate(scope: Scope) -> Any:
        value = scope.find(head)
        if value is MISSING:
            scope.run.warn(NO_VARIABLE_FOUND, f"no variable found with name '{head}'", pos)
            return None
        for key in tail:
            if type(value) in CONTEXT_TYPES and (found := value.get(key, MISSING)) is not MISSING:
                value = found
            else:
                value = _path(lift(value), key, scope.run, pos)
        return lift(value)

    return evaluate


def _available_keys(context: Mapping[str, Any]) -> str:
    if not context:
        return "the context is empty"
    keys = ", ".join(f"'{name}'" for name in list(context)[:10])
    return f"available keys: {keys}{', ...' if len(context) > 10 else ''}"


def _path(value: Any, key: str, run: Run, pos: int, depth: int = 0) -> Any:
    kind = type(value)
    if kind in CONTEXT_TYPES:
        found = value.get(key, MISSING)
        if found is not MISSING:
            return lift(found)
        message = f"no context entry found with key '{key}'; {_available_keys(value)}"
        run.warn(NO_CONTEXT_ENTRY_FOUND, message, pos)
    elif kind is list:
        run.charge(len(value))
        if depth >= run.limits.depth:
            raise FeelLimitError(f"data is nested deeper than {run.limits.depth} levels")
        return [_path(lift(item), key, run, pos, depth + 1) for item in value]
    elif value is None:
        run.warn(NO_CONTEXT_ENTRY_FOUND, f"no context entry found with key '{key}'; the context is null", pos)
    elif kind is ErrorValue and not depth:
        return value
    else:
        try:
            return property_of(value, key)
        except KeyError:
            run.warn(NO_PROPERTY_FOUND, f"no property '{key}' of {type_name(value)} {brief(value)}", pos)
    return None


def _path_expression(node: ast.Path) -> Evaluate:
    operand, key, pos = compile_node(node.operand), node.name, node.pos
    return lambda scope: _path(operand(scope), key, scope.run, pos)


def _input_value(node: ast.InputValue) -> Evaluate:
    def evaluate(scope: Scope) -> Any:
        value = scope.find(INPUT_SYMBOL)
        if value is MISSING:
            return ErrorValue(
                "no input value available: '?' can only be used inside a unary test", fatal=True
            )
        return lift(value)

    return evaluate


def _list(node: ast.ListLiteral) -> Evaluate:
    items = tuple(map(compile_node, node.items))

    def evaluate(scope: Scope) -> Any:
        values = []
        for item in items:
            value = item(scope)
            if type(value) is ErrorValue:
                # The items after it are not evaluated.
                return ErrorValue(value.message)
            values.append(value)
        return values

    return evaluate


def _context(node: ast.ContextLiteral) -> Evaluate:
    entries = tuple((key, compile_node(value)) for key, value in node.entries)
    may_hold_functions = any(_may_be_function(value) for _, value in node.entries)

    def evaluate_plain(scope: Scope) -> Any:
        values = Context()
        inner = Scope(scope.run, values, scope)
        for key, entry in entries:
            value = entry(inner)
            if type(value) is ErrorValue:
                return ErrorValue(value.message)
            values[key] = value
        return values

    def evaluate(scope: Scope) -> Any:
        values = Context()
        functions: dict[str, list[Function]] = {}
        values.functions = functions
        for key, entry in entries:
            # A closure must see the entries before it and none of the later ones.
            inner = Scope(
                scope.run, dict(values), scope, {name: list(found) for name, found in functions.items()}
            )
            value = entry(inner)
            if type(value) is ErrorValue:
                return ErrorValue(value.message)
            if type(value) is Function:
                functions.setdefault(key, []).append(value)
            else:
                values[key] = value
        return values

    return evaluate if may_hold_functions else evaluate_plain


def _may_be_function(node: Node) -> bool:
    """Return False for nodes that cannot be functions, so that most contexts need no function table."""
    if isinstance(node, ast.If):
        return any(_may_be_function(then) for _, then in node.branches) or _may_be_function(node.otherwise)
    return isinstance(node, ast.FunctionLiteral | ast.Call | ast.Name | ast.Path | ast.Filter)


def _function_literal(node: ast.FunctionLiteral) -> Evaluate:
    parameters, body = node.parameters, compile_node(node.body)

    def evaluate(scope: Scope) -> Any:
        def invoke(run: Run, arguments: list[Any]) -> Any:
            return body(Scope(run, dict(zip(parameters, arguments, strict=False)), scope))

        return Function(parameters, invoke)

    return evaluate


def _range(node: ast.RangeLiteral) -> Evaluate:
    start, end = compile_node(node.start), compile_node(node.end)
    start_closed, end_closed, pos = node.start_closed, node.end_closed, node.pos

    def evaluate(scope: Scope) -> Any:
        low, high = start(scope), end(scope)
        for value in (low, high):
            if type(value) is ErrorValue:
                return value
        if type(low) is not type(high) or type(low) not in RANGE_POINTS:
            message = f"no range can go from {brief(low)} to {brief(high)}"
            return scope.run.fail(INVALID_TYPE, message, pos)
        return Range(low, high, start_closed, end_closed)

    return evaluate


# ---- arithmetic


def _arithmetic(node: ast.Arithmetic) -> Evaluate:
    first = compile_node(node.first)
    maths = MATH
    if isinstance(node.first, ast.NumberLiteral) and precision_of(node.first.value) > MATH.prec:
        maths = context(precision_of(node.first.value))
    steps = tuple((*OPERATIONS[operator], compile_node(operand), pos) for operator, operand, pos in node.rest)

    if len(steps) == 1:
        operation, phrase, second, pos = steps[0]

        def evaluate_one(scope: Scope) -> Any:
            left, right = first(scope), second(scope)
            result = operation(left, right, scope.run, maths)
            return undefined(left, right, phrase, scope.run, pos) if result is None else result

        return evaluate_one

    def evaluate(scope: Scope) -> Any:
        left = first(scope)
        for operation, phrase, operand, pos in steps:
            right = operand(scope)
            result = operation(left, right, scope.run, maths)
            left = undefined(left, right, phrase, scope.run, pos) if result is None else result
        return left

    return evaluate


def _negation(node: ast.Negation) -> Evaluate:
    operand, pos = compile_node(node.operand), node.pos

    def evaluate(scope: Scope) -> Any:
        value = operand(scope)
        if type(value) is Decimal:
            return unsigned_zero(value.copy_negate())
        return _or_null(scope.run.invalid("number", value, pos))

    return evaluate


# ---- comparisons


def _comparison(node: ast.Comparison) -> Evaluate:
    left, right, pos, operator = compile_node(node.left), compile_node(node.right), node.pos, node.operator
    if operator == "=":
        return lambda scope: _equal(left(scope), right(scope), scope.run, pos)
    if operator == "!=":

        def differ(scope: Scope) -> Any:
            same = _equal(left(scope), right(scope), scope.run, pos)
            return not same if type(same) is bool else _or_null(scope.run.invalid("boolean", same, pos))

        return differ
    test = _ORDER_TESTS[operator]
    return lambda scope: _ordered(left(scope), right(scope), test, scope.run, pos)


def _equal(x: Any, y: Any, run: Run, pos: int) -> Any:
    if type(x) is ErrorValue:
        return x
    if type(y) is ErrorValue:
        return y
    result = equals(x, y, run)
    if result is None:
        run.warn(NOT_COMPARABLE, f"can't compare {brief(x)} with {brief(y)}", pos)
    return result


def _ordered(x: Any, y: Any, test: Callable[[int], bool], run: Run, pos: int) -> Any:
    if type(x) is type(y) is Decimal:
        return test(order(x, y))
    for value in (x, y):
        if type(value) is ErrorValue:
            return value
    if type(x) is not type(y) or not (is_comparable(x) and is_comparable(y)):
        run.warn(NOT_COMPARABLE, f"can't compare {brief(x)} with {brief(y)}", pos)
        return None
    return test(order(x, y))


def _between(node: ast.Between) -> Evaluate:
    operand, low, high, pos = *map(compile_node, (node.operand, node.low, node.high)), node.pos
    at_least, at_most = _ORDER_TESTS[">="], _ORDER_TESTS["<="]
    # The engine reads `x between a and b` as `x >= a and x <= b`.
    return _combination(
        (
            lambda scope: _ordered(operand(scope), low(scope), at_least, scope.run, pos),
            lambda scope: _ordered(operand(scope), high(scope), at_most, scope.run, pos),
        ),
        False,
        pos,
    )


def _instance_of(node: ast.InstanceOf) -> Evaluate:
    operand = compile_node(node.operand)
    wanted = _TYPE_ALIASES.get(node.type_name, node.type_name)

    def evaluate(scope: Scope) -> Any:
        value = operand(scope)
        if type(value) is ErrorValue:
            return value
        return value is not None if wanted == "Any" else type_name(value) == wanted

    return evaluate


# ---- logic


def _fold(values: Iterable[Any], decisive: bool, run: Run, pos: int) -> Any:
    """Combine values by three-valued `or` (decisive is True) or `and`.

    The decisive value wins; otherwise the result is null if a value is not a boolean.

    Values are taken one by one, and none after the decisive one.
    """
    result: bool | None = not decisive
    for value in values:
        if value is decisive:
            return decisive
        if type(value) is not bool:
            if _is_fatal(value):
                return value
            if result is not None:
                run.invalid("boolean", value, pos)
            result = None
    return result


def _combination(operands: Sequence[Evaluate], decisive: bool, pos: int) -> Evaluate:
    return lambda scope: _fold((operand(scope) for operand in operands), decisive, scope.run, pos)


def _logic(node: ast.Logic) -> Evaluate:
    operands, decisive, pos = tuple(map(compile_node, node.operands)), node.operator == "or", node.pos
    if len(operands) == 2:
        return _combination(operands, decisive, pos)
    first, rest = operands[0], operands[1:]

    def evaluate(scope: Scope) -> Any:
        # `a and b and c` is `(a and b) and c`: a null in between causes another warning.
        value = first(scope)
        for operand in rest:
            value = _fold(_then(value, operand, scope), decisive, scope.run, pos)
            if value is decisive:
                break
        return value

    return evaluate


def _then(value: Any, operand: Evaluate, scope: Scope) -> Iterator[Any]:
    """Yield a value, then the operand's value, which is evaluated only when it is needed."""
    yield value
    yield operand(scope)


def _any_of(node: ast.AnyOf) -> Evaluate:
    return _combination(tuple(map(compile_node, node.tests)), True, node.pos)


def _not(node: ast.Not) -> Evaluate:
    operand, pos = compile_node(node.operand), node.pos

    def evaluate(scope: Scope) -> Any:
        value = operand(scope)
        return not value if type(value) is bool else _or_null(scope.run.invalid("boolean", value, pos))

    return evaluate


def _if(node: ast.If) -> Evaluate:
    branches = tuple(
        (compile_node(condition), compile_node(then), condition.pos) for condition, then in node.branches
    )
    otherwise = compile_node(node.otherwise)

    def evaluate(scope: Scope) -> Any:
        for condition, then, pos in branches:
            met = condition(scope)
            if met is True:
                value = then(scope)
                # The engine takes `else` as well when `then` ends in an error.
                if type(value) is not ErrorValue or value.fatal:
                    return value
            elif met is not False:
                if _is_fatal(met):
                    return met
                scope.run.invalid("boolean", met, pos)
        return otherwise(scope)

    return evaluate


# ---- tests of an input


def _input_name(scope: Scope) -> str:
    name = scope.find(INPUT_VARIABLE_NAME)
    return name if type(name) is str else INPUT_VARIABLE


def _input(scope: Scope, pos: int) -> Any:
    value = scope.find(_input_name(scope))
    if value is MISSING:
        scope.run.warn(NO_VARIABLE_FOUND, "no input value found", pos)
        return None
    return lift(value)


def _in(node: ast.In) -> Evaluate:
    operand, test = compile_node(node.operand), compile_node(node.test)

    def evaluate(scope: Scope) -> Any:
        value = operand(scope)
        if type(value) is ErrorValue:
            return value
        return test(_with_variable(scope, _input_name(scope), value))

    return evaluate


def _with_variable(scope: Scope, name: str, value: Any) -> Scope:
    if type(value) is Function:
        return Scope(scope.run, {}, scope, {name: [value]})
    return Scope(scope.run, {name: value}, scope)


def _input_comparison(node: ast.InputComparison) -> Evaluate:
    operand, pos = compile_node(node.operand), node.pos
    if node.operator == "=":
        return lambda scope: _equal(_input(scope, pos), operand(scope), scope.run, pos)
    test = _ORDER_TESTS[node.operator]
    return lambda scope: _ordered(_input(scope, pos), operand(scope), test, scope.run, pos)


def _in_range(node: ast.InRange) -> Evaluate:
    start, end, pos = compile_node(node.range.start), compile_node(node.range.end), node.pos
    above = _ORDER_TESTS[">=" if node.range.start_closed else ">"]
    below = _ORDER_TESTS["<=" if node.range.end_closed else "<"]

    def evaluate(scope: Scope) -> Any:
        low, high = start(scope), end(scope)
        if scope.find(_input_name(scope)) is MISSING:
            # The engine asks for the input once for each end: without an input it warns twice.
            _input(scope, pos)
        value = _input(scope, pos)
        if not (type(value) is type(low) is type(high)) or not all(map(is_comparable, (value, low, high))):
            message = f"can't compare {brief(value)} with {brief(low)} and {brief(high)}"
            scope.run.warn(NOT_COMPARABLE, message, pos)
            return None
        return above(order(value, low)) and below(order(value, high))

    return evaluate


def _unary_test(node: ast.UnaryTest) -> Evaluate:
    expression, pos = compile_node(node.expression), node.pos

    def evaluate(scope: Scope) -> Any:
        value = _input(scope, pos)
        result = expression(scope)
        if _is_fatal(result):
            # The expression uses `?`: only now is it bound, and the result stands for itself.
            result = expression(_with_variable(scope, INPUT_SYMBOL, value))
            return result if type(result) is bool else None
        if result is True:
            return True
        if type(result) is list and contains(result, value, scope.run):
            return True
        same = _equal(value, result, scope.run, pos)
        if same is True:
            return True
        if result is False or type(result) is list:
            return False
        return None if same is None else False

    return evaluate


# ---- lists


def _index(items: list[Any], index: Decimal) -> Any:
    """Return the item at a position, truncated: from 1, or from -1 backwards; null beyond the ends."""
    size = len(items)
    place = MATH.subtract(index, ONE) if index > 0 else MATH.add(Decimal(size), index)
    return lift(items[to_int32(place)]) if 0 <= place < size else None


def _filter(node: ast.Filter) -> Evaluate:
    operand, pos, filter_node = compile_node(node.operand), node.pos, node.condition
    condition = compile_node(filter_node)
    fixed: Decimal | None = None
    if isinstance(filter_node, ast.NumberLiteral):
        fixed = filter_node.value
    elif isinstance(filter_node, ast.Negation) and isinstance(filter_node.operand, ast.NumberLiteral):
        fixed = unsigned_zero(filter_node.operand.value.copy_negate())
    # The engine evaluates a comparison or a call for each item; it tries anything else as an index first.
    per_item = isinstance(filter_node, ast.Call) or (
        isinstance(filter_node, ast.Comparison) and filter_node.operator != "!="
    )

    def evaluate(scope: Scope) -> Any:
        items = operand(scope)
        if type(items) is not list:
            return _or_null(scope.run.invalid("list", items, pos))
        if fixed is not None:
            return _or_null(_index(items, fixed))
        if not per_item:
            index = condition(scope)
            if type(index) is Decimal:
                return _or_null(_index(items, index))
        return _or_null(_filter_items(items, condition, scope))

    return evaluate


def _item_scope(item: Any, scope: Scope) -> Scope:
    """Return the scope of a filter: the entries of a context first, then `item`."""
    outer = _with_variable(scope, "item", item)
    if type(item) in CONTEXT_TYPES:
        return Scope(scope.run, item, outer, item.functions if type(item) is Context else None)
    return outer


def _filter_items(items: list[Any], condition: Evaluate, scope: Scope) -> Any:
    scope.run.charge(len(items))
    kept = []
    for number, raw in enumerate(items):
        item = lift(raw)
        met = condition(_item_scope(item, scope))
        if met is True:
            # The engine marks dropped items with the text "_": it drops that text too, except at index 1.
            if number and type(item) is str and item == "_":
                continue
            kept.append(item)
        elif type(met) is ErrorValue:
            return met if number == 0 else ErrorValue(met.message)
        elif number == 0 and type(met) is Decimal:
            return _index(items, met)
    return kept


class _Numbers:
    """`a..b` after `in`: each number is computed when it is needed."""

    __slots__ = ("add", "low", "step", "steps")

    def __init__(
        self, low: Decimal, step: Decimal, steps: int, add: Callable[[Decimal, Decimal], Decimal]
    ) -> None:
        self.low = low
        self.step = step
        self.steps = steps
        self.add = add

    def __len__(self) -> int:
        return self.steps + 1

    def __iter__(self) -> Iterator[Decimal]:
        return accumulate(repeat(self.step, self.steps), self.add, initial=self.low)


def _iteration(node: ast.Iteration) -> Evaluate:
    start, end, pos = compile_node(node.start), compile_node(node.end), node.pos

    def evaluate(scope: Scope) -> Any:
        run = scope.run
        low, high = start(scope), end(scope)
        for value in (low, high):
            if type(value) is not Decimal:
                return run.invalid("number", value, pos)
        maths = maths_of(low)
        step = ONE if low < high else -ONE
        distance = maths.subtract(high, low).copy_abs()
        if distance >= run.limits.range_length:
            raise FeelLimitError(f"an iteration may have {run.limits.range_length} numbers at most")
        if (
            maths.subtract(maths.add(low, step), low) != step
            or MATH.subtract(high, MATH.subtract(high, step)) != step
        ):
            raise FeelEvaluationError(
                f"{brief(low)} and {brief(high)} have too many digits to be counted between"
            )
        return _Numbers(low, step, int(distance), maths.add)

    return evaluate


_Items = list[Any] | _Numbers
_ITERABLE = (list, _Numbers)


def _sources(iterators: tuple[tuple[str, Node], ...]) -> Callable[[Scope], list[_Items] | ErrorValue]:
    """Return the evaluation of all lists to iterate over, before any of their variables is bound."""
    sources = tuple((compile_node(source), source.pos) for _, source in iterators)
    first, first_pos = sources[0]

    def evaluate_one(scope: Scope) -> list[_Items] | ErrorValue:
        value = first(scope)
        return [value] if type(value) in _ITERABLE else scope.run.invalid("list", value, first_pos)

    def evaluate(scope: Scope) -> list[_Items] | ErrorValue:
        values = [(source(scope), pos) for source, pos in sources]
        wrong = [
            scope.run.invalid("list", value, pos) for value, pos in values if type(value) not in _ITERABLE
        ]
        return wrong[0] if wrong else [value for value, _ in values]

    return evaluate_one if len(sources) == 1 else evaluate


def _bindings(names: tuple[str, ...], lists: list[_Items], run: Run) -> Iterator[dict[str, Any]]:
    """Yield each combination of items as a dict of variables; the first list is the outermost loop."""
    if len(names) == 1:
        name = names[0]
        run.charge(len(lists[0]))
        for item in lists[0]:
            yield {name: lift(item)}
        return
    for item in lists[0]:
        run.charge(1)
        value = lift(item)
        for inner in _bindings(names[1:], lists[1:], run):
            inner[names[0]] = value
            yield inner


def _for(node: ast.For) -> Evaluate:
    names, sources = tuple(name for name, _ in node.iterators), _sources(node.iterators)
    body, uses_partial = compile_node(node.body), "partial" in names_read(node.body)

    def evaluate(scope: Scope) -> Any:
        lists = sources(scope)
        if isinstance(lists, ErrorValue):
            return _or_null(lists)
        run = scope.run
        results: list[Any] = []
        for variables in _bindings(names, lists, run):
            if uses_partial:
                run.charge(len(results))
                variables["partial"] = results.copy()
            # Errors, fatal ones too, become items, as in the engine.
            results.append(body(Scope(run, variables, scope)))
        run.check_size(len(results))
        return results

    return evaluate


def _quantified(node: ast.Quantified) -> Evaluate:
    names, sources = tuple(name for name, _ in node.iterators), _sources(node.iterators)
    body, pos, decisive = compile_node(node.body), node.pos, node.quantifier == "some"

    def evaluate(scope: Scope) -> Any:
        lists = sources(scope)
        if isinstance(lists, ErrorValue):
            return _or_null(lists)
        run = scope.run
        values = (body(Scope(run, variables, scope)) for variables in _bindings(names, lists, run))
        return _fold(values, decisive, run, pos)

    return evaluate


# ---- functions


def _matches_count(function: Function, count: int) -> bool:
    size = len(function.parameters)
    return size == count or (size < count and function.var_args)


def _fitting(node: ast.Call) -> Callable[[Function], bool]:
    """Return a check whether a function takes the arguments of the call."""
    if node.named is None:
        return partial(_matches_count, count=len(node.positional))
    given = frozenset(key for key, _ in node.named)
    return lambda function: given <= function.names


def _resolver(node: ast.Call) -> Callable[[Scope], Function | None]:
    """Return a search for the function: innermost scope first, then built-in, then registered functions."""
    name, fits = node.name, _fitting(node)
    builtin = next(filter(fits, BUILTINS.by_name.get(name, ())), None)

    def resolve(scope: Scope) -> Function | None:
        found: Scope | None = scope
        while found is not None:
            if found.functions:
                for function in found.functions.get(name, ()):
                    if fits(function):
                        return function
            found = found.parent
        if builtin is not None or not scope.run.functions:
            return builtin
        return next(filter(fits, scope.run.functions.get(name, ())), None)

    return resolve


def _arguments(node: ast.Call) -> Callable[[Function, Scope], list[Any]]:
    """Return the evaluation of the arguments, in the order of the function's parameters."""
    if node.named is not None:
        named = {key: compile_node(value) for key, value in node.named}
        return lambda function, scope: [
            named[key](scope) if key in named else None for key in function.parameters
        ]
    positional = tuple(map(compile_node, node.positional))

    def arguments(function: Function, scope: Scope) -> list[Any]:
        values = [argument(scope) for argument in positional]
        if not function.var_args or not function.parameters:
            return values
        fixed = len(function.parameters) - 1
        rest = values[fixed:]
        if fixed == 0 and len(rest) == 1 and type(rest[0]) is list:
            return rest
        return [*values[:fixed], rest]

    return arguments


def _invoker(node: ast.Call) -> Callable[[Function, Scope], Any]:
    """Return the invocation of a function; an error in an argument is the result."""
    arguments = _arguments(node)

    def invoke(function: Function, scope: Scope) -> Any:
        values = arguments(function, scope)
        errors = [value for value in values if type(value) is ErrorValue]
        if errors:
            return next((error for error in errors if error.fatal), errors[0])
        scope.run.charge(1)
        return function.invoke(scope.run, values)

    return invoke


def _no_function(node: ast.Call, scope: Scope) -> ErrorValue:
    if node.named is None:
        count = len(node.positional)
        wanted = f"{count} parameter{'' if count == 1 else 's'}"
    else:
        wanted = f"parameters {', '.join(sorted({key for key, _ in node.named}))}"
    message = f"no function found with name '{node.name}' and {wanted}"
    return scope.run.fail(NO_FUNCTION_FOUND, message, node.pos)


def _call(node: ast.Call) -> Evaluate:
    if node.target is not None:
        return _qualified_call(node, node.target)
    name, pos, resolve, invoke = node.name, node.pos, _resolver(node), _invoker(node)

    def evaluate(scope: Scope) -> Any:
        function = resolve(scope)
        if function is None:
            _no_function(node, scope)
            return None
        result = invoke(function, scope)
        if type(result) is not ErrorValue or result.fatal:
            return result
        if name == "assert":
            raise FeelEvaluationError(f"assertion failed: {result.message}")
        message = f"failed to invoke function '{name}': {result.message}"
        scope.run.warn(FUNCTION_INVOCATION_FAILURE, message, pos)
        return None

    return evaluate


def _qualified_call(node: ast.Call, target: Node) -> Evaluate:
    name, pos, fits, invoke = node.name, node.pos, _fitting(node), _invoker(node)
    holder_of = compile_node(target)

    def evaluate(scope: Scope) -> Any:
        holder = holder_of(scope)
        if type(holder) not in CONTEXT_TYPES:
            return scope.run.invalid("context", holder, pos)
        functions = holder.functions.get(name, ()) if type(holder) is Context else ()
        function = next(filter(fits, functions), None)
        return _no_function(node, scope) if function is None else invoke(function, scope)

    return evaluate


# ---- names


def names_read(node: Node) -> frozenset[str]:
    """Return the variables that an expression may read from outside, without evaluating it.

    A name inside a filter may turn out to be a key of the filtered items; it is counted, as it may also be
    a variable. `item` there, and `partial` in a `for`, are not.
    """
    match node:
        case ast.Name(names=names):
            return frozenset(names[:1])
        case ast.ContextLiteral(entries=entries):
            seen: set[str] = set()
            found: frozenset[str] = frozenset()
            for key, value in entries:
                found |= names_read(value) - seen
                if not isinstance(value, ast.FunctionLiteral):
                    seen.add(key)
            return found
        case ast.For(iterators=iterators, body=body) | ast.Quantified(iterators=iterators, body=body):
            bound = {name for name, _ in iterators}
            if isinstance(node, ast.For):
                bound.add("partial")
            return frozenset().union(
                *(names_read(source) for _, source in iterators), names_read(body) - bound
            )
        case ast.FunctionLiteral(parameters=parameters, body=body):
            return names_read(body) - set(parameters)
        case ast.Filter(operand=operand, condition=condition):
            return names_read(operand) | (names_read(condition) - {"item"})
    return frozenset().union(*map(names_read, node.children()))


_COMPILERS: dict[type[Node], Callable[[Any], Evaluate]] = {
    ast.Literal: _literal,
    ast.NumberLiteral: _literal,
    ast.Name: _name,
    ast.InputValue: _input_value,
    ast.ListLiteral: _list,
    ast.ContextLiteral: _context,
    ast.RangeLiteral: _range,
    ast.InRange: _in_range,
    ast.InputComparison: _input_comparison,
    ast.UnaryTest: _unary_test,
    ast.AnyOf: _any_of,
    ast.Not: _not,
    ast.Arithmetic: _arithmetic,
    ast.Negation: _negation,
    ast.Comparison: _comparison,
    ast.Between: _between,
    ast.Logic: _logic,
    ast.If: _if,
    ast.In: _in,
    ast.InstanceOf: _instance_of,
    ast.Path: _path_expression,
    ast.Filter: _filter,
    ast.Iteration: _iteration,
    ast.For: _for,
    ast.Quantified: _quantified,
    ast.FunctionLiteral: _function_literal,
    ast.Call: _call,
}
