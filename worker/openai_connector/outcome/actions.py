"""Actions: contexts by which an expression decides what becomes of the job, and how they are told from data.

`bpmnError(...)`, `jobError(...)` and `ignoreError(...)` make contexts with an `errorType`. A context of the
same form that lies in the answer is data: a model may have written it, and no model decides about a job.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from openai_connector import wording

TYPES = frozenset({"bpmnError", "jobError", "ignoreError"})
KEYS = frozenset(
    {
        "errorType",
        "errorCode",
        "code",
        "errorMessage",
        "message",
        "variables",
        "retries",
        "retryBackoff",
    }
)
"""Of all actions, in the spellings of 8.5 (code, message) and of 8.8 and later."""

_NAMED = re.compile(rf"\b({'|'.join((*sorted(TYPES), 'errorType'))})\b")


class ActionError(ValueError):
    """A result has an action where none can be; the message says which."""


def is_action(value: object) -> bool:
    """Check whether a value is an action: of one of the three types, with nothing beside it."""
    return _type_of(value) is not None and KEYS.issuperset(value)  # type: ignore[arg-type]


def names_action(expression: str) -> bool:
    """Check whether the text of an expression has a word for an action: without any it gives data alone."""
    return _NAMED.search(expression) is not None


def check_result(label: str, value: Any, answer: Any, *, is_named: bool) -> None:
    """Check that the value of a result expression is an action, or has none in it.

    Args:
        label: what the modeler calls the expression.
        value: as it was evaluated: what lies in the answer is still the same object there.
        answer: what the expression was evaluated on.
        is_named: the expression names an action.

    Raises:
        ActionError: an action that the answer holds, that is mixed with variables, or inside of them.
    """
    kind = _type_of(value)
    if kind is not None and (not is_named or id(value) in _containers(answer)):
        if is_action(value):
            raise ActionError(wording.ACTION_OF_ANSWER(label=label, action=kind))
        return
    if not is_named:
        return
    if kind is not None and not is_action(value):
        others = ", ".join(f"'{key}'" for key in value if key not in KEYS)
        raise ActionError(wording.ACTION_MIXED(label=label, action=kind, others=others))
    inside = [part for part in _contexts_in(value) if part is not value and is_action(part)]
    if inside:
        of_answer = _containers(answer)
        for action in inside:
            if id(action) not in of_answer:
                raise ActionError(wording.ACTION_INSIDE(label=label, action=_type_of(action)))


def _type_of(value: object) -> str | None:
    found = value.get("errorType") if isinstance(value, dict) else None
    return found if isinstance(found, str) and found in TYPES else None


def _containers(value: Any) -> set[int]:
    """Return the identities of all contexts in a value."""
    return {id(part) for part in _contexts_in(value)}


def _contexts_in(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every context of a value once, itself included, however deep; a value may hold itself."""
    seen: set[int] = set()
    pending = [value]
    while pending:
        part = pending.pop()
        if not isinstance(part, (dict, list)) or id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, list):
            pending.extend(part)
        else:
            yield part
            pending.extend(part.values())
