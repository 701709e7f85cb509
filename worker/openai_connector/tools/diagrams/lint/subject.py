"""What the rules look at, and what they report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from openai_connector.tasks.operations import OPERATION_INPUT
from openai_connector.tools.diagrams.camunda import LABELS
from openai_connector.tools.diagrams.tasks import Task

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with a task, or may be."""

    rule: str
    """A stable name of the kind of finding."""
    severity: Severity
    """An error fails at run time, or shows a secret; a warning may be intended."""
    message: str
    line: int
    element_id: str = ""
    element_name: str = ""


class Subject:
    """A task as the rules see it: with this connector's inputs, whichever template it was made with."""

    def __init__(
        self, task: Task, sources: Mapping[str, str], targets: Mapping[str, str], today: date
    ) -> None:
        """Hold a task.

        Args:
            task: as the file has it.
            sources: the task's inputs as this connector's.
            targets: this connector's input for each input of Camunda's template.
            today: decides which models are shut down.
        """
        self.task = task
        self.sources = sources
        self.today = today
        self.headers = task.header_values()
        self._targets = targets
        self._lines = {self.ours(mapped.target): mapped.node.line for mapped in task.inputs}

    @property
    def operation(self) -> str:
        """Return the operation as the worker reads it; empty for a task without one."""
        return self.sources.get(OPERATION_INPUT, "").strip().lower()

    def ours(self, target: str) -> str:
        """Return this connector's name of an input."""
        return self._targets.get(target, target)

    def line_of(self, target: str) -> int:
        """Return the line of an input of this connector; the task's own line if the input is not there."""
        return self._lines.get(target, self.task.node.line)

    def line_of_header(self, key: str) -> int:
        """Return the line of a header; the task's own line if the header is not there."""
        return next(
            (header.node.line for header in self.task.headers if header.key == key and header.value),
            self.task.node.line,
        )


def label_of(target: str) -> str:
    """Return what a modeler calls an input."""
    return "Operation" if target == OPERATION_INPUT else LABELS.get(target, f"The input {target}")
