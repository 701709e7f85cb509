"""Multi-instance activities: the input collection and the output collection."""

from __future__ import annotations

import re

from local_engine.diagram.extensions import Extensions
from local_engine.diagram.markup import Node, bpmn_name, child, content_of
from local_engine.diagram.model import Element, Kind, MultiInstance
from local_engine.diagram.report import Report, is_name
from local_engine.expressions import Expression

_PATH = re.compile(r"\s*(?P<root>[^\W\d]\w*)(?:\s*\.\s*[^\W\d]\w*)*\s*")
_CHARACTERISTICS = frozenset({"loopCharacteristics"})
_KNOWN = frozenset({"completionCondition", "extensionElements", "documentation"})


def read_loop(element: Element, node: Node, report: Report) -> None:
    """Read an activity's multi-instance marker into it; refuse the marker of a loop."""
    if child(node, "standardLoopCharacteristics") is not None:
        report.add(
            element.id,
            "the loop marker is not supported by this engine; use a gateway, or multi-instance.",
        )
    loop = child(node, "multiInstanceLoopCharacteristics")
    if loop is None:
        return
    if element.kind is Kind.EVENT_SUB_PROCESS:
        report.add(element.id, "an event sub-process cannot be multi-instance; remove the marker.")
        return
    for other in loop:
        if bpmn_name(other) not in _KNOWN:
            report.add(
                element.id,
                f"bpmn:{bpmn_name(other)} of a multi-instance is not supported by this engine; "
                "use an input collection and a completion condition.",
            )
    if loop.get("behavior", "All") != "All":
        report.add(
            element.id,
            "events of a multi-instance are not supported by this engine; remove its behavior.",
        )
    extensions = Extensions(report, element.id, loop, _CHARACTERISTICS)
    characteristics = extensions.get("loopCharacteristics")
    if characteristics is None or not characteristics.get("inputCollection", "").strip():
        report.add(element.id, "it is multi-instance, but has no input collection; add one.")
    if characteristics is not None:
        element.multi_instance = _multi_instance(element.id, loop, characteristics, report)


def _multi_instance(element: str, loop: Node, characteristics: Node, report: Report) -> MultiInstance | None:
    given = {
        name: characteristics.get(name, "").strip()
        for name in ("inputCollection", "inputElement", "outputCollection", "outputElement")
    }
    if bool(given["outputCollection"]) != bool(given["outputElement"]):
        report.add(element, "it has only one of output collection and output element; add the other one.")
    names = {
        name: report.name(element, place, given[name]) if given[name] else None
        for name, place in (
            ("inputElement", "the input element"),
            ("outputCollection", "the output collection"),
        )
    }
    collected = None
    if given["outputElement"]:
        collected = report.feel(element, "the output element", given["outputElement"])
    condition = child(loop, "completionCondition")
    until = None
    if condition is not None and content_of(condition):
        until = report.feel(element, "the completion condition", content_of(condition))
    sequential = report.flag(element, loop, "isSequential", False)
    if not given["inputCollection"]:
        return None  # reported already
    collection = report.feel(element, "the input collection", given["inputCollection"])
    if collection is None:
        return None
    return MultiInstance(
        sequential=sequential,
        input_collection=collection,
        input_element=names["inputElement"],
        output_collection=names["outputCollection"],
        output_element=collected,
        output_variable=_root_of(collected),
        completion_condition=until,
    )


def _root_of(expression: Expression | None) -> str | None:
    """Return the variable of an expression that is a name, or a path that begins with one."""
    found = _PATH.fullmatch(expression.source) if expression is not None else None
    return found["root"] if found is not None and is_name(found["root"]) else None
