"""From text to syntax tree: precedence climbing over a scanner, with a memory for earlier attempts.

The engine's grammar is a parsing expression grammar: alternatives are tried in order and the first that fits
wins, even if the text then cannot be completed. This parser keeps that order. Where two alternatives begin
alike (a list and a range, a parenthesis and a range), results are remembered by position, so that nesting
costs linear time instead of doubling at each level.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from camunda_feel import ast
from camunda_feel.decimals import literal_number
from camunda_feel.errors import FeelSyntaxError
from camunda_feel.lexer import DIGITS, Scanner, is_name_start, unescape
from camunda_feel.temporal import parse_literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from camunda_feel.ast import Node
    from camunda_feel.limits import Limits

Item = TypeVar("Item")

# Left-associative binding powers; unary minus binds tighter than all of them.
POWERS = {"+": 1, "-": 1, "*": 2, "/": 2, "**": 3}
COMPARISONS = ("<=", ">=", "<", ">", "!=", "=")
TEMPORAL_WORDS = ("duration", "date and time", "date", "time")
# Function names that contain a reserved word are a closed list. It is matched by prefix and never
# reconsidered, which is why the engine cannot call a function whose name begins with `or` or `and`.
NAMES_WITH_RESERVED_WORDS = ("and", "or", "date and time", "years and months duration", "get or else")
# Type names that are not plain names.
SPECIAL_TYPES = ("years and months duration", "days and time duration", "date and time", "function")


def parse_expression(text: str, limits: Limits) -> Node:
    """Parse a whole expression; raise FeelSyntaxError."""
    return _parse(text, limits, Parser.expression)


def parse_tests(text: str, limits: Limits) -> Node:
    """Parse the unary tests of a decision-table cell; raise FeelSyntaxError."""
    return _parse(text, limits, Parser.unary_tests)


def _parse(text: str, limits: Limits, rule: Callable[[Parser], Node | None]) -> Node:
    if len(text) > limits.source:
        raise FeelSyntaxError(f"expression is longer than {limits.source} characters")
    parser = Parser(text, limits)
    try:
        node = rule(parser)
    except RecursionError:
        raise parser.error("expression is nested too deeply", parser.pos) from None
    if node is not None and not parser.peek():
        return node
    place = parser.farthest
    if place >= parser.end:
        raise parser.error("expression ends too early" if text.strip() else "expression is empty", place)
    raise parser.error(f"unexpected {text[place : place + 20].splitlines()[0]!r}", place)


class Parser(Scanner):
    """Each rule returns a node, or None with the position restored."""

    __slots__ = ("depth", "limits", "seen_expressions", "seen_operations")

    def __init__(self, text: str, limits: Limits) -> None:
        super().__init__(text)
        self.limits = limits
        self.depth = 0
        self.seen_expressions: dict[int, tuple[Node | None, int]] = {}
        self.seen_operations: dict[int, tuple[Node | None, int]] = {}

    def separated(self, separator: str, item: Callable[[], Item | None]) -> list[Item]:
        """Read items with a separator between them; leave a separator without an item after it unread."""
        found: list[Item] = []
        while True:
            before = self.pos
            if found and not self.literal(separator):
                return found
            one = item()
            if one is None:
                self.pos = before
                return found
            found.append(one)

    # ---- expressions, from loose to tight

    def expression(self) -> Node | None:
        """Read `if`, `for`, `some`, `every`, or a run of `or`."""
        self.skip()
        start = self.pos
        if start in self.seen_expressions:
            node, self.pos = self.seen_expressions[start]
            return node
        self.depth += 1
        if self.depth > self.limits.nesting:
            raise self.error(f"expression is nested deeper than {self.limits.nesting} levels", start)
        head = self.text[start : start + 1]
        node = None
        if head == "i":
            node = self.if_expression()
        elif head == "f":
            node = self.for_expression()
        elif head in ("s", "e"):
            node = self.quantified()
        if node is None:
            self.pos = start
            node = self.disjunction()
        if node is None:
            self.pos = start
        self.depth -= 1
        self.seen_expressions[start] = (node, self.pos)
        return node

    def if_expression(self) -> Node | None:
        """Read a whole chain of `else if` at once, so that long chains do not nest."""
        start = self.pos
        branches = self.separated("", self.if_branch)
        if not branches:
            self.pos = start
            return None
        # What follows the last `else` may still begin with the letters "if": a name, or a malformed `if`.
        otherwise = self.for_expression() or self.quantified() or self.disjunction()
        if otherwise is None:
            self.pos = start
            return None
        return ast.If(start, tuple(branches), otherwise)

    def if_branch(self) -> tuple[Node, Node] | None:
        """Read `if condition then value else`."""
        if not self.literal("if"):
            return None
        condition = self.expression()
        if condition is None or not self.literal("then"):
            return None
        then = self.expression()
        return None if then is None or not self.literal("else") else (condition, then)

    def for_expression(self) -> Node | None:
        """Read `for x in xs return value`."""
        start = self.pos
        if self.literal("for"):
            iterators = self.iterators()
            if iterators and self.literal("return"):
                body = self.expression()
                if body is not None:
                    return ast.For(start, iterators, body)
        self.pos = start
        return None

    def quantified(self) -> Node | None:
        """Read `some` or `every x in xs satisfies condition`."""
        start = self.pos
        for quantifier in ("some", "every"):
            if self.literal(quantifier):
                iterators = self.iterators()
                if iterators and self.literal("satisfies"):
                    body = self.expression()
                    if body is not None:
                        return ast.Quantified(start, quantifier, iterators, body)
                break
        self.pos = start
        return None

    def iterators(self) -> tuple[tuple[str, Node], ...]:
        """Read `x in xs, y in ys`."""
        return tuple(self.separated(",", self.iterator))

    def iterator(self) -> tuple[str, Node] | None:
        """Read `x in xs`."""
        name = self.name()
        source = (self.iteration() or self.value()) if name and self.literal("in") else None
        return None if name is None or source is None else (name, source)

    def iteration(self) -> Node | None:
        """Read `1..3`, the numbers to iterate over."""
        start = self.pos
        low = self.operation()
        if low is not None and self.literal(".."):
            high = self.operation()
            if high is not None:
                return ast.Iteration(start, low, high)
        self.pos = start
        return None

    def disjunction(self) -> Node | None:
        """Read runs of `and` inside a run of `or`."""
        self.skip()
        start = self.pos
        alternatives = self.separated("or", lambda: self.conjunction(start))
        if len(alternatives) < 2:
            return alternatives[0] if alternatives else None
        return ast.Logic(start, "or", tuple(alternatives))

    def conjunction(self, start: int) -> Node | None:
        """Read a run of `and`; for warnings, it begins where the whole run of `or` begins."""
        conditions = self.separated("and", self.comparison)
        if len(conditions) < 2:
            return conditions[0] if conditions else None
        return ast.Logic(start, "and", tuple(conditions))

    def comparison(self) -> Node | None:
        """Read one comparison, which does not chain, or a test of the input such as `< 5` or `[1..3]`."""
        self.skip()
        start = self.pos
        left = self.operation()
        if left is None:
            return self.input_test()
        return self.compared(start, left) or left

    def compared(self, start: int, left: Node) -> Node | None:
        """Read the comparison that begins with `left`; None if no comparison follows."""
        after_left = self.pos
        head = self.peek()
        node: Node | None = None
        if head and head in "<>=!":
            node = self.operator_comparison(start, left)
        elif head == "b":
            node = self.between(start, left)
        elif head == "i":
            node = self.instance_of(start, left)
            if node is None:
                self.pos = after_left
                node = self.membership(start, left)
        if node is None:
            self.pos = after_left
        return node

    def operator_comparison(self, start: int, left: Node) -> Node | None:
        """Read a comparison by an operator; the caller restores the position after None."""
        for operator in COMPARISONS:
            if self.literal(operator):
                right = self.operation()
                return None if right is None else ast.Comparison(start, operator, left, right)
        return None

    def between(self, start: int, left: Node) -> Node | None:
        """Read `left between low and high`; the caller restores the position after None."""
        low = self.operation() if self.literal("between") else None
        high = self.operation() if low is not None and self.literal("and") else None
        return None if low is None or high is None else ast.Between(start, left, low, high)

    def instance_of(self, start: int, left: Node) -> Node | None:
        """Read `left instance of type`; the caller restores the position after None."""
        type_name = self.type_name() if self.literal("instance") and self.literal("of") else None
        return None if type_name is None else ast.InstanceOf(start, left, type_name)

    def membership(self, start: int, left: Node) -> Node | None:
        """Read `left in test`; the caller restores the position after None."""
        test = self.in_test() if self.literal("in") else None
        return None if test is None else ast.In(start, left, test)

    def type_name(self) -> str | None:
        """Read the name of a type."""
        for special in SPECIAL_TYPES:
            if self.literal(special):
                return special
        names = self.qualified_name()
        return ".".join(names) if names else None

    def in_test(self) -> Node | None:
        """Read what follows `in`: one test, or tests in parentheses."""
        start = self.pos
        if self.literal("("):
            tests = self.tests()
            if tests is not None and self.literal(")"):
                return tests
        self.pos = start
        return self.test()

    # ---- arithmetic

    def operation(self) -> Node | None:
        """Read arithmetic of any precedence."""
        self.skip()
        start = self.pos
        if start in self.seen_operations:
            node, self.pos = self.seen_operations[start]
            return node
        node = self.operators(1)
        if node is None:
            self.pos = start
        self.seen_operations[start] = (node, self.pos)
        return node

    def operators(self, least: int) -> Node | None:
        """Read operands joined by operators that bind at least as strongly as `least`."""
        self.skip()
        start = self.pos
        left = self.negation()
        if left is None:
            return None
        while True:
            rest: list[tuple[str, Node, int]] = []
            power = 0
            while True:
                before = self.pos
                operator = self.operator()
                found = POWERS.get(operator, 0)
                if found < least or (power and found != power):
                    self.pos = before
                    break
                right = self.operators(found + 1)
                if right is None:
                    self.pos = before
                    break
                power = found
                rest.append((operator, right, before))
            if not rest:
                return left
            left = ast.Arithmetic(start, left, tuple(rest))

    def operator(self) -> str:
        """Read one character, or `**`; the caller checks that it is an operator."""
        head = self.peek()
        if head == "*" and self.text.startswith("**", self.pos):
            head = "**"
        self.pos += len(head)
        return head

    def negation(self) -> Node | None:
        """Read a value with an optional minus sign."""
        self.skip()
        start = self.pos
        if not self.literal("-"):
            return self.value()
        operand = self.value()
        return None if operand is None else ast.Negation(start, operand)

    # ---- values

    def value(self) -> Node | None:
        """Read a terminal with the properties and filters that follow it."""
        self.skip()
        start = self.pos
        node = self.terminal()
        if node is None:
            self.pos = start
            return None
        chained = 0
        while True:
            before = self.pos
            head = self.peek()
            if head == ".":
                self.pos += 1
                name = self.property_name()
                if name is None:
                    break
                node = ast.Path(start, node, name)
            elif head == "[":
                self.pos += 1
                condition = self.expression()
                if condition is None or not self.literal("]"):
                    break
                node = ast.Filter(start, node, condition)
            else:
                break
            chained += 1
            if chained > self.limits.depth:
                raise self.error(f"more than {self.limits.depth} properties and filters in a row", before)
        self.pos = before
        return node

    def property_name(self) -> str | None:
        """Read a property's name; `time offset` is the only one with a space."""
        return "time offset" if self.literal("time offset") else self.name()

    def terminal(self) -> Node | None:
        """Read a literal, a name, a call, or an expression in parentheses."""
        head = self.peek()
        start = self.pos
        if head == '"':
            raw = self.string()
            return None if raw is None else ast.Literal(start, unescape(raw))
        if head in DIGITS or head in ("-", "."):
            number = self.number()
            if number is None:
                return None
            if len(number) > self.limits.digits:
                raise self.error(f"number has more than {self.limits.digits} digits", start)
            return ast.NumberLiteral(start, literal_number(number))
        if head == "[":
            return self.list_literal()
        if head == "{":
            return self.context_literal()
        if head == "(":
            self.pos += 1
            node = self.expression()
            return node if node is not None and self.literal(")") else None
        if head == "?":
            self.pos += 1
            return ast.InputValue(start)
        if head == "@" or head == "`" or (head and is_name_start(head)):
            return self.named_value()
        return None

    def named_value(self) -> Node | None:
        """Read everything that begins with a letter: temporal literals, calls, names, reserved words."""
        start = self.pos
        node = self.temporal()
        if node is None:
            self.pos = start
            node = self.call()
        if node is not None:
            return node
        self.pos = start
        names = self.qualified_name()
        if names:
            return ast.Name(start, names)
        for word, value in (("null", None), ("true", True), ("false", False)):
            if self.literal(word):
                return ast.Literal(start, value)
        return self.function_literal()

    def qualified_name(self) -> tuple[str, ...]:
        """Read names joined by points."""
        return tuple(self.separated(".", self.property_name))

    def temporal(self) -> Node | None:
        """Read a temporal literal such as `@"2026-11-26"` or `date("2026-11-26")`."""
        start = self.pos
        if self.literal("@"):
            raw = self.string()
            return None if raw is None else ast.Literal(start, parse_literal("@", raw))
        for word in TEMPORAL_WORDS:
            if self.literal(word):
                if not self.literal("("):
                    return None
                raw = self.string()
                return (
                    ast.Literal(start, parse_literal(word, raw))
                    if raw is not None and self.literal(")")
                    else None
                )
        return None

    def list_literal(self) -> Node | None:
        """Read `[a, b]`."""
        start = self.pos
        self.pos += 1
        items = self.separated(",", self.expression)
        return ast.ListLiteral(start, tuple(items)) if self.literal("]") else None

    def context_literal(self) -> Node | None:
        """Read `{key: value}`."""
        start = self.pos
        self.pos += 1
        entries = self.separated(",", self.entry)
        return ast.ContextLiteral(start, tuple(entries)) if self.literal("}") else None

    def entry(self) -> tuple[str, Node] | None:
        """Read `key: value`."""
        key = self.entry_key()
        value = self.expression() if key is not None and self.literal(":") else None
        return None if key is None or value is None else (key, value)

    def entry_key(self) -> str | None:
        """Read a context's key: free text, a name or a string."""
        key = self.context_key()
        if key is None:
            key = self.name()
        return self.string() if key is None else key

    def function_literal(self) -> Node | None:
        """Read `function(a, b) body`."""
        start = self.pos
        if not self.literal("function") or not self.literal("("):
            return None
        parameters = self.separated(",", self.parameter_name)
        if not self.literal(")"):
            return None
        body = self.expression()
        return None if body is None else ast.FunctionLiteral(start, tuple(parameters), body)

    def parameter_name(self) -> str | None:
        """Read a parameter's name, which may have spaces."""
        return self.spaced_identifier() or self.name()

    # ---- calls

    def call(self) -> Node | None:
        """Read `name(arguments)`."""
        start = self.pos
        names = self.function_name()
        if not names or not self.literal("("):
            return None
        target = ast.Name(start, names[:-1]) if len(names) > 1 else None
        named = self.named_arguments()
        positional = self.positional_arguments() if named is None else ()
        return ast.Call(start, target, names[-1], positional, named) if self.literal(")") else None

    def function_name(self) -> tuple[str, ...]:
        """Read a function's name, which may have spaces or a reserved word."""
        spaced = self.spaced_identifier()
        if spaced is not None:
            return (spaced,)
        for name in NAMES_WITH_RESERVED_WORDS:
            if self.literal(name):
                return (name,)
        return self.qualified_name()

    def named_arguments(self) -> tuple[tuple[str, Node], ...] | None:
        """Read named arguments, the last one of each name; None if there are none."""
        found = dict(self.separated(",", self.named_argument))
        return tuple(found.items()) if found else None

    def named_argument(self) -> tuple[str, Node] | None:
        """Read `name: value`."""
        name = self.parameter_name()
        value = self.argument() if name is not None and self.literal(":") else None
        return None if name is None or value is None else (name, value)

    def positional_arguments(self) -> tuple[Node, ...]:
        """Read arguments without names."""
        return tuple(self.separated(",", self.argument))

    def argument(self) -> Node | None:
        """Read a range or an expression."""
        return self.range() or self.expression()

    def range(self) -> ast.RangeLiteral | None:
        """Read a range such as `[1..5)`."""
        opening = self.peek()
        start = self.pos
        if opening and opening in "([]":
            self.pos += 1
            low = self.operation()
            high = self.operation() if low is not None and self.literal("..") else None
            closing = self.peek()
            if low is not None and high is not None and closing and closing in ")[]":
                self.pos += 1
                return ast.RangeLiteral(start, low, high, opening == "[", closing == "]")
        self.pos = start
        return None

    # ---- unary tests

    def unary_tests(self) -> Node | None:
        """Read `not(tests)`, tests divided by commas, or `-` for anything."""
        start = self.pos
        if self.literal("not") and self.literal("("):
            tests = self.tests()
            if tests is not None and self.literal(")"):
                return ast.Not(start, tests)
        self.pos = start
        tests = self.tests()
        if tests is not None:
            return tests
        return ast.Literal(start, True) if self.literal("-") else None

    def tests(self) -> Node | None:
        """Read tests divided by commas."""
        start = self.pos
        found = self.separated(",", self.test)
        if len(found) < 2:
            return found[0] if found else None
        return ast.AnyOf(start, tuple(found))

    def test(self) -> Node | None:
        """Read one test of the input."""
        self.skip()
        start = self.pos
        for word in ("true", "false"):
            # Only at the very end of the text does a boolean stand for a comparison with the input.
            if self.literal(word):
                if not self.peek():
                    return ast.InputComparison(start, "=", ast.Literal(start, word == "true"))
                self.pos = start
        node = self.input_test()
        if node is not None:
            return node
        node = self.expression()
        return None if node is None else ast.UnaryTest(start, node)

    def input_test(self) -> Node | None:
        """Read a comparison of the input with a value, such as `< 5`, or with a range."""
        self.skip()
        start = self.pos
        for operator in ("<=", ">=", "<", ">"):
            if self.literal(operator):
                operand = self.operation()
                if operand is not None:
                    return ast.InputComparison(start, operator, operand)
                self.pos = start
                return None
        interval = self.range()
        return None if interval is None else ast.InRange(start, interval)
