"""Values for inputs that only the process knows."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import ValidationError

from openai_connector.tasks.operations import OPERATIONS, Endpoint
from openai_connector.tasks.operations.fields import Inputs

_MODELS: tuple[type[Inputs], ...] = (Endpoint, *OPERATIONS.values())
FIELDS_OF = {model: frozenset(str(info.alias) for info in model.model_fields.values()) for model in _MODELS}
CALLED = "stand-in"
# An input gets the first of them that it accepts.
_STAND_INS: tuple[Any, ...] = (
    "stand-in",
    1,
    "PT1M",
    [{"role": "user", "content": "stand-in"}],
    {"type": "object"},
    "text",
    "low",
    "max_tokens",
    "complete",
    "fail",
    "chatCompletions",
    "now",
    True,
    [{"name": CALLED}],
    [{"id": CALLED, "content": ""}],
)
HISTORY_OF_A_CALL: Any = [
    {"role": "assistant", "content": None, "tool_calls": [{"id": CALLED, "function": {"name": CALLED}}]}
]
"""A history to which results of tools belong."""


@cache
def stand_in(target: str) -> Any:
    """Return a value that an input accepts."""
    if target == "openai_baseUrl":
        return "https://stand-in.example"
    model = next((model for model in _MODELS if target in FIELDS_OF[model]), None)
    for value in _STAND_INS:
        try:
            if model is not None:
                model.model_validate({target: value})
        except ValidationError:
            continue
        return value
    raise AssertionError(f"no stand-in for {target}")
