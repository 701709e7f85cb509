"""What the commands show to people: styled in a terminal, plain in a file."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from typing import TextIO

PLAIN_WIDTH = 110
"""Columns where there is no terminal."""
NARROWEST = 60
NAME_WIDTH = 32
"""Column at which the values of a step begin."""
_STYLES = {"bold": "1", "dim": "2", "italic": "3", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


class Terminal:
    """Writes lines: characters that the encoding lacks are escaped, control characters of values removed."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """Write to a stream, standard output by default."""
        self._stream = stream or sys.stdout
        self.is_styled = self._stream.isatty() and "NO_COLOR" not in os.environ
        self.width = PLAIN_WIDTH
        if self._stream.isatty():
            self.width = max(shutil.get_terminal_size((PLAIN_WIDTH, 24)).columns, NARROWEST)

    def styled(self, text: str, style: str) -> str:
        """Return a text with a style around it, where there is one."""
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self.is_styled and text else text

    def say(self, text: str = "", style: str = "") -> None:
        """Write a line."""
        line = _printable(text)
        self._write(self.styled(line, style) if style else line)

    def say_parts(self, *parts: tuple[str, str]) -> None:
        """Write a line of texts, each with its style (empty: none)."""
        pieces = [(_printable(text), style) for text, style in parts]
        self._write("".join(self.styled(text, style) if style else text for text, style in pieces))

    def say_value(self, name: str, value: str) -> None:
        """Write a name and its value on one line, wrapped to the width."""
        for line in textwrap.wrap(_printable(value), max(self.width - NAME_WIDTH - 1, 20)) or [""]:
            self._write(f"     {self.styled(f'{name:<{NAME_WIDTH - 5}}', 'dim')}{line}")
            name = ""

    def _write(self, line: str) -> None:
        encoding = self._stream.encoding or "utf-8"
        self._stream.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        self._stream.flush()


def _printable(text: str) -> str:
    """Replace control characters: a model's answer must not be able to steer the terminal."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in "\n\t" else "�" for char in text)


def shortened(text: object, limit: int = 300) -> str:
    """Return a value as one line of at most so many characters."""
    line = " ".join(str("" if text is None else text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
