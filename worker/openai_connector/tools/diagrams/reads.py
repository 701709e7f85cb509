"""What an expression reads of the variables around it, known without evaluating it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from openai_connector.outcome.expressions import expression_text

Path = tuple[str, ...]
"""A variable and the keys that are read of it: `response.output.text`."""


@dataclass(frozen=True, slots=True)
class Reads:
    """The paths that an expression is certain to mean, and whether any of it depends on a condition."""

    paths: tuple[Path, ...] = ()
    is_conditional: bool = False


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
    except (FeelError, RecursionError):
        return Reads()
    pending, is_conditional = [node], False
    while pending and not is_conditional:
        part = pending.pop()
        is_conditional = isinstance(part, If)
        pending.extend(part.children())
    return Reads(paths, is_conditional)


def _paths(node: object, bound: frozenset[str]) -> Iterator[Path]:
    from camunda_feel import ast

    assert isinstance(node, ast.Node)
    path = _path(node)
    if path is not None:
        if path[0] not in bound:
            yield path
        return
    match node:
        case ast.Filter(operand=operand):
            yield from _paths(operand, bound)
        case ast.ContextLiteral(entries=entries):
            for key, value in entries:
                yield from _paths(value, bound)
                if not isinstance(value, ast.FunctionLiteral):
                    bound |= {key}
        case ast.For(iterators=iterators, body=body) | ast.Quantified(iterators=iterators, body=body):
            for _, source in iterators:
                yield from _paths(source, bound)
            yield from _paths(body, bound | {name for name, _ in iterators} | {"partial"})
        case ast.FunctionLiteral(parameters=parameters, body=body):
            yield from _paths(body, bound | set(parameters))
        case _:
            for child in node.children():
                yield from _paths(child, bound)


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
