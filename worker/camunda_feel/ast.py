"""The syntax tree: what the parser understands and the compiler turns into closures.

`pos` is the offset in the source where a node begins; it ends up in warnings as line and column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, dataclass_transform

if TYPE_CHECKING:
    from decimal import Decimal


@dataclass_transform(frozen_default=True)
class Record:
    """Holds its annotated fields. Not a dataclass: importing those costs more than this whole package."""

    if not TYPE_CHECKING:
        __match_args__ = ()

        def __init_subclass__(cls) -> None:
            cls.__match_args__ = (*cls.__match_args__, *cls.__annotations__)

        def __init__(self, *values: Any) -> None:
            """Take the values in the order in which the fields are declared."""
            self.__dict__.update(zip(self.__match_args__, values, strict=True))

        def __setattr__(self, name: str, value: Any) -> None:
            """Refuse changes: trees are shared between evaluations and callers."""
            raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be set")

        def __delattr__(self, name: str) -> None:
            """Refuse changes, as above."""
            raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be deleted")

        def __repr__(self) -> str:
            inner = ", ".join(f"{name}={self.__dict__[name]!r}" for name in self.__match_args__[1:])
            return f"{type(self).__name__}({inner})"


class Node(Record):
    """Any part of an expression."""

    pos: int

    def children(self) -> list[Node]:
        """Return the nodes that this node is made of."""
        found: list[Node] = []
        pending = [value for name, value in self.__dict__.items() if name != "pos"]
        while pending:
            value = pending.pop()
            if isinstance(value, Node):
                found.append(value)
            elif isinstance(value, tuple):
                pending.extend(value)
        return found


class Literal(Node):
    """A number, string, boolean, temporal value or null."""

    value: Any


class NumberLiteral(Node):
    """A number as written; a list filter treats it as an index."""

    value: Decimal


class Name(Node):
    """A variable with the properties read from it: `response.body.id`."""

    names: tuple[str, ...]


class InputValue(Node):
    """`?`, the value under test."""


class ListLiteral(Node):
    """`[a, b]`."""

    items: tuple[Node, ...]


class ContextLiteral(Node):
    """`{key: value}`; later entries see earlier ones."""

    entries: tuple[tuple[str, Node], ...]


class RangeLiteral(Node):
    """`[a..b)`: a value as a function's argument, a test of the input elsewhere."""

    start: Node
    end: Node
    start_closed: bool
    end_closed: bool


class InRange(Node):
    """A range used as a test of the input."""

    range: RangeLiteral


class InputComparison(Node):
    """`< 5`, or the lone `true` of a unary test (operator `=`)."""

    operator: str
    operand: Node


class UnaryTest(Node):
    """An expression used as a test of the input."""

    expression: Node


class AnyOf(Node):
    """Alternatives of a unary test, divided by commas."""

    tests: tuple[Node, ...]


class Not(Node):
    """Negation of a unary test."""

    operand: Node


class Arithmetic(Node):
    """A left-associative run of operators of one precedence, kept flat so that long sums do not nest."""

    first: Node
    rest: tuple[tuple[str, Node, int], ...]


class Negation(Node):
    """`-x`."""

    operand: Node


class Comparison(Node):
    """`a = b` and its relatives."""

    operator: str
    left: Node
    right: Node


class Between(Node):
    """`x between a and b`."""

    operand: Node
    low: Node
    high: Node


class Logic(Node):
    """A run of `and` or of `or`."""

    operator: str
    operands: tuple[Node, ...]


class If(Node):
    """A chain `if .. then .. else if .. else ..`, kept flat."""

    branches: tuple[tuple[Node, Node], ...]
    otherwise: Node


class In(Node):
    """`x in test`."""

    operand: Node
    test: Node


class InstanceOf(Node):
    """`x instance of type`."""

    operand: Node
    type_name: str


class Path(Node):
    """`value.property` where the value is more than a name."""

    operand: Node
    name: str


class Filter(Node):
    """`list[condition or index]`."""

    operand: Node
    condition: Node


class Iteration(Node):
    """`a..b` after `in`: the numbers to iterate over."""

    start: Node
    end: Node


class For(Node):
    """`for x in xs return body`."""

    iterators: tuple[tuple[str, Node], ...]
    body: Node


class Quantified(Node):
    """`some` or `every x in xs satisfies body`."""

    quantifier: str
    iterators: tuple[tuple[str, Node], ...]
    body: Node


class FunctionLiteral(Node):
    """`function(a, b) body`."""

    parameters: tuple[str, ...]
    body: Node


class Call(Node):
    """`name(arguments)`; `target` is the context that holds the function, if the name is qualified."""

    target: Name | None
    name: str
    positional: tuple[Node, ...]
    named: tuple[tuple[str, Node], ...] | None
