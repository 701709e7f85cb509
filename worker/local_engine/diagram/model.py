"""What a deployed diagram is: elements, flows and expressions, linked to each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from local_engine.expressions import Expression


class Kind(StrEnum):
    """What an element is: its tag in BPMN."""

    PROCESS = "process"
    START_EVENT = "startEvent"
    END_EVENT = "endEvent"
    CATCH_EVENT = "intermediateCatchEvent"
    THROW_EVENT = "intermediateThrowEvent"
    BOUNDARY_EVENT = "boundaryEvent"
    EXCLUSIVE_GATEWAY = "exclusiveGateway"
    PARALLEL_GATEWAY = "parallelGateway"
    INCLUSIVE_GATEWAY = "inclusiveGateway"
    EVENT_BASED_GATEWAY = "eventBasedGateway"
    SERVICE_TASK = "serviceTask"
    SEND_TASK = "sendTask"
    BUSINESS_RULE_TASK = "businessRuleTask"
    SCRIPT_TASK = "scriptTask"
    USER_TASK = "userTask"
    RECEIVE_TASK = "receiveTask"
    MANUAL_TASK = "manualTask"
    UNDEFINED_TASK = "task"
    SUB_PROCESS = "subProcess"
    EVENT_SUB_PROCESS = "eventSubProcess"
    """A sub-process that an event triggers; BPMN's tag is `subProcess` too."""
    CALL_ACTIVITY = "callActivity"


class TimerKind(StrEnum):
    """How a timer is given."""

    DURATION = "timeDuration"
    DATE = "timeDate"
    CYCLE = "timeCycle"


@dataclass(frozen=True, slots=True)
class TimerEvent:
    """A point in time, a duration or a cycle."""

    kind: TimerKind
    expression: Expression


@dataclass(frozen=True, slots=True)
class MessageEvent:
    """A message that is waited for. A start event of a process has no correlation key."""

    name: Expression
    correlation_key: Expression | None


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """An error that is thrown or caught. Without a code it catches all; only a throw may use FEEL."""

    code: Expression | None


@dataclass(frozen=True, slots=True)
class TerminateEvent:
    """The end of everything else in the same scope."""


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """A jump within one scope, from a throw to the catch of the same name."""

    name: str


EventDefinition = TimerEvent | MessageEvent | ErrorEvent | TerminateEvent | LinkEvent


@dataclass(frozen=True, slots=True)
class Mapping:
    """One input or output mapping; a target with dots is a path into a context."""

    source: Expression
    target: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JobDefinition:
    """What makes an element a job."""

    type: Expression
    retries: Expression
    headers: dict[str, str] = field(default_factory=dict)
    """Custom headers as the diagram has them."""
    computed_headers: dict[str, Expression] = field(default_factory=dict)
    """Headers that are evaluated when the job is created: a user task's assignee, due date ..."""


@dataclass(frozen=True, slots=True)
class Script:
    """A FEEL expression with the name of the variable that takes its result."""

    expression: Expression
    result_variable: str


@dataclass(frozen=True, slots=True)
class CalledProcess:
    """The process that a call activity runs."""

    process_id: Expression
    propagate_all_parent_variables: bool
    propagate_all_child_variables: bool


@dataclass(frozen=True, slots=True)
class MultiInstance:
    """One round of the activity for each item of a collection."""

    sequential: bool
    input_collection: Expression
    input_element: str | None
    output_collection: str | None
    output_element: Expression | None
    output_variable: str | None
    """The variable at the root of `output_element` where that is a name or a path: local to each round."""
    completion_condition: Expression | None


@dataclass(eq=False, slots=True)
class SequenceFlow:
    """An arrow between two elements of one scope."""

    id: str
    source: Element
    target: Element
    condition: Expression | None = None


@dataclass(eq=False, slots=True)
class Element:
    """A flow node, or the process itself."""

    id: str
    kind: Kind
    name: str = ""
    record_type: str = ""
    """`bpmnElementType` of its records, such as `SERVICE_TASK`."""
    scope: Element | None = None
    """The process or sub-process that contains it; None for the process."""
    incoming: list[SequenceFlow] = field(default_factory=list)
    outgoing: list[SequenceFlow] = field(default_factory=list)
    default_flow: SequenceFlow | None = None
    inputs: list[Mapping] = field(default_factory=list)
    outputs: list[Mapping] = field(default_factory=list)
    job: JobDefinition | None = None
    script: Script | None = None
    called: CalledProcess | None = None
    multi_instance: MultiInstance | None = None
    event: EventDefinition | None = None
    """Of an event or a receive task; None for a none event and for message throws, which are jobs."""
    interrupting: bool = True
    """Of a boundary event, and of the start event of an event sub-process."""
    attached_to: Element | None = None
    boundary_events: list[Element] = field(default_factory=list)
    start: Element | None = None
    """Of a process: its none start event, if there is one. Of a sub-process: its start event."""
    event_sub_processes: list[Element] = field(default_factory=list)
    """Of a process or sub-process."""
    link_target: Element | None = None
    """Of a link throw event: the catch event of the same name."""


@dataclass(eq=False, slots=True)
class Process:
    """One process definition."""

    id: str
    name: str
    root: Element
    elements: dict[str, Element]
    """By id, the root among them; no sequence flows."""
    message_starts: list[Element] = field(default_factory=list)
    timer_starts: list[Element] = field(default_factory=list)
    key: int = 0
    """Set at deployment, like the next two."""
    version: int = 0
    resource_name: str = ""
