"""Reads a BPMN file into processes; whatever the engine cannot run is refused."""

from __future__ import annotations

from typing import Final

from local_engine.diagram import checks, connections
from local_engine.diagram.connections import Found
from local_engine.diagram.events import Events, is_definition, throws_message
from local_engine.diagram.extensions import Extensions, read_extensions
from local_engine.diagram.kinds import EVENTS, GATEWAYS, SCOPES
from local_engine.diagram.markup import BPMN, Node, bpmn_name, parse, shown
from local_engine.diagram.model import Element, Kind, Process
from local_engine.diagram.multi_instance import read_loop
from local_engine.diagram.report import Report
from local_engine.errors import DiagramError

DEEPEST: Final = 100
"""Sub-processes within sub-processes."""

_KINDS: Final = {kind.value: kind for kind in Kind if kind not in (Kind.PROCESS, Kind.EVENT_SUB_PROCESS)}
_RECORD_TYPES: Final = {
    **{kind: kind.name for kind in Kind},
    Kind.CATCH_EVENT: "INTERMEDIATE_CATCH_EVENT",
    Kind.THROW_EVENT: "INTERMEDIATE_THROW_EVENT",
    Kind.UNDEFINED_TASK: "TASK",
}
_REFUSED: Final = {
    "transaction": "transactions are not supported by this engine; use an embedded sub-process.",
    "adHocSubProcess": "ad-hoc sub-processes are not supported by this engine; use an embedded sub-process.",
    "complexGateway": "complex gateways are not supported by this engine; use exclusive gateways.",
}
# fmt: off
_DRAWN: Final = frozenset(
    {
        "documentation", "extensionElements", "incoming", "outgoing", "laneSet", "textAnnotation",
        "association", "group", "dataObject", "dataObjectReference", "dataStoreReference",
        "ioSpecification", "property", "dataInput", "dataOutput", "inputSet", "outputSet",
        "dataInputAssociation", "dataOutputAssociation", "monitoring", "auditing", "categoryValueRef",
        "resourceRole", "performer", "humanPerformer", "potentialOwner", "rendering", "supports",
        "supportedInterfaceRef", "ioBinding", "correlationSubscription", "script",
    }
)
# fmt: on
"""BPMN for drawing, or for other engines only: it does not change what is executed."""
_LOOPS: Final = frozenset({"multiInstanceLoopCharacteristics", "standardLoopCharacteristics"})


def read(content: bytes) -> list[Process]:
    """Return the executable processes of a BPMN file.

    Raises:
        DiagramError: it is no diagram, or one that the engine cannot run; one line for each problem.
    """
    root = parse(content)
    report = Report(root)
    processes = root.findall(f"{BPMN}process")
    executable = [node for node in processes if report.flag(node.get("id", ""), node, "isExecutable", False)]
    _check_ids(root, executable, report)
    found = [_ProcessReader(root, node, report).read() for node in executable]
    report.close()
    if not found:
        raise DiagramError("The diagram has no executable process; mark a process as executable.")
    return found


class _ProcessReader:
    """Reads one process: first its elements, then what connects them."""

    def __init__(self, root: Node, node: Node, report: Report) -> None:
        self._node = node
        self._report = report
        self._events = Events(root, report)
        self._found = Found()
        process_id = node.get("id", "")
        scope = Element(process_id, Kind.PROCESS, node.get("name", ""), _RECORD_TYPES[Kind.PROCESS])
        self._process = Process(process_id, scope.name, scope, {process_id: scope})

    def read(self) -> Process:
        """Return the process; problems go to the report."""
        scope = self._process.root
        Extensions(self._report, scope.id, self._node, frozenset())
        self._read_scope(scope, self._node, 0)
        connections.connect(self._process, self._found, self._report)
        checks.check(self._process, self._report)
        return self._process

    def _read_scope(self, scope: Element, node: Node, depth: int) -> None:
        possible = _DRAWN if scope.kind is Kind.PROCESS else _DRAWN | _LOOPS
        for inner in node:
            name = bpmn_name(inner)
            if name in _KINDS:
                self._read_element(inner, scope, depth)
            elif name == "sequenceFlow":
                self._found.flows.append(inner)
            elif name in _REFUSED:
                self._found.refused.add(inner.get("id", ""))
                self._report.add(inner.get("id", ""), _REFUSED[name])
            elif name not in possible:
                self._refuse_child(scope.id, inner)

    def _read_element(self, node: Node, scope: Element, depth: int) -> None:
        name = node.get("id", "")
        kind: Kind = _KINDS[bpmn_name(node)]
        if kind is Kind.SUB_PROCESS and self._report.flag(name, node, "triggeredByEvent", False):
            kind = Kind.EVENT_SUB_PROCESS
        element = Element(name, kind, node.get("name", ""), _RECORD_TYPES[kind], scope)
        self._process.elements.setdefault(name, element)  # an id that is used twice is reported elsewhere
        self._found.nodes.setdefault(name, node)
        is_event = kind in EVENTS
        read_extensions(element, node, self._report, throws_message=is_event and throws_message(kind, node))
        if is_event:
            self._events.read(element, node)
        elif kind is Kind.EVENT_BASED_GATEWAY:
            self._check_event_based_gateway(element, node)
        elif kind not in GATEWAYS:
            self._read_activity(element, node)
        if kind not in SCOPES:
            self._check_children(element, node)
        elif depth == DEEPEST:
            self._report.add(name, f"sub-processes are nested deeper than {DEEPEST}; use call activities.")
        else:
            self._read_scope(element, node, depth + 1)

    def _read_activity(self, element: Element, node: Node) -> None:
        read_loop(element, node, self._report)
        if element.kind is Kind.RECEIVE_TASK:
            self._events.read_receive_task(element, node)
        if self._report.flag(element.id, node, "isForCompensation", False):
            self._report.add(element.id, "compensation is not supported by this engine; remove the marker.")
        for attribute in ("startQuantity", "completionQuantity"):
            if node.get(attribute, "1").strip() != "1":
                self._report.add(element.id, f"{attribute} is not supported by this engine; remove it.")

    def _check_event_based_gateway(self, element: Element, node: Node) -> None:
        if self._report.flag(element.id, node, "instantiate", False):
            self._report.add(
                element.id,
                "an event-based gateway cannot start a process here; use start events.",
            )
        if node.get("eventGatewayType", "Exclusive") != "Exclusive":
            self._report.add(
                element.id,
                "parallel event-based gateways are not supported by this engine; use events.",
            )

    def _check_children(self, element: Element, node: Node) -> None:
        is_event, is_activity = element.kind in EVENTS, element.kind not in EVENTS | GATEWAYS
        for inner in node:
            name = bpmn_name(inner)
            is_own = (is_event and is_definition(inner)) or (is_activity and name in _LOOPS)
            if not is_own and name not in _DRAWN:
                self._refuse_child(element.id, inner)

    def _refuse_child(self, element: str, node: Node) -> None:
        name = bpmn_name(node)
        tag = f"bpmn:{name}" if not name.startswith("{") else name.rpartition("}")[2]
        self._report.add(
            node.get("id") or element,
            f"{shown(tag)} is not possible there in this engine; remove or move it.",
        )


def _check_ids(root: Node, executable: list[Node], report: Report) -> None:
    """Check that everything that needs an id has one of its own."""
    seen: set[str] = set()
    for shared in root:
        if shared.tag in (f"{BPMN}message", f"{BPMN}error"):
            _check_id(shared, seen, report)
    for process in executable:
        if not process.get("id"):
            report.add("process", "the process has no id; give it one.")
        _check_id(process, seen, report)
        for parent in process.iter():
            for node in parent:
                name = bpmn_name(node)
                if (name in _KINDS or name == "sequenceFlow") and not node.get("id"):
                    report.add(parent.get("id", ""), f"a bpmn:{name} in it has no id; give it one.")
                elif node.tag.startswith(BPMN):
                    _check_id(node, seen, report)


def _check_id(node: Node, seen: set[str], report: Report) -> None:
    name = node.get("id", "")
    if name and name in seen:
        report.add(name, "its id is used more than once; give each element an id of its own.")
    seen.add(name)
