"""What a task may ask: one module an operation. To add one, write its model and name it in `OPERATIONS`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

from pydantic import ValidationError

from openai_connector import contract, wording
from openai_connector.contract import INVALID_INPUTS
from openai_connector.job import TaskError
from openai_connector.tasks.operations.chat import Chat
from openai_connector.tasks.operations.endpoint import SECRET_INPUTS, Endpoint
from openai_connector.tasks.operations.fields import SHOWN_CHARACTERS, Given, Inputs, but, is_given, kind_of
from openai_connector.tasks.operations.moderation import Moderation
from openai_connector.tasks.operations.operation import Operation

__all__ = [
    "INPUT_NAMES",
    "OPERATIONS",
    "OPERATION_INPUT",
    "SECRET_INPUTS",
    "Chat",
    "Endpoint",
    "InvalidInputsError",
    "Moderation",
    "Operation",
    "read_inputs",
]

OPERATIONS: dict[str, type[Operation]] = {operation.name: operation for operation in (Chat, Moderation)}
OPERATION_INPUT = contract.OPERATION.name
OPERATION_LABEL = contract.OPERATION.label
_MODELS: tuple[type[Inputs], ...] = (Endpoint, *OPERATIONS.values())
INPUT_NAMES: tuple[str, ...] = tuple(
    dict.fromkeys(
        [OPERATION_INPUT] + [str(field.alias) for model in _MODELS for field in model.model_fields.values()]
    )
)
"""Every input that a task of this connector may have."""


class InvalidInputsError(TaskError):
    """One or more inputs are wrong; `violations` names each by the label that the modeler sees."""

    code = INVALID_INPUTS

    def __init__(self, violations: list[str]) -> None:
        self.violations = list(dict.fromkeys(violations))  # two models may read the same input
        super().__init__("; ".join(self.violations))


_Model = TypeVar("_Model", bound=Inputs)


def read_inputs(variables: Mapping[str, Any]) -> tuple[Endpoint, Operation]:
    """Check all inputs of a task at once.

    Raises:
        InvalidInputsError: with every violation, not just the first.
    """
    violations: list[str] = []
    endpoint = _read(Endpoint, variables, violations)
    asked = variables.get(OPERATION_INPUT)
    name = asked.strip().lower() if isinstance(asked, str) else asked
    operation: Operation | None = None
    if not is_given(asked):
        required = wording.INPUT_REQUIRED_CHOICE
        why = but(variables, OPERATION_INPUT)
        violations.append(required(label=OPERATION_LABEL, choices=" or ".join(OPERATIONS), but=why))
    elif not isinstance(name, str) or name not in OPERATIONS:
        violations.append(
            wording.INPUT_CHOICE(label=OPERATION_LABEL, choices=" or ".join(OPERATIONS), shown=_shown(asked))
        )
    else:
        operation = _read(OPERATIONS[name], variables, violations)
        violations.extend(() if operation is None else operation.misfits())
    if endpoint is None or operation is None or violations:
        raise InvalidInputsError(violations)
    return endpoint, operation


@cache
def _fields(model: type[Inputs]) -> dict[str, tuple[str, str | None]]:
    """Return name and label of a model's fields by their variables."""
    return {str(field.alias): (name, field.title) for name, field in model.model_fields.items()}


def _read(model: type[_Model], variables: Mapping[str, Any], violations: list[str]) -> _Model | None:
    fields = _fields(model)
    known = {alias: variables[alias] for alias in fields if alias in variables}
    given = Given(
        {fields[alias][0]: value for alias, value in known.items() if is_given(value)},
        lambda name: but(known, str(model.model_fields[name].alias)),
    )
    read: _Model | None = None
    try:
        read = model.model_validate(known)
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            alias = str(problem["loc"][0])
            private = problem.get("ctx", {}).get("private", True)
            got = "" if private else f", got {_shown(variables.get(alias))}"
            violations.append(f"{fields[alias][1]} {problem['msg']}{got}")
    violations.extend(model.contradictions(given))
    return read


def _shown(value: object) -> str:
    """Return an offending value, at most `SHOWN_CHARACTERS` of it."""
    if isinstance(value, (Mapping, list, tuple)):
        return kind_of(value)
    text = f"'{value}'" if isinstance(value, str) else str(value).lower()
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
