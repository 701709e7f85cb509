"""Deployments: diagrams become process definitions with keys and versions: all of a request or none."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_engine.diagram.model import Element, MessageEvent, Process, TimerEvent
from local_engine.diagram.reader import read
from local_engine.errors import DiagramError, EngineError, ExpressionError, Rejection
from local_engine.expressions import MISSING, Evaluator
from local_engine.storage import Resource, Storage
from local_engine.timers import Schedule

if TYPE_CHECKING:
    from local_engine.engine import Engine


@dataclass(slots=True)
class _Candidate:
    """A file that is going to be deployed, with what its start events wait for."""

    name: str
    content: bytes
    processes: list[Process]
    messages: list[tuple[Process, Element, str]]
    timers: list[tuple[Process, Element, Schedule]]


class Deployments:
    """Reads diagrams, and keeps what is deployed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._latest: dict[str, Resource] = {}  # by resource name
        self._contents: dict[int, bytes] = {}  # by key of the process definition

    def load(self, storage: Storage) -> None:
        """Load what was deployed before.

        Raises:
            EngineError: a stored diagram cannot be read (any more).
        """
        for resource in storage.resources():
            try:
                processes = read(resource.content)
            except DiagramError as error:
                raise EngineError(
                    f"The stored diagram '{resource.name}' cannot be read by this version of the engine "
                    f"({error}): give another data folder."
                ) from None
            self._register(resource, processes)

    def content(self, process_key: int) -> bytes:
        """Return the diagram that a process definition was read from."""
        return self._contents[process_key]

    def deploy(self, files: Sequence[tuple[str, bytes]]) -> list[Process]:
        """Deploy files of one request: name and content each.

        A file that is deployed already, byte for byte, and still the latest keeps its keys and versions.

        Returns:
            The processes of all files, in their order.

        Raises:
            Rejection: INVALID_ARGUMENT, one of the files is refused; nothing is deployed then.
        """
        candidates = [self._candidate(name, content) for name, content in files]
        self._check_unique(candidates)
        deployed: list[Process] = []
        for candidate in candidates:
            deployed += self._unchanged(candidate) or self._add(candidate)
        return deployed

    def _candidate(self, name: str, content: bytes) -> _Candidate:
        if not name.lower().endswith((".bpmn", ".xml")):
            raise _refused(
                name, "only BPMN (a name that ends with .bpmn) is supported by this engine, no DMN, no forms"
            )
        try:
            processes = read(content)
            candidate = _Candidate(name, content, processes, [], [])
            for process in processes:
                process.resource_name = name
                self._evaluate_starts(candidate, process)
        except DiagramError as error:
            raise _refused(name, str(error)) from None
        return candidate

    def _evaluate_starts(self, candidate: _Candidate, process: Process) -> None:
        """Evaluate message names and timers of start events; there are no variables yet."""
        evaluator = Evaluator(lambda _: MISSING, self._engine.clock.local)
        names: set[str] = set()
        for start in (*process.message_starts, *process.timer_starts):
            try:
                if isinstance(start.event, MessageEvent):
                    name = evaluator.text(start.event.name)
                    if name in names:
                        raise ExpressionError(f"another start event waits for the message '{name}' too")
                    names.add(name)
                    candidate.messages.append((process, start, name))
                elif isinstance(start.event, TimerEvent):
                    schedule = self._engine.timers.schedule(start.event, evaluator)
                    candidate.timers.append((process, start, schedule))
            except ExpressionError as error:
                raise DiagramError(f"Element '{start.id}': {error}") from None

    def _check_unique(self, candidates: Iterable[_Candidate]) -> None:
        places: dict[str, str] = {}
        for candidate in candidates:
            for process in candidate.processes:
                if process.id in places:
                    raise _refused(
                        candidate.name,
                        f"the process id '{process.id}' is used twice, in '{places[process.id]}' too",
                    )
                places[process.id] = candidate.name

    def _unchanged(self, candidate: _Candidate) -> list[Process] | None:
        before = self._latest.get(candidate.name)
        if before is None or before.content != candidate.content:
            return None
        keys = [key for key, _ in json.loads(before.processes)]
        processes = [self._engine.processes[key] for key in keys]
        return processes if all(self._engine.latest[p.id] is p for p in processes) else None

    def _add(self, candidate: _Candidate) -> list[Process]:
        state = self._engine.state
        described = []
        for process in candidate.processes:
            before = self._engine.latest.get(process.id)
            if before is not None:
                self._engine.messages.close_starts_of(before)
                self._engine.timers.close_starts_of(before)
            described.append([state.next_key(), before.version + 1 if before is not None else 1])
        resource = Resource(state.next_key(), candidate.name, json.dumps(described), candidate.content)
        state.changes.resources.append(resource)
        self._register(resource, candidate.processes)
        for process, start, name in candidate.messages:
            self._engine.messages.subscribe((name, ""), None, process, start)
        for process, start, schedule in candidate.timers:
            self._engine.timers.open(schedule, None, process, start)
        return candidate.processes

    def _register(self, resource: Resource, processes: Sequence[Process]) -> None:
        for process, (key, version) in zip(processes, json.loads(resource.processes), strict=True):
            process.key, process.version, process.resource_name = key, version, resource.name
            self._engine.processes[key] = process
            self._engine.latest[process.id] = process
            self._contents[key] = resource.content
        self._latest[resource.name] = resource


def _refused(name: str, reason: str) -> Rejection:
    return Rejection(
        "INVALID_ARGUMENT",
        "Command 'CREATE' rejected with code 'INVALID_ARGUMENT': Expected to deploy new resources, but "
        f"encountered the following errors:\n'{name}': {reason}",
    )
