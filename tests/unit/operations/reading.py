"""Reads a task's inputs, named here without their prefix."""

from __future__ import annotations

from typing import Any

import pytest

from openai_connector.tasks.operations import (
    Chat,
    Endpoint,
    InvalidInputsError,
    Moderation,
    Operation,
    read_inputs,
)

CHAT: dict[str, Any] = {"operation": "chat", "model": "gpt-6-luna", "prompt": "Hello"}
MODERATION: dict[str, Any] = {"operation": "moderation", "moderationInput": "Hello"}


def variables(inputs: dict[str, Any]) -> dict[str, Any]:
    """Name inputs as a job has them."""
    return {f"openai_{name}": value for name, value in inputs.items()}


def read(inputs: dict[str, Any]) -> tuple[Endpoint, Operation]:
    """Read inputs."""
    return read_inputs(variables(inputs))


def chat(**inputs: Any) -> Chat:
    """Read the inputs of a good chat task, and these."""
    operation = read(CHAT | inputs)[1]
    assert isinstance(operation, Chat)
    return operation


def chat_request(**inputs: Any) -> dict[str, Any]:
    """Give the body that a chat task sends."""
    return chat(**inputs).request_body()


def moderation(**inputs: Any) -> Moderation:
    """Read the inputs of a good moderation task, and these."""
    operation = read(MODERATION | inputs)[1]
    assert isinstance(operation, Moderation)
    return operation


def violations(inputs: dict[str, Any]) -> list[str]:
    """Give what is wrong with inputs."""
    with pytest.raises(InvalidInputsError) as caught:
        read(inputs)
    assert str(caught.value) == "; ".join(caught.value.violations)
    return caught.value.violations
