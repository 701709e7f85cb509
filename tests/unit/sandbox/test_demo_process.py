"""The demo's diagram is one that Modeler could have written with the committed element template."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from openai_connector.tools.sandbox import demo_process as process

ROOT = Path(__file__).parents[3]
TEMPLATE: dict[str, Any] = json.loads(
    (ROOT / "element-templates" / "openai-connector.json").read_text("utf-8")
)
BPMN, ZEEBE = "{http://www.omg.org/spec/BPMN/20100524/MODEL}", "{http://camunda.org/schema/zeebe/1.0}"
DIAGRAM = ElementTree.parse(process.DIAGRAM)
SERVICE_TASKS = list(DIAGRAM.iter(f"{BPMN}serviceTask"))


def _bound(task: ElementTree.Element) -> dict[tuple[str, str], str]:
    """Give what a task carries, by the binding's type and name."""
    found = {("zeebe:input", i.get("target", "")): i.get("source", "") for i in task.iter(f"{ZEEBE}input")}
    found |= {("zeebe:taskHeader", h.get("key", "")): h.get("value", "") for h in task.iter(f"{ZEEBE}header")}
    for definition in task.iter(f"{ZEEBE}taskDefinition"):
        found |= {("zeebe:taskDefinition", name): value for name, value in definition.items()}
    return found


def _key(binding: dict[str, str]) -> tuple[str, str]:
    return binding["type"], binding.get("name") or binding.get("key") or binding["property"]


def _is_active(condition: dict[str, Any] | None, values: dict[str, str]) -> bool:
    if condition is None:
        return True
    if "allMatch" in condition:
        return all(_is_active(part, values) for part in condition["allMatch"])
    wanted = condition.get("oneOf") or [condition["equals"]]
    return values.get(condition["property"]) in wanted


@pytest.mark.parametrize("task", SERVICE_TASKS, ids=lambda task: str(task.get("id")))
def test_task_carries_what_the_template_binds(task: ElementTree.Element) -> None:
    """Every task has the template's mark, all it requires, nothing it does not bind.

    And only values it allows.
    """
    assert task.get(f"{ZEEBE}modelerTemplate") == TEMPLATE["id"]
    assert task.get(f"{ZEEBE}modelerTemplateVersion") == str(TEMPLATE["version"])
    carried = _bound(task)
    values = {
        p["id"]: carried[_key(p["binding"])]
        for p in TEMPLATE["properties"]
        if _key(p["binding"]) in carried and "id" in p
    }
    active = [p for p in TEMPLATE["properties"] if _is_active(p.get("condition"), values)]
    assert carried.keys() <= {_key(p["binding"]) for p in active}
    for prop in active:
        value = carried.get(_key(prop["binding"]))
        if value is None:
            assert prop.get("optional"), f"{_key(prop['binding'])} is missing"
            continue
        if prop["type"] == "Hidden":
            assert value == prop["value"]
        if prop["type"] == "Dropdown":
            assert value in [choice["value"] for choice in prop["choices"]]
        if prop.get("feel") == "required":
            assert value.startswith("=")
        pattern = prop.get("constraints", {}).get("pattern")
        assert pattern is None or re.search(pattern["value"], value)


def test_every_element_is_drawn() -> None:
    """Each node and each flow has its shape or edge, so that the diagram opens complete in Modeler."""
    nodes = [
        element
        for kind in ("startEvent", "serviceTask", "exclusiveGateway", "endEvent", "sequenceFlow")
        for element in DIAGRAM.iter(f"{BPMN}{kind}")
    ]
    drawn = {e.get("bpmnElement") for e in DIAGRAM.iter() if e.tag.endswith(("}BPMNShape", "}BPMNEdge"))}
    assert {element.get("id") for element in nodes} | {process.PROCESS_ID} == drawn | {process.PROCESS_ID}
    assert len(nodes) == 13


def test_tasks_are_read_from_the_diagram() -> None:
    """The steps that the demo shows are the diagram's own, in its order."""
    assert [(task.operation, task.result_variable) for task in process.tasks()] == [
        ("moderation", "moderation"),
        ("chat", "answer"),
        ("chat", "subject"),
    ]
