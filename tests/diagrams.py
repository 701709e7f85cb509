"""Deployable diagrams, made the way Modeler makes them: by applying the committed element templates.

    answering = task("openai-chat.json", values={"openai_prompt": "=question"}, headers={"resultVariable":
    "answer"})
    process("ask", answering)

Nothing here knows the templates' content but their files: what a test deploys is what a modeler's diagram
holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

FOLDER = Path(__file__).parents[1] / "element-templates"

Value = str | int | float


@dataclass(frozen=True, slots=True)
class Boundary:
    """A boundary error event: of one code, or of any error. It leads over `then` to an end event of its own.

    Its ids are those of the task with `Error` and `Caught` behind; the end event's is the latter.
    """

    code: str | None = None
    then: Element | None = None


@dataclass(frozen=True, slots=True)
class Element:
    """A flow node: what stands between `start` and `end`."""

    id: str
    kind: str
    attributes: Mapping[str, str]
    extensions: str
    on_error: Boundary | None = None


@cache
def _template(file: str) -> dict[str, Any]:
    template: dict[str, Any] = json.loads((FOLDER / file).read_text("utf-8"))
    return template


def task(
    template: str = "openai-connector.json",
    *,
    element_id: str = "Ask",
    values: Mapping[str, Value] | None = None,
    headers: Mapping[str, str] | None = None,
    retries: Value | None = None,
    job_type: str | None = None,
    local: Mapping[str, str] | None = None,
    on_error: Boundary | None = None,
    name: str | None = None,
) -> Element:
    """Apply a template to a task.

    Args:
        template: a file of `element-templates/`.
        element_id: the task's id.
        values: inputs by their names, `openai_…`; FEEL begins with `=`.
        headers: task headers by their keys.
        retries: instead of the template's default.
        job_type: instead of the template's.
        local: further input mappings that no template knows, such as an operator's `openai_resultVariable`.
        on_error: a boundary error event.
        name: the task's name in the diagram; its id when left out.

    Raises:
        ValueError: a name that the template does not have, a value that its conditions hide or that is no
            choice of its dropdown, a required value left out: a modeler could not make such a task.
    """
    content = _template(template)
    given = {("zeebe:input", key): str(value) for key, value in (values or {}).items()}
    given |= {("zeebe:taskHeader", key): value for key, value in (headers or {}).items()}
    if retries is not None:
        given["zeebe:taskDefinition", "retries"] = str(retries)
    if job_type is not None:
        given["zeebe:taskDefinition", "type"] = job_type
    applied = _apply(content, given)
    unknown = given.keys() - applied.keys()
    if unknown:
        raise ValueError(
            f"{template} shows no {', '.join(sorted(key for _, key in unknown))} with these values"
        )
    inputs = [(key, value) for (kind, key), value in applied.items() if kind == "zeebe:input"]
    return Element(
        element_id,
        "serviceTask",
        {
            "name": name or element_id,
            "zeebe:modelerTemplate": content["id"],
            "zeebe:modelerTemplateVersion": str(content["version"]),
            "zeebe:modelerTemplateIcon": content["icon"]["contents"],
        },
        _job(
            {key: value for (kind, key), value in applied.items() if kind == "zeebe:taskDefinition"},
            inputs + list((local or {}).items()),
            {key: value for (kind, key), value in applied.items() if kind == "zeebe:taskHeader"},
        ),
        on_error,
    )


def service(
    job_type: str,
    *,
    element_id: str = "Next",
    inputs: Mapping[str, str] | None = None,
    on_error: Boundary | None = None,
) -> Element:
    """Make a plain service task: activate its job to see which variables it finds."""
    extensions = _job({"type": job_type}, list((inputs or {}).items()), {})
    return Element(element_id, "serviceTask", {"name": element_id}, extensions, on_error)


def script(expression: str, result_variable: str, *, element_id: str = "Script") -> Element:
    """Make a script task: a FEEL expression (`=…`) over what the tasks before left, into a variable."""
    extensions = (
        f"<zeebe:script expression={quoteattr(expression)} resultVariable={quoteattr(result_variable)} />"
    )
    return Element(element_id, "scriptTask", {"name": element_id}, extensions)


def process(process_id: str, *elements: Element, version: str = "8.5.0") -> str:
    """Put elements into a row from a start to an end event, drawn so that Modeler can open it."""
    return _Drawing(process_id, version).draw(elements)


def _apply(content: Mapping[str, Any], given: Mapping[tuple[str, str], str]) -> dict[tuple[str, str], str]:
    """Give the values that Modeler would write, by binding, in the template's order."""
    by_id: dict[str, str] = {}
    applied: dict[tuple[str, str], str] = {}
    for prop in content["properties"]:
        if not _is_met(prop.get("condition"), by_id):
            continue
        binding = prop["binding"]
        key = (binding["type"], binding.get("name") or binding.get("key") or binding["property"])
        value = given.get(key, prop.get("value", ""))
        _check(prop, key[1], value)
        by_id[prop.get("id", "")] = value
        if value != "":
            applied[key] = value
    return applied


def _is_met(condition: Mapping[str, Any] | None, by_id: Mapping[str, str]) -> bool:
    if condition is None:
        return True
    if "allMatch" in condition:
        return all(_is_met(part, by_id) for part in condition["allMatch"])
    allowed = [condition["equals"]] if "equals" in condition else condition["oneOf"]
    return by_id.get(condition["property"]) in allowed


def _check(prop: Mapping[str, Any], key: str, value: str) -> None:
    choices = [choice["value"] for choice in prop.get("choices", ())]
    if value == "" and prop.get("constraints", {}).get("notEmpty"):
        raise ValueError(f'{key} is required; to leave it out at run time write "=null"')
    if choices and value != "" and value not in choices:
        raise ValueError(f"{key} has no choice {value!r}, only {', '.join(choices)}")
    if prop.get("feel") == "required" and value and not value.startswith("="):
        raise ValueError(f"{key} must be FEEL, so it begins with =")


def _job(definition: Mapping[str, str], inputs: list[tuple[str, str]], headers: Mapping[str, str]) -> str:
    attributes = "".join(f" {key}={quoteattr(value)}" for key, value in definition.items())
    mapped = "".join(
        f"<zeebe:input source={quoteattr(value)} target={quoteattr(key)} />" for key, value in inputs
    )
    listed = "".join(
        f"<zeebe:header key={quoteattr(key)} value={quoteattr(value)} />" for key, value in headers.items()
    )
    return (
        f"<zeebe:taskDefinition{attributes} />"
        + (f"<zeebe:ioMapping>{mapped}</zeebe:ioMapping>" if mapped else "")
        + (f"<zeebe:taskHeaders>{listed}</zeebe:taskHeaders>" if listed else "")
    )


class _Drawing:
    """One diagram: nodes in columns 160 apart, error paths in the row below."""

    def __init__(self, process_id: str, version: str) -> None:
        self.process_id = process_id
        self.version = version
        self.errors: list[str] = []
        self.nodes: list[str] = []
        self.flows: list[str] = []
        self.shapes: list[str] = []
        self.bounds: dict[str, tuple[int, int, int, int]] = {}

    def draw(self, elements: tuple[Element, ...]) -> str:
        for column, (element, before, after) in enumerate(_neighbours(elements), 1):
            self._element(element, before, after, column, row=0)
            if element.on_error:
                self._boundary(element, element.on_error, column)
        ids = ["start", *(element.id for element in elements), "end"]
        self._event("startEvent", "start", None, ids[1], 0, 0)
        self._event("endEvent", "end", ids[-2], None, len(elements) + 1, 0)
        for source, target in pairwise(ids):
            self._flow(source, target)
        return self._text()

    def _boundary(self, element: Element, boundary: Boundary, column: int) -> None:
        event, end = f"{element.id}Error", f"{element.id}Caught"
        reference = ""
        if boundary.code is not None:
            reference = f' errorRef="{event}Code"'
            self.errors.append(f'<bpmn:error id="{event}Code" errorCode={quoteattr(boundary.code)} />')
        path = [event, *([boundary.then.id] if boundary.then else []), end]
        self.nodes.append(
            f'<bpmn:boundaryEvent id="{event}" attachedToRef="{element.id}">'
            f"<bpmn:outgoing>{_flow_id(event, path[1])}</bpmn:outgoing>"
            f'<bpmn:errorEventDefinition id="{event}Definition"{reference} /></bpmn:boundaryEvent>'
        )
        self._shape(event, _x(column) + 50, 200, 36, 36)
        if boundary.then:
            self._element(boundary.then, event, end, column + 1, row=1)
        self._event("endEvent", end, path[-2], None, column + len(path) - 1, 1)
        for source, target in pairwise(path):
            self._flow(source, target)

    def _element(self, element: Element, before: str, after: str, column: int, row: int) -> None:
        attributes = "".join(f" {key}={quoteattr(value)}" for key, value in element.attributes.items())
        self.nodes.append(
            f'<bpmn:{element.kind} id="{element.id}"{attributes}>'
            f"<bpmn:extensionElements>{element.extensions}</bpmn:extensionElements>"
            f"<bpmn:incoming>{_flow_id(before, element.id)}</bpmn:incoming>"
            f"<bpmn:outgoing>{_flow_id(element.id, after)}</bpmn:outgoing></bpmn:{element.kind}>"
        )
        self._shape(element.id, _x(column), 138 + 140 * row, 100, 80)

    def _event(
        self, kind: str, name: str, before: str | None, after: str | None, column: int, row: int
    ) -> None:
        arrows = f"<bpmn:incoming>{_flow_id(before, name)}</bpmn:incoming>" if before else ""
        arrows += f"<bpmn:outgoing>{_flow_id(name, after)}</bpmn:outgoing>" if after else ""
        self.nodes.append(f'<bpmn:{kind} id="{name}">{arrows}</bpmn:{kind}>')
        self._shape(name, _x(column) + 32, 160 + 140 * row, 36, 36)

    def _flow(self, source: str, target: str) -> None:
        name = _flow_id(source, target)
        self.flows.append(f'<bpmn:sequenceFlow id="{name}" sourceRef="{source}" targetRef="{target}" />')
        x, y, width, height = self.bounds[source]
        to_x, to_y, _, to_height = self.bounds[target]
        way = [(x + width, y + height // 2), (to_x, to_y + to_height // 2)]
        if way[0][1] != way[1][1]:  # out of a boundary event: down first
            way = [(x + width // 2, y + height), (x + width // 2, way[1][1]), way[1]]
        points = "".join(f'<di:waypoint x="{left}" y="{top}" />' for left, top in way)
        self.shapes.append(f'<bpmndi:BPMNEdge id="{name}_di" bpmnElement="{name}">{points}</bpmndi:BPMNEdge>')

    def _shape(self, name: str, x: int, y: int, width: int, height: int) -> None:
        self.bounds[name] = (x, y, width, height)
        bounds = f'<dc:Bounds x="{x}" y="{y}" width="{width}" height="{height}" />'
        self.shapes.append(
            f'<bpmndi:BPMNShape id="{name}_di" bpmnElement="{name}">{bounds}</bpmndi:BPMNShape>'
        )

    def _text(self) -> str:
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"'
            ' xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI" xmlns:dc="http://www.omg.org/spec/DD/20100524/DC"'
            ' xmlns:di="http://www.omg.org/spec/DD/20100524/DI" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0"'
            ' xmlns:modeler="http://camunda.org/schema/modeler/1.0" id="Definitions" '
            'targetNamespace="openai-connector"'
            f' modeler:executionPlatform="Camunda Cloud" modeler:executionPlatformVersion="{self.version}">\n'
            f'<bpmn:process id="{self.process_id}" name="{self.process_id}" isExecutable="true">\n'
            + "\n".join(self.nodes + self.flows)
            + "\n</bpmn:process>\n"
            + "\n".join(self.errors)
            + f'\n<bpmndi:BPMNDiagram id="Diagram"><bpmndi:BPMNPlane id="Plane" bpmnElement="{self.process_id}">\n'
            + "\n".join(self.shapes)
            + "\n</bpmndi:BPMNPlane></bpmndi:BPMNDiagram>\n</bpmn:definitions>\n"
        )


def _neighbours(elements: tuple[Element, ...]) -> Iterator[tuple[Element, str, str]]:
    ids = ["start", *(element.id for element in elements), "end"]
    for position, element in enumerate(elements):
        yield element, ids[position], ids[position + 2]


def _flow_id(source: str, target: str) -> str:
    return f"{source}_to_{target}"


def _x(column: int) -> int:
    return 100 + 160 * column
