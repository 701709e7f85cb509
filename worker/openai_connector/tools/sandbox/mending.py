"""The local variables of a task that an incident's message names: those that somebody will want to set."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pydantic import BaseModel

MOST: Final = 10
_NAMED: Final = re.compile(r"\bopenai_[A-Za-z]+\b")
_STATE: Final = "openai_state"
"""Reserved for the worker: nobody sets it."""
_LABELS: Final = {
    "Result expression": "openai_resultExpression",
    "Error expression": "openai_errorExpression",
}


def named_in(message: str) -> list[str]:
    """Return the variables that a message of this connector names, by name or by the label of the field."""
    found = [name for name in _NAMED.findall(message) if name != _STATE]
    for label, name in _labels().items():
        if re.search(rf"(?:^|[;:.] ){re.escape(label)} (?:must|is|cannot|has|failed)\b", message):
            found.append(name)
    return [*dict.fromkeys(found)][:MOST]


@cache
def _labels() -> dict[str, str]:
    from openai_connector.tasks.operations import OPERATION_INPUT, OPERATION_LABEL, OPERATIONS, Endpoint

    labels = {OPERATION_LABEL: OPERATION_INPUT, **_LABELS}
    models: list[type[BaseModel]] = [Endpoint, *OPERATIONS.values()]
    for model in models:
        for field in model.model_fields.values():
            labels.setdefault(str(field.title), str(field.alias))
    return labels
