"""The engine in process, on a clock of its own: commands by plain values, milliseconds a case."""

from __future__ import annotations

import json
from collections.abc import Sequence, Sized
from pathlib import Path
from typing import Any, NamedTuple

from local_engine.clock import Clock
from local_engine.documents import Document, read_document
from local_engine.engine import Engine
from local_engine.records import Record
from local_engine.state import ElementInstance, Incident
from local_engine.storage import Storage

BEGINNING = 1_800_000_000_000
"""The time at which every world begins, in epoch milliseconds: 2027-01-15T08:00:00Z."""


class Activated(NamedTuple):
    """A job as a worker gets it."""

    key: int
    variables: dict[str, Any]
    instance: int
    """Key of the element instance."""
    headers: dict[str, str]
    retries: int


class World:
    """One engine with everything that a case wants to know about it."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._clock = Clock(BEGINNING)
        self.ended: dict[int, dict[str, Any] | None] = {}
        """Variables of the process instances that have ended; None for terminated ones."""
        self.records: list[Record] = []
        self._open()

    def _open(self) -> None:
        self.storage = Storage(self._folder)
        self.engine = Engine(self.storage, self._clock)
        self.engine.on_end = self._note_end
        self.engine.records.subscribe(self.records.append)

    def _note_end(self, instance: ElementInstance, variables: Document | None) -> None:
        self.ended[instance.key] = None if variables is None else {n: v.value for n, v in variables.items()}

    def restart(self) -> None:
        """Forget the memory and go on from the disk (a world with a folder only)."""
        assert self._folder is not None
        self.storage.close()
        self._open()

    def settle(self) -> None:
        """Do all steps that are waiting, and commit."""
        self.engine.run()
        self.engine.commit()

    def deploy(self, *diagrams: bytes) -> list[int]:
        """Deploy diagrams in one request and return the keys of the process definitions."""
        files = [(f"{number}.bpmn", content) for number, content in enumerate(diagrams)]
        processes = self.engine.deployments.deploy(files)
        self.settle()
        return [process.key for process in processes]

    def start(self, process_id: str = "p", /, *, at: Sequence[str] = (), **variables: Any) -> int:
        """Create a process instance and return its key."""
        process = self.engine.creation.find(0, process_id, -1)
        instance = self.engine.creation.create(process, document(variables), at)
        self.settle()
        return instance.key

    def take(
        self, type: str, *, maximum: int = 100, lease: int = 60_000, fetch: Sequence[str] = ()
    ) -> list[Activated]:
        """Activate jobs."""
        taken = self.engine.jobs.activate(type, "worker", lease, maximum, fetch)
        self.settle()
        return [
            Activated(job.key, json.loads(text), job.instance, json.loads(job.headers), job.retries)
            for job, text in taken
        ]

    def take_one(self, type: str) -> Activated:
        """Activate the only job of a type."""
        (job,) = self.take(type)
        return job

    def complete(self, key: int, /, **variables: Any) -> None:
        """Complete a job."""
        self.engine.jobs.complete(key, document(variables))
        self.settle()

    def do(self, type: str, /, **variables: Any) -> Activated:
        """Activate the only job of a type and complete it; return it as it was."""
        job = self.take_one(type)
        self.complete(job.key, **variables)
        return job

    def fail(
        self, key: int, retries: int, message: str = "failed", /, *, back_off: int = 0, **variables: Any
    ) -> None:
        """Fail a job."""
        self.engine.jobs.fail(key, retries, message, back_off, document(variables))
        self.settle()

    def throw(self, key: int, code: str, message: str = "thrown", /, **variables: Any) -> None:
        """Throw a BPMN error at a job's element."""
        self.engine.jobs.throw_error(key, code, message, document(variables))
        self.settle()

    def publish(self, name: str, key: str = "", /, *, ttl: int = 0, id: str = "", **variables: Any) -> int:
        """Publish a message and return its key."""
        message = self.engine.messages.publish(name, key, ttl, id, document(variables))
        self.settle()
        return message

    def set(self, key: int, /, *, local: bool = False, **variables: Any) -> None:
        """Set variables at an element instance."""
        self.engine.set_variables(key, document(variables), local=local)
        self.settle()

    def resolve(self, key: int | None = None) -> None:
        """Resolve an incident: the only one, if none is named."""
        self.engine.incidents.resolve(self.incident().key if key is None else key)
        self.settle()

    def cancel(self, key: int) -> None:
        """Cancel a process instance."""
        self.engine.cancel(key)
        self.settle()

    def later(self, milliseconds: int) -> None:
        """Put the clock forward and let happen what is due by then, in its order."""
        end = self._clock.now() + milliseconds
        while (due := self.engine.due.next()) is not None and due <= end:
            self._clock.pin(max(due, self._clock.now()))
            self.engine.sweep()
            self.settle()
        self._clock.pin(end)

    def jump(self, milliseconds: int) -> None:
        """Put the clock forward at once.

        What is due by then happens late, as after a pause of the machine.
        """
        self._clock.pin(self._clock.now() + milliseconds)
        while self.engine.sweep():
            self.settle()
        self.settle()

    @property
    def now(self) -> int:
        """The time in epoch milliseconds."""
        return self._clock.now()

    def incidents(self) -> list[Incident]:
        """Return the open incidents in the order of their creation."""
        return sorted(self.engine.state.incidents.values(), key=lambda incident: incident.key)

    def incident(self) -> Incident:
        """Return the only open incident."""
        (incident,) = self.incidents()
        return incident

    def running(self) -> list[int]:
        """Return the keys of the process instances that have not ended, in the order of their creation."""
        return sorted(key for key, each in self.engine.state.instances.items() if not each.parent)

    def find(self, instance: int, element_id: str) -> ElementInstance:
        """Return the only instance of an element that is being executed in a process instance."""
        instances = self.engine.state.instances.values()
        (found,) = [each for each in instances if each.root == instance and each.element == element_id]
        return found

    def active(self, instance: int) -> list[str]:
        """Return the ids of the elements that are being executed in a process instance, sorted."""
        instances = self.engine.state.instances.values()
        return sorted(each.element for each in instances if each.root == instance and each.parent)

    def path(self, instance: int, intent: str = "ELEMENT_COMPLETED") -> list[str]:
        """Return the ids of the elements of a process instance with such a record, in their order."""
        return [
            record["value"]["elementId"]
            for record in self.records
            if record["valueType"] == "PROCESS_INSTANCE"
            and record["intent"] == intent
            and record["value"]["processInstanceKey"] == instance
        ]

    def local(self, key: int) -> dict[str, Any]:
        """Return the variables of one scope."""
        return {name: variable.value for name, variable in self.engine.state.instances[key].variables.items()}

    def left(self) -> dict[str, int]:
        """Return what the engine still keeps, by kind: empty when all has ended."""
        state = self.engine.state
        kept: dict[str, Sized] = {
            "instances": state.instances,
            "jobs": state.jobs,
            "incidents": state.incidents,
            "timers": state.timers,
            "subscriptions": state.subscriptions,
            "messages": state.messages,
        }
        return {name: len(entities) for name, entities in kept.items() if entities}


def document(variables: dict[str, Any]) -> Document:
    """Return variables as a command carries them."""
    return read_document(json.dumps(variables))
