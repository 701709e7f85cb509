"""Zeebe's extension elements of an element: jobs, mappings, scripts and called processes."""

from __future__ import annotations

import re
from typing import Final

from local_engine.diagram import user_tasks
from local_engine.diagram.kinds import GATEWAYS
from local_engine.diagram.markup import ZEEBE, Node, bpmn_name, extension_elements, shown
from local_engine.diagram.model import CalledProcess, Element, JobDefinition, Kind, Mapping, Script
from local_engine.diagram.report import Report, is_path
from local_engine.expressions import Expression

DEFAULT_RETRIES: Final = "3"

_INERT: Final = frozenset({"properties", "userTaskForm", "versionTag", "taskHeaders"})
"""Extension elements for other programs, or read together with another extension element."""
_REFUSED: Final = {
    "calledDecision": "this engine has no DMN decisions; use a zeebe:taskDefinition and a worker.",
    "userTask": "Zeebe user tasks are not supported by this engine; choose the job worker implementation.",
    "executionListeners": "execution listeners are not supported by this engine; remove them.",
    "taskListeners": "task listeners are not supported by this engine; remove them.",
    "linkedResources": "linked resources are not supported by this engine; remove them.",
    "adHoc": "ad-hoc sub-processes are not supported by this engine; use an embedded sub-process.",
}
_JOBS: Final = frozenset({Kind.SERVICE_TASK, Kind.SEND_TASK, Kind.BUSINESS_RULE_TASK, Kind.SCRIPT_TASK})
_NO_MAPPINGS: Final = GATEWAYS | {Kind.PROCESS}
_OF_USER_TASKS: Final = frozenset(
    {"formDefinition", "assignmentDefinition", "taskSchedule", "priorityDefinition"},
)
_NUMBER = re.compile(r"[0-9]{1,9}")


class Extensions:
    """The extension elements of one place, by name: those that are allowed there."""

    def __init__(self, report: Report, element: str, node: Node, allowed: frozenset[str]) -> None:
        """Read the extension elements, and report those that are not allowed.

        Args:
            report: takes the problems.
            element: id that the problems are reported for.
            node: has the `extensionElements`.
            allowed: names that are allowed there, in addition to those that are always ignored.
        """
        self.refused = False
        """Whether a problem was reported: something may be missing because of it."""
        self._found: dict[str, Node] = {}
        for extension in extension_elements(node):
            if not extension.tag.startswith(ZEEBE):
                continue  # of other vendors and tools
            name = extension.tag.removeprefix(ZEEBE)
            problem = _REFUSED.get(name)
            if name in self._found:  # the first one stays
                problem = f"zeebe:{name} stands there twice; keep one."
            elif problem is None and name not in allowed | _INERT:
                tag = bpmn_name(node)
                problem = f"zeebe:{name} is not possible at a bpmn:{tag} in this engine; remove it."
            if problem is None:
                self._found[name] = extension
            else:
                report.add(element, problem)
                self.refused = True

    def get(self, name: str) -> Node | None:
        """Return the extension element of this name."""
        return self._found.get(name)


def read_extensions(element: Element, node: Node, report: Report, *, throws_message: bool) -> None:
    """Read an element's extension elements into the element; a message that is thrown is a job."""
    extensions = Extensions(report, element.id, node, _allowed(element.kind, throws_message))
    if (mappings := extensions.get("ioMapping")) is not None:
        _read_mappings(element, mappings, report)
    if element.kind in _JOBS or throws_message:
        _read_work(element, extensions, report)
    elif element.kind is Kind.USER_TASK:
        headers = _headers(element.id, extensions, report)
        element.job = user_tasks.job(element.id, extensions.get, headers, report)
    elif element.kind is Kind.CALL_ACTIVITY:
        element.called = _called(element.id, extensions, report)


def _allowed(kind: Kind, throws_message: bool) -> frozenset[str]:
    allowed: set[str] = set()
    if kind not in _NO_MAPPINGS:
        allowed.add("ioMapping")
    if kind in _JOBS or throws_message:
        allowed.add("taskDefinition")
    if kind is Kind.SCRIPT_TASK:
        allowed.add("script")
    if kind is Kind.CALL_ACTIVITY:
        allowed.add("calledElement")
    if kind is Kind.USER_TASK:
        allowed |= _OF_USER_TASKS
    return frozenset(allowed)


def _read_work(element: Element, extensions: Extensions, report: Report) -> None:
    """Read the work of an element: a job, or a script."""
    definition, script = extensions.get("taskDefinition"), extensions.get("script")
    if definition is not None and script is not None:
        report.add(element.id, "it has both a zeebe:script and a zeebe:taskDefinition; keep one of them.")
    elif script is not None:
        element.script = _script(element.id, script, report)
    elif definition is not None:
        element.job = _job(element.id, definition, _headers(element.id, extensions, report), report)
    elif not extensions.refused:
        also = " or a zeebe:script" if element.kind is Kind.SCRIPT_TASK else ""
        report.add(element.id, f"it has no job type; add a zeebe:taskDefinition{also}.")


def _job(element: str, node: Node, headers: dict[str, str], report: Report) -> JobDefinition | None:
    text = node.get("type", "")
    if not text.strip():
        report.add(element, "its job type is empty; write one into zeebe:taskDefinition.")
        return None
    given = node.get("retries", DEFAULT_RETRIES).strip()
    if not given.startswith("=") and not _NUMBER.fullmatch(given):
        report.add(
            element,
            f"its retries are {shown(given)}; write a whole number, or FEEL after an equals sign.",
        )
        return None
    type, retries = (
        report.expression(element, "the job type", text),
        report.expression(element, "retries", given),
    )
    return JobDefinition(type, retries, headers) if type is not None and retries is not None else None


def _headers(element: str, extensions: Extensions, report: Report) -> dict[str, str]:
    headers: dict[str, str] = {}
    node = extensions.get("taskHeaders")
    for header in node if node is not None else ():
        key = header.get("key", "")
        if header.tag != f"{ZEEBE}header" or not key:
            report.add(element, "a task header has no key; give it one, or remove it.")
        elif key in headers:
            report.add(element, f"the task header {shown(key)} stands there twice; keep one.")
        headers.setdefault(key, header.get("value", ""))
    return headers


def _read_mappings(element: Element, node: Node, report: Report) -> None:
    for mapping in node:
        name = mapping.tag.removeprefix(ZEEBE)
        if name not in ("input", "output"):
            report.add(
                element.id,
                f"zeebe:ioMapping holds {shown(name)}; it has zeebe:input and zeebe:output only.",
            )
            continue
        target = mapping.get("target", "").strip()
        place = f"the {name} mapping {shown(target)}"
        parts = [part.strip() for part in target.split(".")]
        if not is_path(parts):
            report.add(
                element.id,
                f"{place} has no usable target; write a variable's name, or names with dots between them.",
            )
        # Without a source the value is null, as Camunda documents it.
        source = report.expression(element.id, place, mapping.get("source") or "=null")
        if source is not None:
            (element.inputs if name == "input" else element.outputs).append(Mapping(source, tuple(parts)))


def _script(element: str, node: Node, report: Report) -> Script | None:
    expression = report.feel(element, "the script", node.get("expression", ""))
    result = node.get("resultVariable", "").strip()
    if not result:
        report.add(element, "the script has no result variable; name one in zeebe:script.")
        return None
    name = report.name(element, "the result variable", result)
    return Script(expression, name) if expression is not None and name is not None else None


def _called(element: str, extensions: Extensions, report: Report) -> CalledProcess | None:
    node = extensions.get("calledElement")
    if node is None:
        if not extensions.refused:
            report.add(element, "it calls no process; add a zeebe:calledElement with a process id.")
        return None
    check_binding(element, node, report)
    text = node.get("processId", "")
    if not text.strip():
        report.add(element, "the id of the called process is empty; write one into zeebe:calledElement.")
        return None
    process_id: Expression | None = report.expression(element, "the id of the called process", text)
    parent = report.flag(element, node, "propagateAllParentVariables", True)
    child = report.flag(element, node, "propagateAllChildVariables", True)
    return CalledProcess(process_id, parent, child) if process_id is not None else None


def check_binding(element: str, node: Node, report: Report) -> None:
    """Check that the binding is the latest version: this engine has no other binding."""
    binding = node.get("bindingType", "latest")
    if binding != "latest" or node.get("versionTag") is not None:
        report.add(element, f"the binding {shown(binding)} is not supported by this engine; choose latest.")
