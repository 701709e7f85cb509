"""The tasks of a diagram that a job worker works on."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from openai_connector.tools.diagrams.markup import DiagramError, Markup, Node

BPMN = "http://www.omg.org/spec/BPMN/20100524/MODEL"
ZEEBE = "http://camunda.org/schema/zeebe/1.0"
MODELER = "http://camunda.org/schema/modeler/1.0"
TEMPLATE = "modelerTemplate"
TEMPLATE_VERSION = "modelerTemplateVersion"
TEMPLATE_ICON = "modelerTemplateIcon"
_WORKED_ON = ("serviceTask", "sendTask")
"""Elements that engines refuse without a job type."""


@dataclass(frozen=True, slots=True)
class Input:
    """An input mapping: the variable `target` gets the value of `source`, FEEL where it begins with `=`."""

    target: str
    source: str | None
    """None: the attribute is not there."""
    node: Node

    @property
    def is_absent(self) -> bool:
        """Check whether there is no source: null from Camunda 8.8 on, refused by engines before it."""
        return not self.source

    @property
    def is_feel(self) -> bool:
        """Check whether the engine evaluates the source."""
        return self.source is not None and self.source.startswith("=")

    @property
    def variable(self) -> str:
        """Return the local variable that the task gets: `a` for the target `a.b`."""
        return self.target.split(".")[0]


@dataclass(frozen=True, slots=True)
class Header:
    """A task header: fixed text that comes with the job."""

    key: str
    value: str
    node: Node

    @property
    def is_absent(self) -> bool:
        """Check whether the engine leaves the header out: it has no key or no value."""
        return not self.key or not self.value


@dataclass(frozen=True, slots=True)
class Task:
    """A service task, or another element that a job worker works on."""

    node: Node
    definition: Node | None
    """None: the element is not there, which gives a job its type."""
    extensions: Node | None
    io_mapping: Node | None
    task_headers: Node | None
    inputs: tuple[Input, ...]
    headers: tuple[Header, ...]
    engine: tuple[int, int] | None = None
    """Camunda's version that the diagram is for, such as (8, 8); None where it names none."""

    @property
    def element_id(self) -> str:
        """Return the element's id, `?` for one without."""
        return self.node.get("id") or "?"

    @property
    def name(self) -> str:
        """Return the element's name on one line; empty for one without."""
        return " ".join((self.node.get("name") or "").split())

    @property
    def job_type(self) -> str:
        """Return the job type as it is written; empty for a task without one."""
        return ((self.definition.get("type") if self.definition else None) or "").strip()

    @property
    def retries(self) -> str | None:
        """Return the number of retries as it is written; None for a task without one."""
        return self.definition.get("retries") if self.definition else None

    @property
    def template_id(self) -> str | None:
        """Return the id of the element template that the task is linked to."""
        return self.node.get(TEMPLATE, ZEEBE)

    def input(self, target: str) -> Input | None:
        """Return the input mapping to a target."""
        return next((mapped for mapped in self.inputs if mapped.target == target), None)

    def header_values(self) -> dict[str, str]:
        """Return the headers that come with the job."""
        return {header.key: header.value for header in self.headers if not header.is_absent}

    def without_absent(self) -> Task:
        """Return the task with those inputs and headers only that have a value."""
        inputs = tuple(mapped for mapped in self.inputs if not mapped.is_absent)
        return replace(self, inputs=inputs, headers=tuple(h for h in self.headers if not h.is_absent))

    def mappings(self) -> set[Node]:
        """Return the elements of the inputs and headers."""
        return {mapped.node for mapped in self.inputs} | {header.node for header in self.headers}

    def has_outputs(self) -> bool:
        """Check whether output mappings choose what leaves the task."""
        return self.io_mapping is not None and self.io_mapping.child(ZEEBE, "output") is not None


def tasks_of(markup: Markup) -> list[Task]:
    """Find the tasks with a job type, and those that should have one, in the file's order.

    Raises:
        DiagramError: the file is XML, but no BPMN diagram.
    """
    if markup.root.namespace != BPMN:
        raise DiagramError(f"is no BPMN diagram: its root element is <{markup.root.tag}>", markup.root.line)
    engine = _engine(markup.root)
    return [
        task
        for node in markup.root.walk()
        if node.namespace == BPMN and (task := _task(node, engine)) is not None
    ]


def _engine(root: Node) -> tuple[int, int] | None:
    """Return the version of Camunda 8 (or of Camunda Cloud, its name until 2022) that a diagram is for."""
    platform = root.get("executionPlatform", MODELER)
    version = re.match(
        r"\s*v?([0-9]{1,4})\.([0-9]{1,4})", root.get("executionPlatformVersion", MODELER) or ""
    )
    if version is None or platform not in (None, "Camunda Cloud"):
        return None
    return int(version[1]), int(version[2])


def _task(node: Node, engine: tuple[int, int] | None) -> Task | None:
    extensions = node.child(BPMN, "extensionElements")
    definition = extensions.child(ZEEBE, "taskDefinition") if extensions else None
    if definition is None and node.get(TEMPLATE, ZEEBE) is None and node.name not in _WORKED_ON:
        return None
    io_mapping = extensions.child(ZEEBE, "ioMapping") if extensions else None
    task_headers = extensions.child(ZEEBE, "taskHeaders") if extensions else None
    return Task(
        node,
        definition,
        extensions,
        io_mapping,
        task_headers,
        tuple(
            Input((child.get("target") or "").strip(), child.get("source"), child)
            for child in (io_mapping.children if io_mapping else ())
            if (child.namespace, child.name) == (ZEEBE, "input")
        ),
        tuple(
            Header(child.get("key") or "", child.get("value") or "", child)
            for child in (task_headers.children if task_headers else ())
            if (child.namespace, child.name) == (ZEEBE, "header")
        ),
        engine,
    )
