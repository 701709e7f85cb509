"""The engine's log: one record for each event, in the form of Zeebe's debug exporter."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from local_engine.engine import Engine
    from local_engine.state import ElementInstance, Incident, Job

Record = dict[str, Any]
"""`position`, `recordType`, `valueType`, `intent`, `key`, `timestamp` (in ms), `partitionId` and `value`."""
Listener = Callable[[Record], None]

LONGEST_VALUE: Final = 8192
"""Characters of a variable's value in a record; the state has the whole value."""


class Records:
    """Collects the records of one turn; they reach the listeners once the turn is on the disk."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._pending: list[Record] = []
        self._listeners: list[Listener] = []
        self.job_counts: Counter[str] = Counter()
        """Number of job events by intent in lower case: for the metrics."""
        self.keep_lines = False
        """Whether records go into the outbox with the commit, so that a reader of the log misses none."""

    def subscribe(self, listener: Listener) -> None:
        """Add a listener, which is called with each record after the record's commit."""
        self._listeners.append(listener)

    def unsubscribe(self, listener: Listener) -> None:
        """Remove a listener."""
        self._listeners.remove(listener)

    @property
    def wanted(self) -> bool:
        """Whether anybody reads records."""
        return self.keep_lines or bool(self._listeners)

    def lines(self) -> list[tuple[int, str]]:
        """Return position and JSON of the pending records, for the outbox."""
        if not self.keep_lines:
            return []
        return [(record["position"], _dump(record)) for record in self._pending]

    def publish(self) -> None:
        """Call the listeners with the pending records, which are on the disk now."""
        if self._pending:
            pending, self._pending = self._pending, []
            for record in pending:
                for listener in tuple(self._listeners):
                    listener(record)

    def drop(self) -> None:
        """Drop the pending records: their turn has failed."""
        self._pending = []

    def of_element(self, instance: ElementInstance, intent: str) -> None:
        """Record an event of an element instance, such as `ELEMENT_ACTIVATED`."""
        if not self.wanted:
            return
        element = self._engine.element_of(instance)
        record_type = element.record_type
        if element.multi_instance is not None and not instance.is_round:
            record_type = "MULTI_INSTANCE_BODY"
        self._of_process("PROCESS_INSTANCE", intent, instance.key, instance, element.id, record_type)

    def of_flow(self, scope: ElementInstance, flow_id: str) -> None:
        """Record that a token takes a sequence flow."""
        if self.wanted:
            key = self._engine.state.next_key()
            self._of_process("PROCESS_INSTANCE", "SEQUENCE_FLOW_TAKEN", key, scope, flow_id, "SEQUENCE_FLOW")

    def _of_process(
        self,
        value_type: str,
        intent: str,
        key: int,
        instance: ElementInstance,
        element_id: str,
        record_type: str,
    ) -> None:
        process = self._engine.processes[instance.process]
        caller = self._engine.state.instances.get(instance.caller)
        is_flow = record_type == "SEQUENCE_FLOW"
        value = {
            "bpmnProcessId": process.id,
            "version": process.version,
            "processDefinitionKey": process.key,
            "processInstanceKey": instance.root,
            "elementId": element_id,
            "bpmnElementType": record_type,
            "flowScopeKey": (instance.key if is_flow else instance.parent) or -1,
            "parentProcessInstanceKey": caller.root if caller is not None else -1,
            "parentElementInstanceKey": instance.caller or -1,
        }
        self._write(value_type, intent, key, value)

    def of_job(self, job: Job, intent: str) -> None:
        """Record an event of a job, such as `CREATED`."""
        self.job_counts[intent.lower()] += 1
        if not self.wanted:
            return
        process = self._engine.processes[job.process]
        value = {
            "type": job.type,
            "retries": job.retries,
            "worker": job.worker,
            "deadline": job.deadline,
            "errorMessage": job.message,
            "errorCode": job.error_code,
            "elementId": job.element,
            "bpmnProcessId": process.id,
            "processDefinitionVersion": process.version,
            "elementInstanceKey": job.instance,
            "processInstanceKey": job.root,
            "processDefinitionKey": process.key,
            "customHeaders": json.loads(job.headers),
        }
        self._write("JOB", intent, job.key, value)

    def of_incident(self, incident: Incident, instance: ElementInstance, intent: str) -> None:
        """Record that an incident was created or resolved."""
        if not self.wanted:
            return
        process = self._engine.processes[instance.process]
        value = {
            "errorType": incident.type,
            "errorMessage": incident.message,
            "elementId": instance.element,
            "elementInstanceKey": instance.key,
            "processInstanceKey": instance.root,
            "jobKey": incident.job or -1,
            "bpmnProcessId": process.id,
            "processDefinitionKey": process.key,
            "variableScopeKey": instance.key,
        }
        self._write("INCIDENT", intent, incident.key, value)

    def of_variable(self, instance: ElementInstance, name: str, text: str, intent: str) -> None:
        """Record that a variable was created or updated."""
        process = self._engine.processes[instance.process]
        value = {
            "name": name,
            "value": text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}...",
            "scopeKey": instance.key,
            "processInstanceKey": instance.root,
            "processDefinitionKey": process.key,
            "bpmnProcessId": process.id,
        }
        self._write("VARIABLE", intent, self._engine.state.next_key(), value)

    def _write(self, value_type: str, intent: str, key: int, value: dict[str, Any]) -> None:
        record = {
            "position": self._engine.state.next_position(),
            "recordType": "EVENT",
            "valueType": value_type,
            "intent": intent,
            "key": key,
            "timestamp": self._engine.clock.now(),
            "partitionId": 1,
            "value": value,
        }
        self._pending.append(record)


def _dump(record: Record) -> str:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))
