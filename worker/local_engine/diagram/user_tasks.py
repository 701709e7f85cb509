"""User tasks as jobs: assignee, candidates and dates are headers of the job."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

from local_engine import schedules
from local_engine.diagram.markup import Node, shown
from local_engine.diagram.model import JobDefinition
from local_engine.diagram.report import Report
from local_engine.errors import ExpressionError
from local_engine.expressions import Expression, wrong_type

JOB_TYPE: Final = "io.camunda.zeebe:userTask"
RETRIES: Final = "1"
PREFIX: Final = "io.camunda.zeebe:"

_PRIORITY = re.compile(r"100|[1-9]?[0-9]")
_LISTS: Final = frozenset({"candidateGroups", "candidateUsers"})
_DATES: Final = frozenset({"dueDate", "followUpDate"})
_ATTRIBUTES: Final = {
    "assignmentDefinition": ("assignee", "candidateGroups", "candidateUsers"),
    "taskSchedule": ("dueDate", "followUpDate"),
}


def job(
    element: str, extension: Callable[[str], Node | None], headers: dict[str, str], report: Report
) -> JobDefinition:
    """Return the job of a user task.

    Args:
        element: id of the user task.
        extension: returns its extension element of a name.
        headers: that the diagram has for it.
        report: takes the problems.
    """
    definition = JobDefinition(Expression(JOB_TYPE), Expression(RETRIES), headers)
    if (form := extension("formDefinition")) is not None:
        _read_form(element, form, definition, report)
    for name, attributes in _ATTRIBUTES.items():
        if (node := extension(name)) is not None:
            for attribute in attributes:
                _add(element, definition, attribute, node.get(attribute, ""), report)
    if (priority := extension("priorityDefinition")) is not None:
        _read_priority(element, priority, definition, report)
    return definition


def check(header: str, value: Any, expression: Expression) -> None:
    """Check that the value of a computed header has the type that the header needs.

    Raises:
        ExpressionError: it is something else.
    """
    attribute = header.removeprefix(PREFIX)
    if attribute in _LISTS:
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            raise wrong_type(expression, "ARRAY of STRING", value)
    elif attribute == "priority":
        if not _PRIORITY.fullmatch(str(value)):
            raise wrong_type(expression, "NUMBER from 0 to 100", value)
    elif not isinstance(value, str):
        raise wrong_type(expression, "STRING", value)
    elif attribute in _DATES:
        try:
            schedules.moment(value)
        except ExpressionError as error:
            raise ExpressionError(f"The {attribute} '{expression.source}': {error}") from None


def _read_form(element: str, form: Node, definition: JobDefinition, report: Report) -> None:
    if form.get("formId") is not None:
        report.add(
            element,
            f"the linked form {shown(form.get('formId', ''))} is not supported by this engine; "
            "embed the form, or use a form key of your own.",
        )
        return
    key = form.get("formKey") or form.get("externalReference") or ""
    _add(element, definition, "formKey", key, report)


def _read_priority(element: str, node: Node, definition: JobDefinition, report: Report) -> None:
    text = node.get("priority", "").strip()
    if not text.startswith("=") and not _PRIORITY.fullmatch(text):
        report.add(element, f"the priority is {shown(text)}; write a whole number from 0 to 100.")
        return
    _add(element, definition, "priority", text, report)


def _add(element: str, definition: JobDefinition, attribute: str, text: str, report: Report) -> None:
    """Add a header: static text stays as it is, FEEL is evaluated when the job is created."""
    if not text.strip():
        return
    header = f"{PREFIX}{attribute}"
    if text.startswith("="):
        expression = report.expression(element, attribute, text)
        if expression is not None:
            definition.computed_headers[header] = expression
    elif attribute in _LISTS:
        names = [name.strip() for name in text.split(",")]
        definition.headers[header] = json.dumps(names, ensure_ascii=False, separators=(",", ":"))
    else:
        if attribute in _DATES:
            report.schedule(element, attribute, text, schedules.moment)
        definition.headers[header] = text
