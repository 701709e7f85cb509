"""The tasks of a diagram that a job worker works on."""

from __future__ import annotations

from dataclasses import dataclass

from openai_connector.tools.diagrams.markup import DiagramError, Markup, Node

BPMN = "http://www.omg.org/spec/BPMN/20100524/MODEL"
ZEEBE = "http://camunda.org/schema/zeebe/1.0"
TEMPLATE = "modelerTemplate"
TEMPLATE_VERSION = "modelerTemplateVersion"
TEMPLATE_ICON = "modelerTemplateIcon"


@dataclass(frozen=True, slots=True)
class Input:
    """An input mapping: the variable `target` gets the value of `source`, FEEL where it begins with `=`."""

    target: str
    source: str | None
    """None: the attribute is not there (engines before 8.8 refuse that)."""
    node: Node

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


@dataclass(frozen=True, slots=True)
class Task:
    """A service task, or another element that a job worker works on."""

    node: Node
    definition: Node
    extensions: Node
    io_mapping: Node | None
    task_headers: Node | None
    inputs: tuple[Input, ...]
    headers: tuple[Header, ...]

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
        """Return the job type as it is written."""
        return (self.definition.get("type") or "").strip()

    @property
    def template_id(self) -> str | None:
        """Return the id of the element template that the task is linked to."""
        return self.node.get(TEMPLATE, ZEEBE)

    def input(self, target: str) -> Input | None:
        """Return the input mapping to a target."""
        return next((mapped for mapped in self.inputs if mapped.target == target), None)

    def mappings(self) -> set[Node]:
        """Return the elements of the inputs and headers."""
        return {mapped.node for mapped in self.inputs} | {header.node for header in self.headers}

    def has_outputs(self) -> bool:
        """Check whether output mappings choose what leaves the task."""
        return self.io_mapping is not None and self.io_mapping.child(ZEEBE, "output") is not None


def tasks_of(markup: Markup) -> list[Task]:
    """Find the tasks with a job type, in the file's order.

    Raises:
        DiagramError: the file is XML, but no BPMN diagram.
    """
    if markup.root.namespace != BPMN:
        raise DiagramError(f"is no BPMN diagram: its root element is <{markup.root.tag}>", markup.root.line)
    return [
        task for node in markup.root.walk() if node.namespace == BPMN and (task := _task(node)) is not None
    ]


def _task(node: Node) -> Task | None:
    extensions = node.child(BPMN, "extensionElements")
    definition = extensions.child(ZEEBE, "taskDefinition") if extensions else None
    if extensions is None or definition is None:
        return None
    io_mapping = extensions.child(ZEEBE, "ioMapping")
    task_headers = extensions.child(ZEEBE, "taskHeaders")
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
    )
