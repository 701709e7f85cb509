"""SVG as text: tags, numbers, and nothing that could end a value or begin a script."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape, quoteattr

Value = str | float

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


def tag(name: str, *inner: str, **attributes: Value | None) -> str:
    """Return an element. An attribute's trailing underscore is dropped, other underscores are hyphens.

    Args:
        name: of the element.
        inner: markup that stands in it, as this module makes it.
        attributes: their values are escaped; None leaves one out.
    """
    given = "".join(
        f" {key.rstrip('_').replace('_', '-')}={_value(value)}"
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{given}>{''.join(inner)}</{name}>" if inner else f"<{name}{given}/>"


def text(content: str) -> str:
    """Return text that stands between tags."""
    return escape(_UNPRINTABLE.sub("�", content))


def figure(value: float) -> str:
    """Return a number as short as it can be: two digits behind the point are finer than any screen."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if value % 1 else str(int(value))


def _value(value: Value) -> str:
    return quoteattr(_UNPRINTABLE.sub("�", value)) if isinstance(value, str) else f'"{figure(value)}"'
