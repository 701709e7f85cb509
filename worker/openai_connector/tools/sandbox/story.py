"""What happened to one process instance and to those that it called, read from the engine's records."""

from __future__ import annotations

import json
from collections.abc import Callable, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from openai_connector.tools.sandbox.asked import Asked, asked_by

if TYPE_CHECKING:
    from local_engine.documents import Document
    from local_engine.records import Record
    from local_engine.server import LocalEngine

COMPLETED = "completed"
FAILED = "failed"
ERROR_THROWN = "error thrown"
TIMED_OUT = "timed out"
CANCELED = "canceled"
_OUTCOMES = {
    "COMPLETED": COMPLETED,
    "FAILED": FAILED,
    "ERROR_THROWN": ERROR_THROWN,
    "TIMED_OUT": TIMED_OUT,
    "CANCELED": CANCELED,
}


@dataclass(slots=True)
class Step:
    """One attempt at a job, and what came of it."""

    element_id: str
    name: str
    """Of the element; its id where it has none."""
    job_type: str
    job_key: int | None
    """None where the engine's records cannot be read (another cluster)."""
    outcome: str
    seconds: float | None
    """In the engine's time: from the job's creation, or from the attempt before. None as above."""
    asked: Asked | None = None
    """What the API was asked; None for jobs of other types, and where the inputs are wrong."""
    variables: dict[str, Any] = field(default_factory=dict)
    """What the job has given to the process."""
    retries: int = 0
    message: str = ""
    error_code: str = ""
    is_answered: bool = False
    """Whether the command line has answered it, and no worker."""


@dataclass(frozen=True, slots=True)
class Visit:
    """An element that was entered."""

    element_id: str
    name: str
    type: str
    """`SERVICE_TASK`, `EXCLUSIVE_GATEWAY` ..."""
    process_id: str


@dataclass(slots=True)
class Trouble:
    """An incident."""

    key: int
    type: str
    message: str
    element_id: str
    name: str
    process_id: str
    job_key: int | None
    resolved: bool = False


@dataclass(slots=True)
class _OpenJob:
    since: int
    asked: Asked | None


class Story:
    """Follows one process instance; it is called with each record of the engine."""

    def __init__(
        self,
        server: LocalEngine,
        *,
        told: Callable[[Step], None] = lambda _step: None,
        answered: Set[str] = frozenset(),
    ) -> None:
        """Describe a story; `follow` says of which instance.

        Args:
            server: the engine whose records these are.
            told: called with each step, once all is known of it.
            answered: types of the jobs that the command line answers.
        """
        self._server = server
        self._answered = answered
        self._told = told
        self.root = 0
        self.roots: set[int] = set()
        """The followed process instance, and those that it called."""
        self.steps: list[Step] = []
        self.path: list[Visit] = []
        self.flows: list[str] = []
        self.incidents: dict[int, Trouble] = {}
        self.last: Document = {}
        """Variables of the followed instance at its end; the trial sets them before the records come."""
        self.ended = ""
        """COMPLETED or TERMINATED, once it is."""
        self.endings: list[Visit] = []
        """The end events of the followed process itself."""
        self._jobs: dict[int, _OpenJob] = {}
        # The element instance whose job is completed, while its results come.
        self._last: tuple[int, Step] | None = None

    def follow(self, root: int) -> None:
        """Follow this process instance from now on."""
        self.root = root
        self.roots = {root}

    def __call__(self, record: Record) -> None:
        """Add a record."""
        value = record["value"]
        root = value.get("processInstanceKey", 0)
        if root not in self.roots:
            if value.get("parentProcessInstanceKey", -1) not in self.roots:
                return
            self.roots.add(root)
        match record["valueType"]:
            case "PROCESS_INSTANCE":
                self._element(record)
            case "JOB":
                self._job(record)
            case "INCIDENT":
                self._incident(record)
            case "VARIABLE":
                self._variable(value)

    def close(self) -> None:
        """Report the steps that are not reported yet."""
        if self._last is not None:
            step, self._last = self._last[1], None
            self._told(step)

    def _element(self, record: Record) -> None:
        value, intent = record["value"], record["intent"]
        is_process = value["bpmnElementType"] == "PROCESS"
        if intent == "SEQUENCE_FLOW_TAKEN":
            self.flows.append(value["elementId"])
            return
        visit = self._visit(value)
        if intent == "ELEMENT_ACTIVATED" and not is_process:
            self.path.append(visit)
        is_end = value["bpmnElementType"] == "END_EVENT" and value["flowScopeKey"] == self.root
        if intent == "ELEMENT_COMPLETED" and is_end:
            self.endings.append(visit)
        if intent in ("ELEMENT_COMPLETED", "ELEMENT_TERMINATED"):
            if self._last is not None and self._last[0] == record["key"]:
                self.close()
            if is_process and record["key"] == self.root:
                self.close()
                self.ended = intent.removeprefix("ELEMENT_")

    def _job(self, record: Record) -> None:
        value, intent = record["value"], record["intent"]
        if intent == "CREATED":
            self._jobs[record["key"]] = _OpenJob(record["timestamp"], self._asked(value))
            return
        outcome = _OUTCOMES.get(intent)
        if outcome is None or (intent == "FAILED" and not value["errorMessage"] and value["retries"]):
            return  # a worker that ends has given back the latter: nothing has failed
        self.close()
        opened = self._jobs.get(record["key"])
        visit = self._visit(value)
        step = Step(
            element_id=visit.element_id,
            name=visit.name,
            job_type=value["type"],
            job_key=record["key"],
            outcome=outcome,
            seconds=(record["timestamp"] - opened.since) / 1000 if opened is not None else None,
            asked=opened.asked if opened is not None else None,
            retries=value["retries"],
            message=value["errorMessage"] if outcome in (FAILED, ERROR_THROWN) else "",
            error_code=value["errorCode"] if outcome == ERROR_THROWN else "",
            is_answered=value["type"] in self._answered,
        )
        self.steps.append(step)
        if outcome == COMPLETED:
            self._last = (value["elementInstanceKey"], step)
            return
        if opened is not None:
            opened.since = record["timestamp"]
        self._told(step)

    def _incident(self, record: Record) -> None:
        value, key = record["value"], record["key"]
        if record["intent"] == "RESOLVED":
            if key in self.incidents:
                self.incidents[key].resolved = True
            return
        self.close()  # a completed job whose output mappings failed
        visit = self._visit(value)
        job_key = value["jobKey"] if value["jobKey"] > 0 else None
        self.incidents[key] = Trouble(
            key,
            value["errorType"],
            value["errorMessage"],
            visit.element_id,
            visit.name,
            visit.process_id,
            job_key,
        )

    def _variable(self, value: dict[str, Any]) -> None:
        if self._last is not None:
            self._last[1].variables[value["name"]] = self._value(value)

    def _value(self, value: dict[str, Any]) -> Any:
        """Return a variable's value: a long one is cut in the record, whole in its scope or at its end."""
        try:
            return json.loads(value["value"])
        except ValueError:
            scope = self._server.engine.state.instances.get(value["scopeKey"])
            variables = scope.variables if scope is not None else self.last
            kept = variables.get(value["name"])
            if kept is not None and kept.text.startswith(value["value"].removesuffix("...")):
                return kept.value
            return value["value"]

    def _asked(self, value: dict[str, Any]) -> Asked | None:
        instance = self._server.engine.state.instances.get(value["elementInstanceKey"])
        if instance is None:
            return None
        visible = self._server.engine.scopes.visible(instance)
        return asked_by(value["type"], {name: variable.value for name, variable in visible.items()})

    def _visit(self, value: dict[str, Any]) -> Visit:
        element_id = value["elementId"]
        process = self._server.engine.processes.get(value["processDefinitionKey"])
        element = process.elements.get(element_id) if process is not None else None
        name = element.name if element is not None else ""
        return Visit(element_id, name or element_id, value.get("bpmnElementType", ""), value["bpmnProcessId"])
