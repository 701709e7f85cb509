"""Strings. Positions and lengths count UTF-16 code units, as Java's strings do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from camunda_feel.builtins.library import builtin
from camunda_feel.decimals import to_int32, wrap_int32
from camunda_feel.errors import FeelEvaluationError
from camunda_feel.functions import IllegalArgumentError

if TYPE_CHECKING:
    from decimal import Decimal

    from camunda_feel.javaregex import JavaRegex
    from camunda_feel.runtime import Run

_JAVA_BLANKS = frozenset("\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f ")
# Blanks that Java's isWhitespace leaves out because no line may break at them.
_NO_BREAK = frozenset("\xa0\u2007\u202f")


def _units(text: str) -> bytes | None:
    """Return the UTF-16 form if its length differs, else None."""
    if text.isascii() or max(text) <= "\uffff":
        return None
    return text.encode("utf-16-le", "surrogatepass")


def _length(text: str) -> int:
    units = _units(text)
    return len(text) if units is None else len(units) // 2


def _slice(text: str, start: int, end: int) -> str:
    """Return Java's `substring`, which fails outside the string."""
    size = _length(text)
    if not 0 <= start <= end <= size:
        raise FeelEvaluationError(f"substring from {start} to {end} is out of range: length {size}")
    units = _units(text)
    if units is None:
        return text[start:end]
    return units[2 * start : 2 * end].decode("utf-16-le", "surrogatepass")


def _start(text: str, position: Decimal) -> int:
    place = to_int32(position)
    return place - 1 if place > 0 else _length(text) + place


@builtin("substring(string: string, start position: number)")
def substring(text: str, position: Decimal) -> str:
    """Return the part from a position to the end; a position outside the string fails the evaluation."""
    return _slice(text, _start(text, position), _length(text))


@builtin("substring(string: string, start position: number, length: number)")
def substring_of_length(text: str, position: Decimal, length: Decimal) -> str:
    """Return at most `length` characters from a position, which must lie within the string."""
    start = _start(text, position)
    return _slice(text, start, min(wrap_int32(start + to_int32(length)), _length(text)))


@builtin("string length(string: string)")
def string_length(text: str) -> int:
    """Return the length in UTF-16 code units."""
    return _length(text)


@builtin("upper case(string: string)")
def upper_case(text: str) -> str:
    """Convert to upper case by Unicode's full mapping."""
    return text.upper()


@builtin("lower case(string: string)")
def lower_case(text: str) -> str:
    """Convert to lower case by Unicode's full mapping."""
    return text.lower()


@builtin("substring before(string: string, match: string)")
def substring_before(text: str, match: str) -> str:
    """Return the part before the first match; empty if there is no match."""
    return text[: max(0, text.find(match))]


@builtin("substring after(string: string, match: string)")
def substring_after(text: str, match: str) -> str:
    """Return the part after the first match; empty if there is no match."""
    place = text.find(match)
    return text[place + len(match) :] if place >= 0 else ""


@builtin("contains(string: string, match: string)")
def contains(text: str, match: str) -> bool:
    """Return whether the match occurs."""
    return match in text


@builtin("starts with(string: string, match: string)")
def starts_with(text: str, match: str) -> bool:
    """Return whether the string starts with the match."""
    return text.startswith(match)


@builtin("ends with(string: string, match: string)")
def ends_with(text: str, match: str) -> bool:
    """Return whether the string ends with the match."""
    return text.endswith(match)


def _regex(run: Run, pattern: str, flags: str = "") -> JavaRegex:
    from camunda_feel.javaregex import JavaRegex, PatternError

    try:
        return JavaRegex(pattern, flags, run.limits.regex_seconds)
    except PatternError as error:
        raise IllegalArgumentError(f"invalid pattern '{pattern[:60]}': {error}") from None


@builtin("matches(input: string, pattern: string)", takes_run=True)
def matches(run: Run, text: str, pattern: str) -> bool:
    """Return whether the pattern is found anywhere."""
    return _regex(run, pattern).found_in(text)


@builtin("matches(input: string, pattern: string, flags: string)", takes_run=True)
def matches_with_flags(run: Run, text: str, pattern: str, flags: str) -> bool:
    """Return whether the pattern is found. Flags are any of s, m, i, x; others have no effect."""
    return _regex(run, pattern, flags).found_in(text)


@builtin("replace(input: string, pattern: string, replacement: string)", takes_run=True)
def replace(run: Run, text: str, pattern: str, replacement: str) -> str:
    """Replace all matches; `$1` is the text of a group."""
    return replace_with_flags(run, text, pattern, replacement, "")


@builtin("replace(input: string, pattern: string, replacement: string, flags: string)", takes_run=True)
def replace_with_flags(run: Run, text: str, pattern: str, replacement: str, flags: str) -> str:
    """Replace all matches, with the flags of `matches`."""
    try:
        return _regex(run, pattern, flags).replace_all(text, replacement, run.limits.size)
    except ValueError as error:
        raise IllegalArgumentError(f"invalid replacement '{replacement[:60]}': {error}") from None


@builtin("split(string: string, delimiter: string)", takes_run=True)
def split(run: Run, text: str, delimiter: str) -> list[str]:
    """Split at each match of the delimiter, a pattern; empty parts are kept."""
    return _regex(run, delimiter).split(text)


@builtin("extract(input: string, pattern: string)", takes_run=True)
def extract(run: Run, text: str, pattern: str) -> list[str]:
    """Return the whole text of all matches."""
    return _regex(run, pattern).find_all(text)


@builtin("trim(string: string)")
def trim(text: str) -> str:
    """Remove control characters and blanks up to U+0020 at both ends."""
    return text.strip("".join(map(chr, range(0x21))))


@builtin("uuid()")
def uuid() -> str:
    """Return a random UUID (version 4)."""
    from uuid import uuid4

    return str(uuid4())


@builtin("to base64(value: string)")
def to_base64(text: str) -> str:
    """Encode the UTF-8 form; half a surrogate pair becomes a question mark, as in Java."""
    from base64 import b64encode

    return b64encode(text.encode("utf-8", "replace")).decode("ascii")


def _is_java_blank(char: str) -> bool:
    if char < "\x80":
        return char in _JAVA_BLANKS
    from unicodedata import category

    return category(char) in ("Zs", "Zl", "Zp") and char not in _NO_BREAK


@builtin("is blank(string: string)")
def is_blank(text: str) -> bool:
    """Return whether the string has only blanks."""
    return all(map(_is_java_blank, text))
