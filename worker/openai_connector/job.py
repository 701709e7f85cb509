"""A job as the handler sees it, and the outcomes that it may have: plain frozen types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

MAX_MESSAGE = 6000
"""Characters of a message to the engine, as in Camunda's runtime."""


@dataclass(frozen=True, slots=True)
class ConnectorJob:
    """One activated job, decoded; its representation never shows variables or headers."""

    key: int
    type: str
    process_instance_key: int
    process_definition_key: int
    bpmn_process_id: str
    element_id: str
    element_instance_key: int
    retries: int
    """Retries left, as the engine counts them: 3 on the first attempt of a task with three retries."""
    tenant_id: str
    headers: Mapping[str, str] = field(repr=False)
    """The task headers. They never change while the job exists, not even by migration (measured)."""
    variables: Mapping[str, Any] = field(repr=False)
    """The fetched variables: the task's own inputs, merged with outer ones of the same names."""


@dataclass(frozen=True, slots=True)
class Completed:
    """The work is done: complete the job with these variables."""

    variables: Mapping[str, Any] = field(default_factory=dict, repr=False)
    if_refused: Callable[[str], Failed] | None = field(default=None, repr=False, compare=False)
    """Says how the job fails where the engine refuses the variables, given why; None = without variables."""


@dataclass(frozen=True, slots=True)
class BpmnError:
    """Throw a BPMN error, to be caught by a boundary event or an event sub-process."""

    code: str
    message: str = field(default="", repr=False)
    variables: Mapping[str, Any] = field(default_factory=dict, repr=False)
    keep: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Variables set locally at the task *before* the error is thrown: they survive an uncaught error."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Fail the job: the engine tries again while retries are left, else it raises an incident."""

    message: str = field(repr=False)
    retries: int
    """Retries left after this failure, 0 or more; 0 raises an incident."""
    backoff: timedelta | None = None
    """How long the engine waits before it offers the job again; None = at once."""
    variables: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Variables that become local to the task."""


Outcome = Completed | BpmnError | Failed
"""Every job ends in exactly one of these."""
