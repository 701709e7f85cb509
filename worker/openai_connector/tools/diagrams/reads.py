"""What an expression reads of the variables around it, known without evaluating it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from openai_connector.document import parse_json
from openai_connector.outcome.expressions import expression_text
from openai_connector.outcome.jsonpath import PathError, PathMapping

_STEP = re.compile(r"\.([^\W\d]\w*)(?!\w|\()|\.?\[?'([^']*)'\]?|\[\"([^\"]*)\"\]")

Path = tuple[str, ...]
"""A variable and the keys that are read of it: `response.output.text`."""


@dataclass(frozen=True, slots=True)
class Reads:
    """The paths that an expression is certain to mean, and whether any of it depends on a condition."""

    paths: tuple[Path, ...] = ()
    is_conditional: bool = False
    asked: frozenset[Path] = frozenset()
    """Paths of which the expression asks whether they are there, by `is defined` or `get value`."""
    functions: frozenset[str] = frozenset()
    """Names of the functions that it calls and does not define itself."""
    comparisons: tuple[tuple[Path, str], ...] = ()
    """Paths that are compared with a literal, and its kind: `number` or `text`."""


def reads_of(header: str) -> Reads:
    """Return what a header's expression reads; nothing for a broken one.

    Names that one of FEEL's own scopes may supply are left out: variables of `for`, `some`, `every` and
    functions, earlier entries of contexts, `partial`, and all in a filter, where the items' entries are seen.
    """
    from camunda_feel import FeelError
    from camunda_feel.ast import If
    from camunda_feel.limits import DEFAULT_LIMITS
    from camunda_feel.parser import parse_expression

    text = expression_text(header)
    try:
        node = parse_expression(text, DEFAULT_LIMITS)
        paths = tuple(dict.fromkeys(_paths(node, frozenset())))
        comparisons = tuple(dict.fromkeys(_comparisons(node, frozenset())))
    except (FeelError, RecursionError):
        return Reads()
    parts = list(_parts(node))
    return Reads(
        paths,
        any(isinstance(part, If) for part in parts),
        frozenset(path for part in parts if (path := _asked(part)) is not None),
        _functions(parts),
        comparisons,
    )


def json_paths_of(header: str) -> tuple[Path, ...]:
    """Return what a JSONPath mapping reads of the response, each up to its first index or wildcard."""
    text = expression_text(header)
    try:
        if PathMapping.read(text) is None:
            return ()
    except PathError:
        return ()
    found = []
    for written in parse_json(text).values():
        keys, place = [], 1
        while step := _STEP.match(written, place):
            keys.append(next(key for key in step.groups() if key is not None))
            place = step.end()
        found.append(("response", *(keys[1:] if keys[:1] == ["response"] else keys)))
    return tuple(dict.fromkeys(found))


def _parts(node: object) -> Iterator[object]:
    from camunda_feel import ast

    pending = [node]
    while pending:
        part = pending.pop()
        yield part
        assert isinstance(part, ast.Node)
        pending.extend(part.children())


def _asked(node: object) -> Path | None:
    from camunda_feel import ast

    match node:
        case ast.Call(target=None, name="is defined", positional=(of,)):
            return _path(of)
        case ast.Call(target=None, name="get value"):
            return _path(node)
    return None


def _functions(parts: list[object]) -> frozenset[str]:
    from camunda_feel import ast

    called: set[str] = set()
    own: set[str] = set()
    held: set[Path] = set()  # by a context, as in `text.includes(...)`; one of JSON holds none
    for part in parts:
        match part:
            case ast.Call(target=None, name=name):
                called.add(name)
            case ast.Call(target=ast.Name(names=names), name=name):
                held.add((*names, name))
            case ast.ContextLiteral(entries=entries):
                own.update(key for key, _ in entries)
            case ast.FunctionLiteral(parameters=parameters):
                own.update(parameters)
            case ast.For(iterators=iterators) | ast.Quantified(iterators=iterators):
                own.update(name for name, _ in iterators)
    return frozenset(called - own) | {".".join(path) for path in held if path[0] not in own}


def _comparisons(node: object, bound: frozenset[str]) -> Iterator[tuple[Path, str]]:
    """Yield the paths that are compared with literals, where no scope of FEEL's own supplies them."""
    for left, right in _compared(node):
        path, kind = _path(left), _kind(right)
        if path is not None and kind is not None and path[0] not in bound:
            yield path, kind
    for child, names in _inner(node, bound):
        yield from _comparisons(child, names)


def _compared(node: object) -> Iterator[tuple[object, object]]:
    """Yield what a node compares with what."""
    from camunda_feel import ast

    match node:
        case ast.Comparison(left=left, right=right):
            yield left, right
            yield right, left
        case ast.Between(operand=operand, low=low, high=high):
            yield operand, low
            yield operand, high
        case ast.In(operand=operand, test=test):
            for part in _parts(test):
                if _kind(part) is not None:
                    yield operand, part
        case ast.Call(target=None, name="list contains", positional=(ast.ListLiteral(items=items), of)):
            for item in items:
                yield of, item


def _kind(node: object) -> str | None:
    from camunda_feel import ast

    match node:
        case ast.Negation(operand=operand):
            return _kind(operand)
        case ast.NumberLiteral():
            return "number"
        case ast.Literal(value=str()):
            return "text"
    return None


def _paths(node: object, bound: frozenset[str]) -> Iterator[Path]:
    from camunda_feel import ast

    assert isinstance(node, ast.Node)
    path = _path(node)
    if path is not None:
        if path[0] not in bound:
            yield path
        return
    for child, names in _inner(node, bound):
        yield from _paths(child, names)


def _inner(node: object, bound: frozenset[str]) -> Iterator[tuple[object, frozenset[str]]]:
    """Yield the parts of a node, each with the names that FEEL's own scopes supply to it."""
    from camunda_feel import ast

    assert isinstance(node, ast.Node)
    match node:
        case ast.Filter(operand=operand):
            yield operand, bound
        case ast.ContextLiteral(entries=entries):
            for key, value in entries:
                yield value, bound
                if not isinstance(value, ast.FunctionLiteral):
                    bound |= {key}
        case ast.For(iterators=iterators, body=body) | ast.Quantified(iterators=iterators, body=body):
            for _, source in iterators:
                yield source, bound
            yield body, bound | {name for name, _ in iterators} | {"partial"}
        case ast.FunctionLiteral(parameters=parameters, body=body):
            yield body, bound | set(parameters)
        case _:
            for child in node.children():
                yield child, bound


def _path(node: object) -> Path | None:
    """Return a node as a path; None for one that is none, such as a sum."""
    from camunda_feel import ast

    match node:
        case ast.Name(names=names):
            return names
        case ast.Path(operand=operand, name=name):
            path = _path(operand)
            return None if path is None else (*path, name)
        case ast.Call(target=None, name="get value", positional=(of, key)):
            path, keys = _path(of), _keys(key)
            return None if path is None or not keys else (*path, *keys)
    return None


def _keys(node: object) -> Path:
    """Return the keys that `get value` is given as texts; empty where they are computed."""
    from camunda_feel import ast

    match node:
        case ast.Literal(value=str(key)):
            return (key,)
        case ast.ListLiteral(items=items):
            keys = [_keys(item) for item in items]
            return tuple(key for one in keys for key in one) if all(keys) else ()
    return ()
