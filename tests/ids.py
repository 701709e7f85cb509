"""Names for the values of parametrized tests that pytest would number: `inputs0`, `inputs1` ..."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from types import FunctionType
from typing import Any

LONGEST = 60
LEVELS = 3
BLANKS = {" ": "space", "\n": "line feed", "\r\n": "carriage return and line feed"}
REPEATED = re.compile(r"(.{1,14}?)\1{9,}")


def readable(value: Any, levels: int = LEVELS) -> str | None:
    """Return a short name for a value; None where pytest's own is good."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bytes):
        return _text(value.decode()) or value.decode() if value.isascii() else f"bytes {value[:8].hex(' ')}"
    if isinstance(value, Mapping):
        return _joined(f"{name}: {_inner(item, levels)}" for name, item in value.items()) or "empty context"
    if isinstance(value, set | frozenset):
        value = sorted(value)
    if isinstance(value, list | tuple):
        return _joined(_inner(item, levels) for item in value) or "empty list"
    if isinstance(value, FunctionType) and value.__name__ != "<lambda>":
        return value.__name__.replace("_", " ").strip()
    return str(value) if isinstance(value, date | timedelta) else None


def _inner(value: Any, levels: int) -> str:
    if isinstance(value, str | int | float | None):
        return str(value) if value != "" else "empty"
    return (readable(value, levels - 1) if levels else None) or type(value).__name__


def _text(value: str) -> str | None:
    if not value or value.isspace():
        return BLANKS.get(value, "spaces" if value else "empty")
    return _shortened(value) if len(value) > LONGEST or not value.isprintable() else None


def _joined(parts: Iterable[str]) -> str:
    return _shortened(", ".join(parts))


def _shortened(text: str) -> str:
    text = REPEATED.sub(lambda found: f"{found[1]} x {len(found[0]) // len(found[1])} ", text)
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST].rstrip()}..."
