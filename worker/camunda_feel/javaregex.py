r"""Java's regular expressions on the `regex` module, which can stop after a time limit.

A pattern is read in Java's grammar and translated for `regex` (its version 1): syntax with another meaning
there is written out (`.`, `$`, `\w`, ASCII letters of either case, unions and intersections), and
what Java rejects is rejected.
"""

from __future__ import annotations

import sys
import time
from bisect import bisect_left
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from camunda_feel.errors import FeelEvaluationError, FeelLimitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# In the machine's byte order, as memoryview reads it.
_UTF_16 = "utf-16-le" if sys.byteorder == "little" else "utf-16-be"

MAX_PATTERN = 10_000
MAX_NESTING = 50
# Counted repetitions are written out when a pattern is compiled: this many parts, copies included.
MAX_PARTS = 20_000

_NO_LINE_END = r"[^\n\r\x85\u2028\u2029]"
_LINE_END = r"(?:\r\n|[\n\r\x85\u2028\u2029])"
_LINE_BREAK = r"(?:\r\n|[\n\x0b\f\r\x85\u2028\u2029])"
_WITHIN_LINE_END = r"(?<=\r)\n"
_LINE_START = rf"(?:\A|(?<={_LINE_END}))(?!{_WITHIN_LINE_END}|\Z)"
# Java's names of POSIX classes, all of them ASCII.
_POSIX = {
    "Lower": "a-z",
    "Upper": "A-Z",
    "ASCII": r"\x00-\x7f",
    "Alpha": "A-Za-z",
    "Digit": "0-9",
    "Alnum": "A-Za-z0-9",
    "Punct": r"!-/:-@\[-`{-~",
    "Graph": "!-~",
    "Print": " -~",
    "Blank": r" \t",
    "Cntrl": r"\x00-\x1f\x7f",
    "XDigit": "0-9A-Fa-f",
    "Space": r" \t\n\x0b\f\r",
}
_IGNORABLE = r"\x00-\x08\x0e-\x1b\x7f-\x9f\p{Cf}"
_CASED_LETTERS = r"[\p{Lowercase}\p{Uppercase}\p{Lt}]"
# Names that stand alone; they may also stand behind `Is`.
_PROPERTIES = {
    "LC": r"[\p{Lu}\p{Ll}\p{Lt}]",
    "LD": r"[\p{L}\p{Nd}]",
    "L1": r"[\x00-\xff]",
    "all": r"[\x00-\U0010ffff]",
    "javaLowerCase": r"\p{Lowercase}",
    "javaUpperCase": r"\p{Uppercase}",
    "javaTitleCase": r"\p{Lt}",
    "javaAlphabetic": r"\p{Alphabetic}",
    "javaIdeographic": r"\p{Ideographic}",
    "javaWhitespace": r"[[\p{Z}\t-\r\x1c-\x1f]--[\xa0\u2007\u202f]]",
    "javaSpaceChar": r"\p{Z}",
    "javaISOControl": r"[\x00-\x1f\x7f-\x9f]",
    "javaMirrored": r"\p{Bidi_Mirrored}",
    "javaDefined": r"\P{Cn}",
    "javaLetter": r"\p{L}",
    "javaDigit": r"\p{Nd}",
    "javaLetterOrDigit": r"[\p{L}\p{Nd}]",
    "javaIdentifierIgnorable": f"[{_IGNORABLE}]",
    "javaJavaIdentifierStart": r"[\p{L}\p{Nl}\p{Sc}\p{Pc}]",
    "javaJavaIdentifierPart": rf"[\p{{L}}\p{{Nl}}\p{{Sc}}\p{{Pc}}\p{{Nd}}\p{{Mn}}\p{{Mc}}{_IGNORABLE}]",
    "javaUnicodeIdentifierStart": r"\p{ID_Start}",
    "javaUnicodeIdentifierPart": rf"[\p{{ID_Continue}}{_IGNORABLE}]",
}
# Binary properties, which need the prefix `Is`; their case is ignored.
_BINARY_PROPERTIES = {
    "ALPHABETIC": r"\p{Alphabetic}",
    "LETTER": r"\p{L}",
    "IDEOGRAPHIC": r"\p{Ideographic}",
    "LOWERCASE": r"\p{Lowercase}",
    "UPPERCASE": r"\p{Uppercase}",
    "TITLECASE": r"\p{Lt}",
    "WHITE_SPACE": r"\p{White_Space}",
    "WHITESPACE": r"\p{White_Space}",
    "CONTROL": r"\p{Cc}",
    "PUNCTUATION": r"\p{P}",
    "HEX_DIGIT": r"[\p{Nd}\p{Hex_Digit}]",
    "HEXDIGIT": r"[\p{Nd}\p{Hex_Digit}]",
    "DIGIT": r"\p{Nd}",
    "ASSIGNED": r"\P{Cn}",
    "EMOJI": r"\p{Emoji}",
    "ALNUM": r"[\p{Alphabetic}\p{Nd}]",
    "BLANK": r"[\p{Zs}\t]",
    "GRAPH": r"[^\p{Z}\p{Cc}\p{Cs}\p{Cn}]",
    "PRINT": r"[[^\p{Z}\p{Cc}\p{Cs}\p{Cn}]\p{Zs}]",
    "WORD": r"[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d]",
    "JOIN_CONTROL": r"[\u200c\u200d]",
    "JOINCONTROL": r"[\u200c\u200d]",
    "NONCHARACTER_CODE_POINT": r"\p{Noncharacter_Code_Point}",
    "NONCHARACTERCODEPOINT": r"\p{Noncharacter_Code_Point}",
}
# The properties that the POSIX names stand for behind `Is`, and under the flag `U` everywhere.
_POSIX_UNICODE = {
    "ALPHA": "ALPHABETIC",
    "LOWER": "LOWERCASE",
    "UPPER": "UPPERCASE",
    "SPACE": "WHITE_SPACE",
    "PUNCT": "PUNCTUATION",
    "XDIGIT": "HEX_DIGIT",
    "CNTRL": "CONTROL",
    **{name: name for name in ("ALNUM", "DIGIT", "BLANK", "GRAPH", "PRINT")},
}
_CATEGORIES = frozenset(
    (
        *(
            "L",
            "M",
            "N",
            "Z",
            "C",
            "P",
            "S",
            "Lu",
            "Ll",
            "Lt",
            "Lm",
            "Lo",
            "Mn",
            "Me",
            "Mc",
            "Nd",
            "Nl",
            "No",
        ),
        *("Zs", "Zl", "Zp", "Cc", "Cf", "Co", "Cs", "Cn", "Pd", "Ps", "Pe", "Pc", "Po", "Pi", "Pf"),
        *("Sm", "Sc", "Sk", "So"),
    )
)
# With the flag `i`, each of these stands for letters of any case.
_CASELESS = {
    **dict.fromkeys(("Lu", "Ll", "Lt"), r"[\p{Lu}\p{Ll}\p{Lt}]"),
    **dict.fromkeys(("Lower", "Upper"), "[A-Za-z]"),
    **dict.fromkeys(("javaLowerCase", "javaUpperCase", "javaTitleCase"), _CASED_LETTERS),
    **dict.fromkeys(("LOWERCASE", "UPPERCASE", "TITLECASE"), _CASED_LETTERS),
}
_CLASS_ESCAPES = {
    "d": "[0-9]",
    "D": "[^0-9]",
    "w": "[A-Za-z0-9_]",
    "W": "[^A-Za-z0-9_]",
    "s": r"[ \t\n\x0b\f\r]",
    "S": r"[^ \t\n\x0b\f\r]",
    "h": r"[ \t\xa0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000]",
    "H": r"[^ \t\xa0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000]",
    "v": r"[\n\x0b\f\r\x85\u2028\u2029]",
    "V": r"[^\n\x0b\f\r\x85\u2028\u2029]",
}
_UNICODE_CLASS_ESCAPES = _CLASS_ESCAPES | {
    "d": r"\p{Nd}",
    "D": r"\P{Nd}",
    "w": _BINARY_PROPERTIES["WORD"],
    "W": f"[^{_BINARY_PROPERTIES['WORD']}]",
    "s": r"\p{White_Space}",
    "S": r"\P{White_Space}",
}
_CHAR_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "a": "\a", "e": "\x1b"}
_GROUP_OPENINGS = ("(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>")
_ASCII_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_COMMENT_BLANKS = frozenset(" \t\n\x0b\f\r")


class PatternError(Exception):
    """The pattern is not valid in Java."""


class JavaRegex:
    """A compiled pattern; every use may take `seconds` at most."""

    def __init__(self, pattern: str, flags: str, seconds: float) -> None:
        kept = "".join(flag for flag in "smix" if flag in flags)
        self.compiled = _compile(pattern, kept)
        # After an empty match the search goes on further along, where `\\G` no longer holds.
        self.moved_on = _compile(pattern, kept, moved_on=True) if "\\G" in pattern else self.compiled
        self.seconds = seconds

    def found_in(self, text: str) -> bool:
        """Return True if there is a match anywhere."""
        try:
            return self.compiled.search(text, timeout=self.seconds) is not None
        except TimeoutError:
            raise self._too_slow() from None

    def _too_slow(self) -> FeelEvaluationError:
        return FeelLimitError(f"a regular expression may take {self.seconds} seconds at most")

    def _matches(self, text: str, units: str) -> Iterator[tuple[int, int, Any]]:
        """Yield matches as Java's `find` does: after an empty match, continue one UTF-16 unit later.

        Each result has start and end as offsets in `units`, and the match.
        """
        deadline = time.monotonic() + self.seconds

        def tried(find: Callable[..., Any], subject: str, start: int) -> Any:
            left = deadline - time.monotonic()
            if left <= 0:
                raise self._too_slow()
            try:
                return find(subject, start, timeout=left)
            except TimeoutError:
                raise self._too_slow() from None

        pairs = (
            [place for place, char in enumerate(text) if char > "\uffff"] if len(units) > len(text) else []
        )
        start, compiled = 0, self.compiled
        while start <= len(text):
            match = tried(compiled.search, text, start)
            if match is None:
                return
            first, start = match.span()
            before = bisect_left(pairs, first)
            yield first + before, start + bisect_left(pairs, start), match
            compiled = self.compiled
            if first == start:
                start += 1
                compiled = self.moved_on
                if before < len(pairs) and pairs[before] == first:
                    place = first + before + 1
                    between = tried(compiled.match, units, place)
                    if between is not None and between.end() == place:
                        yield place, place, between

    def find_all(self, text: str) -> list[str]:
        """Return the text of every match."""
        return [match.group() for _, _, match in self._matches(text, _units(text))]

    def split(self, text: str) -> list[str]:
        """Split as Java's `split(text, -1)`: empty parts stay, an empty match at the start does not split."""
        units = _units(text)
        parts = []
        done = 0
        for start, end, _ in self._matches(text, units):
            if end == 0:
                continue
            parts.append(units[done:start])
            done = end
        parts.append(units[done:])
        return list(map(_joined, parts)) if len(units) > len(text) else parts

    def replace_all(self, text: str, replacement: str, size: int) -> str:
        """Replace as Java's `replaceAll`; raise ValueError for a match with a malformed replacement."""
        units = _units(text)
        parts: list[str] = []
        done = length = 0
        template: list[str | int] | None = None
        for start, end, match in self._matches(text, units):
            if template is None:
                template = _template(replacement, self.compiled.groups, self.compiled.groupindex)
            inserted = "".join(
                part if isinstance(part, str) else match.group(part) or "" for part in template
            )
            parts += (units[done:start], inserted)
            done = end
            length += len(parts[-1]) + len(parts[-2])
            if length > size:
                raise FeelLimitError(f"a string may have {size} characters at most")
        parts.append(units[done:])
        return _joined("".join(parts)) if len(units) > len(text) else "".join(parts)


def _units(text: str) -> str:
    """Return the text with each character beyond U+FFFF split into its surrogates."""
    if text.isascii() or max(text) <= "\uffff":
        return text
    return "".join(map(chr, memoryview(text.encode(_UTF_16, "surrogatepass")).cast("H")))


def _joined(units: str) -> str:
    """Return the text with adjacent surrogates joined into one character."""
    return units.encode(_UTF_16, "surrogatepass").decode(_UTF_16, "surrogatepass")


def _template(replacement: str, groups: int, names: Any) -> list[str | int]:
    """Return texts and group numbers of a replacement such as `$1-${name}`."""
    parts: list[str | int] = []
    index, end = 0, len(replacement)
    while index < end:
        char = replacement[index]
        index += 1
        if char == "\\":
            if index == end:
                raise ValueError("character to be escaped is missing")
            parts.append(replacement[index])
            index += 1
        elif char != "$":
            parts.append(char)
        elif index < end and replacement[index] == "{":
            close = replacement.find("}", index)
            name = replacement[index + 1 : close]
            if close < 0 or name not in names:
                raise ValueError("no such named group")
            parts.append(int(names[name]))
            index = close + 1
        else:
            number, index = _group_number(replacement, index, groups)
            parts.append(number)
    return parts


def _group_number(replacement: str, index: int, groups: int) -> tuple[int, int]:
    """Return a group number of as many digits as match an existing group, at least one digit."""
    if index == len(replacement) or replacement[index] not in "0123456789":
        raise ValueError("illegal group reference")
    number = int(replacement[index])
    if number > groups:
        raise ValueError(f"no group {number}")
    index += 1
    while index < len(replacement) and replacement[index] in "0123456789":
        longer = number * 10 + int(replacement[index])
        if longer > groups:
            break
        number = longer
        index += 1
    return number, index


@lru_cache(maxsize=128)
def _compile(pattern: str, flags: str, *, moved_on: bool = False) -> Any:
    import regex

    if len(pattern) > MAX_PATTERN:
        raise PatternError(f"longer than {MAX_PATTERN} characters")
    try:
        written = _Translator(pattern, flags, moved_on=moved_on).translate()
        return regex.compile(written, regex.VERSION1 | regex.UNICODE)
    except (regex.error, RecursionError, OverflowError, ValueError, KeyError) as error:
        raise PatternError(str(error)) from None


def _quoted(char: str) -> str:
    """Return a literal character, quoted for use in a class and outside."""
    code = ord(char)
    if char.isascii() and not char.isalnum():
        return f"\\x{code:02x}"
    return char


class _Translator:
    def __init__(self, pattern: str, flags: str, *, moved_on: bool) -> None:
        self.pattern = pattern
        self.last_end = "(?!)" if moved_on else r"\G"
        self.end = len(pattern)
        self.pos = 0
        self.depth = 0
        self.groups = 0
        self.parts = 0
        self.names: set[str] = set()
        self.references: set[int] = set()
        self.missing_groups: set[int] = set()
        self.dotall, self.multiline, self.comments = "s" in flags, "m" in flags, "x" in flags
        self.caseless = "i" in flags
        self.unix_lines = self.unicode_case = self.unicode_classes = False

    @property
    def modes(self) -> tuple[bool, ...]:
        """The current flags, which end with the group that they were set in."""
        unicode = self.unicode_case, self.unicode_classes
        return self.dotall, self.multiline, self.comments, self.caseless, self.unix_lines, *unicode

    @modes.setter
    def modes(self, modes: tuple[bool, ...]) -> None:
        self.dotall, self.multiline, self.comments, self.caseless, self.unix_lines, *unicode = modes
        self.unicode_case, self.unicode_classes = unicode

    @property
    def class_escapes(self) -> dict[str, str]:
        r"""What `\d` and its like mean now."""
        return _UNICODE_CLASS_ESCAPES if self.unicode_classes else _CLASS_ESCAPES

    def translate(self) -> str:
        start, modes = self.pos, self.modes
        written = self.alternatives()
        if self.pos < self.end:
            raise PatternError("unmatched closing ')'")
        missing = {number for number in self.references if number > self.groups}
        if missing != self.missing_groups:
            # The groups are counted now: translate again.
            self.pos, self.modes, self.missing_groups = start, modes, missing
            self.groups = self.parts = 0
            self.names.clear()
            written = self.alternatives()
        return written

    def peek(self) -> str:
        return self.pattern[self.pos : self.pos + 1]

    def take(self) -> str:
        char = self.peek()
        if not char:
            raise PatternError("pattern ends too early")
        self.pos += 1
        return char

    def skip_comments(self) -> None:
        while self.comments and self.pos < self.end:
            char = self.peek()
            if char in _COMMENT_BLANKS:
                self.pos += 1
            elif char == "#":
                while self.pos < self.end and self.take() not in "\n\r\x85\u2028\u2029":
                    pass
            else:
                return

    def alternatives(self) -> str:
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise PatternError(f"nested deeper than {MAX_NESTING} levels")
        saved = self.modes
        parts: list[str] = []
        while True:
            self.skip_comments()
            char = self.peek()
            if not char or char == ")":
                break
            if char == "|":
                self.pos += 1
                parts.append("|")
                continue
            before = self.parts
            self.parts += 1
            atom, repeatable = self.atom()
            self.skip_comments()
            parts.append(self.quantified(atom, before) if repeatable else atom)
        self.modes = saved
        self.depth -= 1
        return "".join(parts)

    def atom(self) -> tuple[str, bool]:
        char = self.take()
        if char == "(":
            return self.group()
        if char == "[":
            return self.folded(self.char_class()), True
        if char == "\\":
            return self.escape()
        if char == ".":
            return self.any_char(), True
        if char == "^":
            return (self.line_start() if self.multiline else r"\A"), True
        if char == "$":
            return self.text_end("|" if self.multiline else "?"), True
        if char in "*+?":
            raise PatternError(f"dangling meta character '{char}'")
        if char == "{":
            # A counted repetition of nothing, which Java accepts.
            self.pos -= 1
            return "", True
        return self.cased(char), True

    def line_start(self) -> str:
        return r"(?:\A|(?<=\n))(?!\Z)" if self.unix_lines else _LINE_START

    def text_end(self, joint: str) -> str:
        """Return the end of the text, before an optional line end (`?`), or at any line's end (`|`)."""
        return rf"(?=\n{joint}\Z)" if self.unix_lines else rf"(?!{_WITHIN_LINE_END})(?={_LINE_END}{joint}\Z)"

    def cased(self, char: str) -> str:
        """Return a literal character; with the flag `i` also its other case, if it is ASCII or with `u`."""
        if self.caseless and self.unicode_case and char.isalpha():
            return self.folded(char)
        if self.caseless and char.isascii() and char.isalpha():
            return f"[{char.lower()}{char.upper()}]"
        return _quoted(char)

    def folded(self, written: str) -> str:
        """Return a character or class; with the flags `i` and `u` it matches any case of its letters."""
        # Not full case folding: one letter stands for one.
        return f"(?i-f:{written})" if self.caseless and self.unicode_case else written

    def quantified(self, atom: str, before: int) -> str:
        """Return an atom with the quantifier that follows; `before` is the number of parts in front of it."""
        char = self.peek()
        if char and char in "*+?":
            self.pos += 1
            quantifier = char
        elif char == "{":
            quantifier, copies = self.braces()
            self.parts = before + (self.parts - before) * max(1, copies)
            if self.parts > MAX_PARTS:
                raise PatternError(f"repetitions make more than {MAX_PARTS} parts")
        else:
            return atom
        mode = self.peek()
        if mode and mode in "?+":
            self.pos += 1
            quantifier += mode
        self.skip_comments()
        if self.peek() and self.peek() in "*+?":
            raise PatternError(f"dangling meta character '{self.peek()}'")
        # In a repetition, `\\R` never releases one half of its match.
        return f"(?{'>' if atom == _LINE_BREAK else ':'}{atom}){quantifier}"

    def braces(self) -> tuple[str, int]:
        close = self.pattern.find("}", self.pos)
        inner = self.pattern[self.pos + 1 : close]
        if self.comments and inner[:1] not in _COMMENT_BLANKS:
            inner = "".join(char for char in inner if char not in _COMMENT_BLANKS)
        low, comma, high = inner.partition(",")
        digits = [part for part in (low, high) if part]
        if close < 0 or not low or not all(part.isascii() and part.isdigit() for part in digits):
            raise PatternError("illegal repetition")
        if any(len(part) > 9 for part in digits) or (high and int(high) < int(low)):
            raise PatternError("illegal repetition range")
        self.pos = close + 1
        return f"{{{int(low)}{comma}{int(high) if high else ''}}}", int(low)

    def any_char(self) -> str:
        if self.dotall:
            return r"(?s:.)"
        return r"[^\n]" if self.unix_lines else _NO_LINE_END

    def group(self) -> tuple[str, bool]:
        start = self.pos - 1
        for opening in _GROUP_OPENINGS:
            if self.pattern.startswith(opening, start):
                self.pos = start + len(opening)
                return self.close(opening), True
        if self.pattern.startswith("(?<", start):
            stop = self.pattern.find(">", start)
            name = self.pattern[start + 3 : stop]
            if stop < 0 or not (name.isascii() and name.isalnum() and name[0].isalpha()):
                raise PatternError("malformed name of a group")
            if name in self.names:
                raise PatternError(f"group '{name}' is already defined")
            self.names.add(name)
            self.pos = stop + 1
            self.groups += 1
            return self.close(f"(?<{name}>"), True
        self.skip_comments()
        if self.peek() == "?":
            return self.inline_flags()
        self.groups += 1
        return self.close("("), True

    def close(self, opening: str) -> str:
        inner = self.alternatives()
        if self.peek() != ")":
            raise PatternError("unclosed group")
        self.pos += 1
        return f"{opening}{inner})"

    def inline_flags(self) -> tuple[str, bool]:
        """Read `(?i)` up to the end of the group, or `(?i:...)`."""
        self.pos += 1
        on = True
        saved = self.modes
        while True:
            self.skip_comments()
            if self.peek() in (")", ":"):
                break
            flag = self.take()
            if flag == "-":
                on = False
            elif flag == "s":
                self.dotall = on
            elif flag == "m":
                self.multiline = on
            elif flag == "x":
                self.comments = on
            elif flag == "i":
                self.caseless = on
            elif flag == "d":
                self.unix_lines = on
            elif flag == "u":
                self.unicode_case = on
            elif flag == "U":
                self.unicode_case = self.unicode_classes = on
            else:
                raise PatternError("unknown inline modifier")
        if self.take() == ")":
            # Applies to the rest of the enclosing group, alternatives included.
            return "", False
        inner = self.close("(?:")
        self.modes = saved
        return inner, True

    # ---- escapes

    def escape(self) -> tuple[str, bool]:
        char = self.take()
        if char in "123456789":
            return self.back_reference(char), True
        if char == "Q":
            stop = self.pattern.find("\\E", self.pos)
            text = self.pattern[self.pos : stop if stop >= 0 else self.end]
            self.pos = stop + 2 if stop >= 0 else self.end
            quoted = [self.cased(one) for one in text]
            if not quoted:
                return "", False
            # A quantifier after the quotation repeats its last character only.
            return "".join(quoted[:-1]) + self.quantified(quoted[-1], self.parts - 1), False
        simple = {
            "A": r"\A",
            "z": r"\Z",
            "Z": self.text_end("?"),
            "G": self.last_end,
            "R": _LINE_BREAK,
            "X": r"\X",
        }.get(char)
        if simple is not None:
            return simple, True
        if char == "k":
            stop = self.pattern.find(">", self.pos)
            name = self.pattern[self.pos + 1 : stop]
            if self.peek() != "<" or stop < 0 or name not in self.names:
                raise PatternError("no such named group")
            self.pos = stop + 1
            return f"(?P={name})", True
        if char in "bB":
            return self.boundary(negated=char == "B"), True
        if char in _CLASS_ESCAPES:
            return self.class_escapes[char], True
        if char in "pP":
            return self.property(negated=char == "P"), True
        return self.cased(self.escaped_char(char)), True

    def boundary(self, *, negated: bool) -> str:
        word = self.class_escapes["w"]
        first, second = ("=", "!") if negated else ("!", "=")
        return f"(?:(?<={word})(?{first}{word})|(?<!{word})(?{second}{word}))"

    def back_reference(self, digit: str) -> str:
        number = int(digit)
        while self.peek() and self.peek() in "0123456789" and number * 10 + int(self.peek()) <= self.groups:
            number = number * 10 + int(self.take())
        # A reference to a group that does not exist never matches, but Java compiles it.
        self.references.add(number)
        if number in self.missing_groups:
            return "(?!)"
        return f"(?i:\\{number})" if self.caseless else f"(?:\\{number})"

    def escaped_char(self, char: str) -> str:
        if char in _CHAR_ESCAPES:
            return _CHAR_ESCAPES[char]
        if char == "0":
            return self.octal_char()
        if char == "x" and self.peek() == "{":
            stop = self.pattern.find("}", self.pos)
            code = self.hexadecimal(self.pattern[self.pos + 1 : stop])
            self.pos = stop + 1
            return code
        if char == "N":
            return self.named_char()
        if char in "xu":
            return self.coded_char(2 if char == "x" else 4)
        if char == "c":
            return chr(ord(self.take()) ^ 64)
        if char.isascii() and char.isalnum():
            raise PatternError(f"illegal escape sequence '\\{char}'")
        return char

    def octal_char(self) -> str:
        digits = ""
        while len(digits) < 3 and self.peek() and self.peek() in "01234567":
            if len(digits) == 2 and digits[0] > "3":
                break
            digits += self.take()
        if not digits:
            raise PatternError("illegal octal escape sequence")
        return chr(int(digits, 8))

    def coded_char(self, width: int) -> str:
        """Return the character of a hexadecimal code, or of two codes for the halves of a surrogate pair."""
        code = self.hexadecimal(self.pattern[self.pos : self.pos + width], width)
        self.pos += width
        if "\ud800" <= code <= "\udbff" and self.pattern.startswith("\\u", self.pos):
            low = self.hexadecimal(self.pattern[self.pos + 2 : self.pos + 6], 4)
            if "\udc00" <= low <= "\udfff":
                self.pos += 6
                return _joined(code + low)
        return code

    def named_char(self) -> str:
        import unicodedata

        stop = self.pattern.find("}", self.pos)
        name = self.pattern[self.pos + 1 : stop]
        if self.peek() != "{" or stop < 0:
            raise PatternError("illegal character name escape sequence")
        self.pos = stop + 1
        try:
            return unicodedata.lookup(name)
        except KeyError:
            raise PatternError("unknown character name") from None

    def hexadecimal(self, digits: str, width: int = 0) -> str:
        valid = digits and all(digit in "0123456789abcdefABCDEF" for digit in digits)
        if not valid or (width and len(digits) != width) or len(digits) > 6 or int(digits, 16) > 0x10FFFF:
            raise PatternError("illegal hexadecimal escape sequence")
        return chr(int(digits, 16))

    def property(self, *, negated: bool) -> str:
        if self.peek() == "{":
            stop = self.pattern.find("}", self.pos)
            if stop < 0:
                raise PatternError("unclosed character family")
            name = self.pattern[self.pos + 1 : stop]
            self.pos = stop + 1
        else:
            name = self.take()
        return f"[^{self.named_class(name)}]" if negated else self.named_class(name)

    def named_class(self, name: str) -> str:
        """Return a class for one of Java's names."""
        if self.unicode_classes and name.upper() in _POSIX_UNICODE:
            return self.binary_property(_POSIX_UNICODE[name.upper()])
        key, equals, value = name.partition("=")
        found, kind = (
            None,
            {"sc": "Script", "script": "Script", "blk": "Block", "block": "Block"}.get(key.lower()),
        )
        if equals:
            if key.lower() in ("gc", "general_category"):
                found = self.plain_property(value)
        elif name.startswith("In"):
            kind, value = "Block", name[2:]
        elif name.startswith("Is"):
            kind, value = "Script", name[2:]
            binary = _POSIX_UNICODE.get(value.upper(), value.upper())
            found = (
                self.binary_property(binary) if binary in _BINARY_PROPERTIES else self.plain_property(value)
            )
        else:
            found = self.plain_property(name)
        if found is not None:
            return found
        plain = value.replace("_", "").replace(" ", "").replace("-", "")
        if kind is None or not (plain.isascii() and plain.isalnum()):
            raise PatternError("unknown character property")
        return f"\\p{{{kind}={value}}}"

    def plain_property(self, name: str) -> str | None:
        """Return a POSIX class, a Java property or a general category, by its exact name."""
        if self.caseless and name in _CASELESS:
            return _CASELESS[name]
        if name in _POSIX:
            return f"[{_POSIX[name]}]"
        return f"\\p{{gc={name}}}" if name in _CATEGORIES else _PROPERTIES.get(name)

    def binary_property(self, name: str) -> str:
        """Return a property by its name in capitals."""
        return (self.caseless and _CASELESS.get(name)) or _BINARY_PROPERTIES[name]

    # ---- character classes

    def char_class(self) -> str:
        """Read what follows `[`: unions of characters, ranges and classes, intersected by `&&`."""
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise PatternError(f"nested deeper than {MAX_NESTING} levels")
        negated = self.peek() == "^"
        self.pos += negated
        operands: list[list[str]] = [[]]
        first = True
        while True:
            self.skip_comments()
            if self.pattern.startswith("&&", self.pos):
                self.pos += 2
                # Before a third `&` alone, Java intersects with nothing.
                if self.peek() != "&" or self.pattern.startswith("&&", self.pos):
                    operands.append([])
                continue
            char = self.take()
            if char == "]" and not first:
                break
            first = False
            if char == "[":
                operands[-1].append(self.char_class())
            else:
                operands[-1].append(self.class_member(char))
        self.depth -= 1
        # `&&` with nothing on a side is no restriction.
        filled = ["".join(operand) for operand in operands if operand]
        if not filled:
            raise PatternError("empty character class")
        sets = [f"[{operand}]" for operand in filled]
        inner = sets[0] if len(sets) == 1 else f"[{'&&'.join(sets)}]"
        return f"[^{inner}]" if negated else inner

    def class_member(self, char: str) -> str:
        if char == "\\":
            escaped = self.take()
            if escaped in _CLASS_ESCAPES:
                return self.class_escapes[escaped]
            if escaped in "pP":
                return self.property(negated=escaped == "P")
            if escaped == "Q":
                stop = self.pattern.find("\\E", self.pos)
                text = self.pattern[self.pos : stop if stop >= 0 else self.end]
                self.pos = stop + 2 if stop >= 0 else self.end
                return "".join(map(self.class_char, text))
            char = self.escaped_char(escaped)
        self.skip_comments()
        following = self.pattern[self.pos + 1 : self.pos + 2]
        if self.peek() == "-" and following and following not in "[]":
            self.pos += 1
            self.skip_comments()
            last = self.take()
            if last == "\\":
                last = self.escaped_char(self.take())
            if last < char:
                raise PatternError("illegal character range")
            swapped = "".join(
                letter.swapcase() for letter in _ASCII_LETTERS if self.caseless and char <= letter <= last
            )
            return f"{_quoted(char)}-{_quoted(last)}{swapped}"
        return self.class_char(char)

    def class_char(self, char: str) -> str:
        """Return a member of a class, with its other case where that matters."""
        if self.caseless and char.isascii() and char.isalpha():
            return char.lower() + char.upper()
        return _quoted(char)
