"""Problems of a diagram, collected in the order of the document; and values that may be wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from local_engine.diagram.markup import Node, shown
from local_engine.errors import DiagramError, ExpressionError
from local_engine.expressions import Expression

MOST: Final = 20
"""Problems that one refusal lists: more would not fit into an answer's status."""
LONGEST: Final = 100_000
"""Characters of an expression: parsing a longer one would delay everything else for too long."""

_NAME = re.compile(r"[^\W\d]\w*")
# fmt: off
_NO_NAMES: Final = frozenset({  # as Camunda documents it
    "null", "true", "false",
    "function", "if", "then", "else", "for", "between", "instance", "of", "not",
})
# fmt: on


class Report:
    """Collects problems; reads expressions, flags and names, and adds a problem where one is wrong."""

    def __init__(self, root: Node) -> None:
        """Start with no problem.

        Args:
            root: of the document that is read.
        """
        self._places: dict[str, int] = {}
        for place, node in enumerate(root.iter()):
            self._places.setdefault(node.get("id", ""), place)
        self._found: list[tuple[int, str]] = []

    def add(self, element: str, sentence: str) -> None:
        """Add a problem of the element with this id."""
        place = self._places.get(element, 0)
        self._found.append((place, f"Element {shown(element)}: {sentence}"))

    def close(self) -> None:
        """Raise the problems, if there are any.

        Raises:
            DiagramError: one line for each problem.
        """
        in_order = sorted(self._found, key=lambda found: found[0])
        lines = list(dict.fromkeys(sentence for _, sentence in in_order))
        if len(lines) > MOST:
            lines[MOST:] = [f"There are {len(lines) - MOST} more problems; solve these first."]
        if lines:
            raise DiagramError("\n".join(lines))

    def expression(self, element: str, place: str, text: str) -> Expression | None:
        """Return an expression, or None if it is no FEEL.

        Args:
            element: id of the element with the expression.
            place: what it is there, such as `the job type`.
            text: static text, or FEEL after an equals sign.
        """
        if text.startswith("=") and len(text) > LONGEST:
            self.add(element, f"{place} is longer than {LONGEST} characters; make it shorter.")
            return None
        try:
            return Expression(text)
        except ExpressionError as error:
            # What FEEL said, without the lines that show the place: a problem is one line.
            reason = str(error.__context__).splitlines()[0]
            self.add(
                element,
                f"{place} is no FEEL: {shown(text[1:])} cannot be read, {reason}; correct it.",
            )
            return None

    def feel(self, element: str, place: str, text: str) -> Expression | None:
        """Return an expression where static text is not allowed; arguments as for `expression`."""
        text = text.strip()
        if text.startswith("="):
            return self.expression(element, place, text)
        hint = f"put an equals sign in front of {shown(text)}" if text else "it is empty, write one"
        self.add(element, f"{place} must be a FEEL expression; {hint}.")
        return None

    def schedule(self, element: str, place: str, text: str, read: Callable[[str], object]) -> None:
        """Check a static duration, date or cycle: `read` raises an error for any other text."""
        try:
            read(text)
        except ExpressionError as error:
            self.add(element, f"{place} is wrong: {error}")
        except (ArithmeticError, OSError, ValueError):  # of numbers and names that no calendar has
            self.add(element, f"{place} {shown(text)} is no time that can be reached; correct it.")

    def flag(self, element: str, node: Node, attribute: str, default: bool) -> bool:
        """Return an attribute that is true or false."""
        text = node.get(attribute)
        if text is None:
            return default
        if text.strip() not in ("true", "false", "1", "0"):
            self.add(element, f"the attribute {attribute} is {shown(text)}; write true or false.")
        return text.strip() in ("true", "1")

    def name(self, element: str, place: str, text: str) -> str | None:
        """Return the name of a variable, or None if the text is not a name."""
        if is_name(text):
            return text
        self.add(
            element,
            f"{place} {shown(text)} is no name of a variable; "
            "use letters, digits and underscores, no digit first, and none of FEEL's keywords.",
        )
        return None


def is_name(text: str) -> bool:
    """Return whether a variable may have this name."""
    return _NAME.fullmatch(text) is not None and text not in _NO_NAMES


def is_path(parts: list[str]) -> bool:
    """Return whether the names are a path into a variable: a keyword may be the name of a context's entry."""
    return is_name(parts[0]) and all(_NAME.fullmatch(part) for part in parts[1:])
