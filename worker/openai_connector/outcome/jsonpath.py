"""Results mapped by JSONPath: an expression that is a JSON object whose values are all paths.

`{"answer": "$.body.choices[0].message.content", "all": "$.output.responses[*]"}`
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from contextvars import ContextVar
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from openai_connector.document import parse_json

if TYPE_CHECKING:
    from jsonpath_ng import JSONPath

_IS_PATH = re.compile(r"\$($|\.|\[)")
_SAYS_RESPONSE = re.compile(r"\$\.'?response'?(\.|\[|$)")
CACHED_PATHS = 1000
MOST_SECONDS = 2.0  # of an evaluation of FEEL, or of one mapping's regular expressions: other jobs wait
_until: ContextVar[float] = ContextVar("until")  # when they are given up, by the monotonic clock


class PathError(ValueError):
    """A path cannot be read or applied; the message names it."""


class PathMapping:
    """Names of variables, each with the path to its value."""

    def __init__(self, paths: Mapping[str, str]) -> None:
        self.names = frozenset(paths)
        self._paths = {name: _compile(path) for name, path in paths.items()}

    @classmethod
    def read(cls, text: str) -> PathMapping | None:
        """Read a mapping; None when the text is anything else (then it is FEEL).

        Raises:
            PathError: it is a mapping, but one of its paths cannot be read.
        """
        if not text.startswith("{") or "$" not in text:
            return None
        try:
            paths = parse_json(text)
        except ValueError:
            return None
        if not paths or not all(isinstance(path, str) and _IS_PATH.match(path) for path in paths.values()):
            return None
        return cls(paths)

    def apply(self, response: Any) -> dict[str, Any]:
        """Return each variable its value; `$` is the response, and `$.response` is another way to say so.

        A path that can only match one place gives that value, one that can match several gives a list; a path
        without any match gives null.

        Raises:
            PathError: a path fails on this document.
        """
        _until.set(time.monotonic() + MOST_SECONDS)
        return {name: _apply(path, is_single, response) for name, (path, is_single) in self._paths.items()}


def _apply(path: JSONPath, is_single: bool, response: Any) -> Any:
    says_response = _SAYS_RESPONSE.match(str(path)) and not (
        isinstance(response, Mapping) and "response" in response
    )
    document = {"response": response} if says_response else response
    try:
        values = [match.value for match in path.find(document)]
    except TimeoutError:
        raise PathError(
            f"{path}: its regular expression takes more than {MOST_SECONDS:g} s on this text"
        ) from None
    except (Exception, RecursionError) as error:  # the library lets errors of filters and functions through
        raise PathError(f"{path} cannot be applied ({type(error).__name__})") from None
    if not values:
        return None
    return values[0] if is_single else values


@lru_cache(maxsize=CACHED_PATHS)
def _compile(text: str) -> tuple[JSONPath, bool]:
    # Imported here: the parser's tables cost start-up time, and most tasks use FEEL.
    from jsonpath_ng.ext.parser import parse

    _bound_patterns()
    try:
        path = parse(text)
    except (Exception, RecursionError) as error:  # the library's lexer and parser raise several kinds
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise PathError(f"{text[:100]} ({reason})") from None
    return path, _can_match_one_only(path)


@cache
def _bound_patterns() -> None:
    """Return the library's regular expressions (`=~` and `sub`) an end: it has no way to ask for one."""
    from jsonpath_ng.ext import filter as filters
    from jsonpath_ng.ext import string as strings

    filters.OPERATOR_MAP["=~"] = lambda text, pattern: isinstance(text, str) and _Pattern(pattern).is_in(text)
    vars(strings)["re"] = _Patterns


class _Pattern:
    """A regular expression that gives up in time, with what the library's `sub` asks of one."""

    def __init__(self, pattern: str) -> None:
        import regex  # as FEEL's functions use it: Python's own cannot be told to give up

        self._compiled = regex.compile(pattern)

    def is_in(self, text: str) -> bool:
        """Check whether there is a match anywhere."""
        return self._compiled.search(text, timeout=_seconds_left()) is not None

    def sub(self, replacement: str, text: str) -> str:
        """Replace every match."""
        replaced: str = self._compiled.sub(replacement, text, timeout=_seconds_left())
        return replaced


class _Patterns:
    """What stands for the module `re` in the library's `sub`."""

    compile = _Pattern


def _seconds_left() -> float:
    left = _until.get() - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _can_match_one_only(path: JSONPath) -> bool:
    from jsonpath_ng import Child, Fields, Index, Root, This

    match path:
        case Child():
            return _can_match_one_only(path.left) and _can_match_one_only(path.right)
        case Fields():
            return len(path.fields) == 1 and path.fields[0] != "*"
        case Index():
            return len(path.indices) == 1
        case Root() | This():
            return True
        case _:
            # The parser's extensions (`len`, `sub(…)`, …) make one value of one value.
            return type(path).__name__ in ("Len", "Sub", "Split", "Str", "SortedThis", "Keys", "Path")
