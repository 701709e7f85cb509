"""JSON as the engine accepts and keeps it: texts of any depth are read and written without recursion."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final, NoReturn

from local_engine.errors import Rejection

MAX_DEPTH: Final = 1000
"""Levels of lists and contexts in a variable. About 2,000 crash the real engine: nobody relies on more."""
SHALLOW: Final = 200
"""Up to this depth Python's own, recursive parser is used: it is ten times as fast."""
SMALLEST_INTEGER: Final = -(1 << 63)
LARGEST_INTEGER: Final = (1 << 64) - 1

_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)
_UNSET: Final[Any] = object()


class Variable:
    """A variable's value as JSON text, as data, or as both: one is made from the other when needed."""

    __slots__ = ("_text", "_value")

    def __init__(self, text: str | None = None, value: Any = _UNSET) -> None:
        """Hold a text, a value, or both where both are known already."""
        self._text = text
        self._value = value

    @property
    def text(self) -> str:
        """The value as compact JSON."""
        if self._text is None:
            self._text = dump(self._value)
        return self._text

    @property
    def value(self) -> Any:
        """The value as plain data: do not change it."""
        if self._value is _UNSET:
            assert self._text is not None
            self._value = load(self._text)
        return self._value

    def __repr__(self) -> str:
        return f"Variable({self.text})"


Document = dict[str, Variable]


def read_document(text: str) -> Document:
    """Read the variables of a command; an empty text and null are an empty document.

    Raises:
        Rejection: INVALID_ARGUMENT, it is no JSON object, or holds what the engine cannot keep.
    """
    if not text:
        return {}
    depth = depth_of(text)
    if depth > MAX_DEPTH + 1:
        raise _invalid(f"it is nested {depth - 1} levels deep, and at most {MAX_DEPTH} are possible")
    try:
        found = _DECODER.decode(text) if depth <= SHALLOW else _load_deep(text, _DECODER)
    except ValueError as error:
        raise _invalid(str(error)) from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        kind = "'ARRAY'" if isinstance(found, list) else "a single value"
        raise Rejection(
            "INVALID_ARGUMENT",
            f"Property 'variables' is invalid: Expected document to be a root level object, but was {kind}",
        )
    return {_encodable(name): _variable(value, depth) for name, value in found.items()}


def depth_of(text: str) -> int:
    """Return how deep the lists and objects of a JSON text are nested; a text without any has 0."""
    if text.count("[") + text.count("{") <= SHALLOW:
        return min(SHALLOW, text.count("[") + text.count("{"))  # not exact, and deep enough for nobody
    depth = deepest = 0
    for token in _BRACKETS.finditer(text):
        first = text[token.start()]
        if first in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif first != '"':
            depth -= 1
    return deepest


def load(text: str) -> Any:
    """Return the data of a JSON text that the engine has kept."""
    return json.loads(text) if depth_of(text) <= SHALLOW else _load_deep(text, json.JSONDecoder())


def dump(value: Any) -> str:
    """Return compact JSON of plain data; characters that UTF-8 does not have become `?`."""
    try:
        text = _ENCODER.encode(value)
    except RecursionError:
        text = _dump_deep(value)
    return _encodable(text)


def dump_object(document: Document) -> str:
    """Return the JSON text of variables, put together from their texts."""
    return "{" + ",".join(f"{dump(name)}:{variable.text}" for name, variable in document.items()) + "}"


def size_of(document: Document) -> int:
    """Return about how many bytes the variables take."""
    return sum(len(name) + len(variable.text) for name, variable in document.items())


def _variable(value: Any, depth: int) -> Variable:
    text = _ENCODER.encode(value) if depth <= SHALLOW else _dump_deep(value)
    kept = _encodable(text)
    return Variable(kept, value) if kept is text else Variable(kept)


def _encodable(text: str) -> str:
    """Replace lone surrogates by `?`, as the real engine does: no UTF-8 has them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def _invalid(reason: str) -> Rejection:
    return Rejection(
        "INVALID_ARGUMENT", f"Property 'variables' is invalid: the JSON cannot be taken: {reason}"
    )


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON value")


def _integer(text: str) -> int:
    # A longer one is out of range anyway, and Python refuses to read thousands of digits.
    value = int(text) if len(text) <= 25 else LARGEST_INTEGER + 1
    if not SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
        raise ValueError(f"the integer {text[:30]} is out of range")
    return value


def _float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"the number {text[:30]} is out of range")
    return value


_DECODER = json.JSONDecoder(parse_constant=_constant, parse_int=_integer, parse_float=_float)
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_BLANK = re.compile(r"[ \t\n\r]*")


def _load_deep(text: str, decoder: json.JSONDecoder) -> Any:
    """Read JSON without recursion: a stack holds the containers, Python's own decoder reads the rest."""
    root: list[Any] = []
    stack: list[tuple[Any, str | None]] = [(root, None)]  # a container, and the key that waits for its value
    at = _skip(text, 0)
    while True:
        container, key = stack[-1]
        if isinstance(container, dict) and key is None:
            name, at = _key(text, at, decoder)
            stack[-1] = (container, name)
            continue
        first = text[at : at + 1]
        if first in ("[", "{"):
            stack.append(([] if first == "[" else {}, None))
            at = _skip(text, at + 1)
            if text[at : at + 1] != "]}"[first == "{"]:
                continue
            value, at = stack.pop()[0], at + 1
        else:
            value, at = _scalar(text, at, decoder)
        at = _close(text, at, stack, value)
        if len(stack) == 1:
            if _skip(text, at) != len(text):
                _broken(text, at)
            return root[0]


def _close(text: str, at: int, stack: list[tuple[Any, str | None]], value: Any) -> int:
    """Add a value to its container, close what ends after it, return where the next value begins."""
    while True:
        container, key = stack[-1]
        if isinstance(container, dict):
            container[key] = value
            stack[-1] = (container, None)
        else:
            container.append(value)
        if len(stack) == 1:
            return at
        at = _skip(text, at)
        if text[at : at + 1] == ",":
            return _skip(text, at + 1)
        if text[at : at + 1] != ("}" if isinstance(container, dict) else "]"):
            _broken(text, at)
        value, at = stack.pop()[0], at + 1


def _key(text: str, at: int, decoder: json.JSONDecoder) -> tuple[str, int]:
    if text[at : at + 1] != '"':
        _broken(text, at)
    name, at = _scalar(text, at, decoder)
    at = _skip(text, at)
    if text[at : at + 1] != ":":
        _broken(text, at)
    return name, _skip(text, at + 1)


def _scalar(text: str, at: int, decoder: json.JSONDecoder) -> tuple[Any, int]:
    try:
        value, end = decoder.scan_once(text, at)  # type: ignore[attr-defined]
    except StopIteration:
        _broken(text, at)
    return value, end


def _skip(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    assert found is not None
    return found.end()


def _broken(text: str, at: int) -> NoReturn:
    raise json.JSONDecodeError("Expecting value", text, at)


def _dump_deep(value: Any) -> str:
    """Return JSON, written without recursion: a stack holds what is left to write, as texts and as data."""
    parts: list[str] = []
    write: Callable[[str], None] = parts.append
    stack: list[tuple[bool, Any]] = [(False, value)]
    while stack:
        is_text, item = stack.pop()
        if is_text:
            write(item)
        elif isinstance(item, dict):
            stack.append((True, "}"))
            for number, (name, inner) in reversed(list(enumerate(item.items()))):
                stack += [(False, inner), (True, f"{',' if number else ''}{_ENCODER.encode(name)}:")]
            write("{")
        elif isinstance(item, list):
            stack.append((True, "]"))
            for number, inner in reversed(list(enumerate(item))):
                stack += [(False, inner), (True, "," if number else "")]
            write("[")
        else:
            write(_ENCODER.encode(item))
    return "".join(parts)
