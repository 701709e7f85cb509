"""Diagrams with places (BPMN DI) for the tests of the picture, put together from short texts."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import quoteattr

NAMESPACES = (
    ' xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"'
    ' xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI"'
    ' xmlns:dc="http://www.omg.org/spec/DD/20100524/DC"'
    ' xmlns:di="http://www.omg.org/spec/DD/20100524/DI"'
    ' xmlns:zeebe="http://camunda.org/schema/zeebe/1.0"'
)


def diagram(*parts: str) -> bytes:
    """Return a file of processes, collaborations and planes."""
    return f'<bpmn:definitions{NAMESPACES} id="d" targetNamespace="t">{"".join(parts)}</bpmn:definitions>'.encode()


def process(*parts: str, process_id: str = "p") -> str:
    """Return a process."""
    return f'<bpmn:process id="{process_id}" name="A process" isExecutable="true">{"".join(parts)}</bpmn:process>'


def element(kind: str, element_id: str, *inner: str, **attributes: str) -> str:
    """Return an element; an attribute's trailing underscore is dropped."""
    given = "".join(f" {name.rstrip('_')}={quoteattr(value)}" for name, value in attributes.items())
    return f'<bpmn:{kind} id="{element_id}"{given}>{"".join(inner)}</bpmn:{kind}>'


def definition(kind: str) -> str:
    """Return what an event is about: `timer`, `message`, `error` ..."""
    return f"<bpmn:{kind}EventDefinition/>"


def flow(source: str, target: str, *inner: str, name: str = "", kind: str = "sequenceFlow") -> str:
    """Return a flow with the id `source-target`."""
    return element(kind, f"{source}-{target}", *inner, sourceRef=source, targetRef=target, name=name)


def plane(element_id: str, *parts: str) -> str:
    """Return a plane of the diagram with its shapes and edges."""
    inner = f'<bpmndi:BPMNPlane bpmnElement="{element_id}">{"".join(parts)}</bpmndi:BPMNPlane>'
    return f"<bpmndi:BPMNDiagram>{inner}</bpmndi:BPMNDiagram>"


def bounds(x: float | str, y: float | str, width: float | str = 100, height: float | str = 80) -> str:
    """Return a rectangle as a diagram writes it."""
    return f'<dc:Bounds x="{x}" y="{y}" width="{width}" height="{height}"/>'


def shape(element_id: str, place: str, label: str = "", **attributes: str) -> str:
    """Return the place of an element."""
    given = "".join(f' {name}="{value}"' for name, value in attributes.items())
    named = f"<bpmndi:BPMNLabel>{label}</bpmndi:BPMNLabel>" if label else ""
    return f'<bpmndi:BPMNShape bpmnElement="{element_id}"{given}>{place}{named}</bpmndi:BPMNShape>'


def edge(element_id: str, *points: Sequence[float], label: str = "") -> str:
    """Return the line of a flow."""
    drawn = "".join(f'<di:waypoint x="{x}" y="{y}"/>' for x, y in points)
    named = f"<bpmndi:BPMNLabel>{label}</bpmndi:BPMNLabel>" if label else ""
    return f'<bpmndi:BPMNEdge bpmnElement="{element_id}">{drawn}{named}</bpmndi:BPMNEdge>'
