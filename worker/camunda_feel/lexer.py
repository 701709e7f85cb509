"""Reading characters: blanks, comments, names, strings and numbers.

FEEL cannot be split into tokens first: `a b` is a name before `(` and an error elsewhere, a context key may
be almost any text, and keywords need no blanks around them (`1 orx` is `1 or x`). So the parser asks the
scanner for what it accepts next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from camunda_feel.errors import FeelSyntaxError

if TYPE_CHECKING:
    from collections.abc import Callable

# Grammar rules 61 and 62 of DMN 1.5 plus what the engine adds.
BLANKS = frozenset(
    "\t\n\x0b\x0c\r \x85\xa0\u1680\u180e\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009"
    "\u200a\u200b\u2028\u2029\u202f\u205f\u3000\ufeff"
)
RESERVED = frozenset(
    ("null", "true", "false", "function", "in", "return", "then", "else", "satisfies", "and", "or")
)
# A context key ends at one of these.
KEY_ENDS = frozenset('"{}:,[]`')
DIGITS = frozenset("0123456789")

_START_CATEGORIES = frozenset(("Lu", "Ll", "Lt", "Lm", "Lo", "Nl", "Sc", "Pc"))
_PART_CATEGORIES = _START_CATEGORIES | {"Nd", "Mn", "Mc", "Cf"}
_ASCII_START = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_$")
# Java also counts control characters that "may be ignored" as parts of a name.
_ASCII_PART = _ASCII_START | DIGITS | frozenset(map(chr, (*range(9), *range(0x0E, 0x1C), 0x7F)))


def _category(char: str) -> str:
    import unicodedata

    # Names hold UTF-16 units: half a surrogate pair is neither letter nor digit.
    return "" if char > "\uffff" else unicodedata.category(char)


def is_name_start(char: str) -> bool:
    """Return Java's `isJavaIdentifierStart` for one UTF-16 unit."""
    return char in _ASCII_START if char < "\x80" else _category(char) in _START_CATEGORIES


def is_name_part(char: str) -> bool:
    """Return Java's `isJavaIdentifierPart`, but False for FEEL's own blanks."""
    if char < "\x80":
        return char in _ASCII_PART
    return (_category(char) in _PART_CATEGORIES or char <= "\x9f") and char not in BLANKS


class Scanner:
    """A position in a text. Every reader keeps the position when it returns None or False."""

    __slots__ = ("end", "farthest", "pos", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.end = len(text)
        self.pos = 0
        self.farthest = 0

    def skip(self) -> None:
        """Move past blanks and comments."""
        text, end, pos = self.text, self.end, self.pos
        while pos < end:
            char = text[pos]
            if char in BLANKS:
                pos += 1
            elif char == "/" and text.startswith("//", pos):
                newline = text.find("\n", pos)
                pos = end if newline < 0 else newline + 1
            elif char == "/" and text.startswith("/*", pos):
                close = text.find("*/", pos + 2)
                if close < 0:
                    raise self.error("comment is never closed", pos)
                pos = close + 2
            else:
                break
        self.pos = pos
        self.farthest = max(self.farthest, pos)

    def literal(self, word: str) -> bool:
        """Skip blanks, then accept exactly `word` (no word boundary is needed after it)."""
        start = self.pos
        self.skip()
        if self.text.startswith(word, self.pos):
            self.pos += len(word)
            return True
        self.pos = start
        return False

    def peek(self) -> str:
        """Return the next character after blanks, or an empty string at the end."""
        self.skip()
        return self.text[self.pos] if self.pos < self.end else ""

    def identifier(self) -> str | None:
        """Read a Java identifier at exactly this position; reserved words are refused."""
        text, start, end = self.text, self.pos, self.end
        if start >= end or not is_name_start(text[start]):
            return None
        pos = self._run(start + 1, is_name_part)
        word = text[start:pos]
        if word in RESERVED:
            return None
        self.pos = pos
        return word

    def _run(self, pos: int, accept: Callable[[str], bool]) -> int:
        text, end = self.text, self.end
        while pos < end and (text[pos] in _ASCII_PART or accept(text[pos])):
            pos += 1
        return pos

    def name(self) -> str | None:
        """Read an identifier, or any text between backticks."""
        self.skip()
        if not self.text.startswith("`", self.pos):
            return self.identifier()
        close = self.text.find("`", self.pos + 1)
        if close <= self.pos + 1:
            return None
        word = self.text[self.pos + 1 : close]
        self.pos = close + 1
        return word

    def spaced_identifier(self) -> str | None:
        """Read two or more identifiers joined by plain spaces, as in function names; spaces are kept."""
        self.skip()
        start = self.pos
        if self.identifier() is None:
            return None
        words_end = 0
        while True:
            pos = self.pos
            while self.text.startswith(" ", self.pos):
                self.pos += 1
            if self.pos == pos or self.identifier() is None:
                break
            words_end = self.pos
        self.pos = words_end or start
        return self.text[start:words_end] if words_end else None

    def context_key(self) -> str | None:
        """Read any characters up to one of `KEY_ENDS`, without surrounding blanks."""
        self.skip()
        start = last = self.pos
        while self.pos < self.end and self.text[self.pos] not in KEY_ENDS:
            self.pos += 1
            last = self.pos
            self.skip()
        self.pos = last
        return self.text[start:last] or None

    def string(self) -> str | None:
        """Return the raw text between double quotes; escapes are not translated."""
        self.skip()
        if not self.text.startswith('"', self.pos):
            return None
        text, pos = self.text, self.pos + 1
        while True:
            close = text.find('"', pos)
            if close < 0:
                return None
            escape = text.find("\\", pos, close)
            if escape < 0:
                break
            pos = escape + 2
        raw = text[self.pos + 1 : close]
        self.pos = close + 1
        return raw

    def number(self) -> str | None:
        """Read digits with an optional sign and fraction, but no exponent; a point needs digits after it."""
        self.skip()
        text, start = self.text, self.pos
        pos = start + 1 if text.startswith("-", start) else start
        whole = self._digits(pos)
        after = whole
        if text.startswith(".", whole):
            fraction = self._digits(whole + 1)
            if fraction > whole + 1:
                after = fraction
        if after == pos:
            return None
        self.pos = after
        return text[start:after]

    def _digits(self, pos: int) -> int:
        text, end = self.text, self.end
        while pos < end and text[pos] in DIGITS:
            pos += 1
        return pos

    def error(self, message: str, pos: int) -> FeelSyntaxError:
        """Return a syntax error at an offset, with its line (cut to 120 characters) and a caret."""
        line, column = line_and_column(self.text, pos)
        start = self.text.rfind("\n", 0, pos) + 1
        stop = self.text.find("\n", pos)
        source_line = self.text[start : stop if stop >= 0 else self.end].rstrip("\r")
        cut = max(0, column - 80)
        shown = source_line[cut : cut + 120].replace("\t", " ")
        return FeelSyntaxError(message, line, column, f"{shown}\n{' ' * (column - 1 - cut)}^")


def line_and_column(text: str, pos: int) -> tuple[int, int]:
    """Return line and column (both from 1) of an offset."""
    return text.count("\n", 0, pos) + 1, pos - text.rfind("\n", 0, pos)


_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "'": "'", '"': '"'}


def unescape(raw: str) -> str:
    r"""Translate `\n \r \t \b \f \' \" \\` as the engine does: each kind in turn, the double backslash last.

    A backslash right after another one starts no escape (the engine's pattern looks one character back), and
    every other backslash stays: `\s` of a regular expression survives, and so does `\u0041`.
    """
    if "\\" not in raw:
        return raw
    for letter, char in _ESCAPES.items():
        escape = "\\" + letter
        pos = raw.find(escape)
        parts: list[str] = []
        start = 0
        while pos >= 0:
            if pos > 0 and raw[pos - 1] == "\\":
                pos = raw.find(escape, pos + 1)
                continue
            parts += (raw[start:pos], char)
            start = pos + 2
            pos = raw.find(escape, start)
        if parts:
            raw = "".join((*parts, raw[start:]))
    return raw.replace("\\\\", "\\")
