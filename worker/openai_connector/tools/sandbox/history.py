"""What has happened to process instances, for the page: the engine forgets an instance when it ends."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from openai_connector.tools.sandbox.history_file import HistoryFile
from openai_connector.tools.sandbox.past import (
    ACTIVE,
    ENDED,
    Counts,
    Happened,
    Kept,
    Past,
    kept,
)

if TYPE_CHECKING:
    from local_engine.documents import Document
    from local_engine.engine import Engine
    from local_engine.records import Record
    from local_engine.server import LocalEngine
    from local_engine.state import ElementInstance

log = logging.getLogger(__name__)

MOST_INSTANCES: Final = 1_000
MOST_INCIDENTS: Final = 100
"""Of one instance; the oldest resolved ones are removed first."""
LARGEST_INSTANCE: Final = 500_000
"""Characters of the variables that are kept of one instance; more than that is cut."""
LARGEST_HISTORY: Final = 50_000_000
"""Characters of the variables that are kept in all; above it, the oldest ended instances are removed."""
_MULTI_INSTANCE: Final = "MULTI_INSTANCE_BODY"


class History:
    """Follows all process instances; after `follow` the engine calls it with each of its records.

    It is for display only: nothing in it decides what the engine does, and it never raises into the engine.
    """

    def __init__(self, path: Path | None = None, *, most: int = MOST_INSTANCES) -> None:
        """Read what a file has kept.

        Args:
            path: of the file; a damaged one is set aside. None keeps the history in memory.
            most: instances that are kept; the oldest ended ones are removed first.
        """
        self.version = 0
        """Grows with everything that happens."""
        self._most = most
        self._file = HistoryFile(path) if path is not None else None
        self._instances: dict[int, Past] = {}
        self._ended: dict[int, None] = {}  # keys in the order of the ends
        self._changed: set[int] = set()
        self._removed: set[int] = set()
        self._text = 0  # characters of all variables
        self._last_variables: dict[int, Document] = {}  # of instances that end in the current turn
        self._unfollow: Callable[[], None] = lambda: None
        for past in self._file.read() if self._file is not None else ():
            self._instances[past.key] = past
            self._text += past.text
        for past in sorted(self._instances.values(), key=lambda past: past.ended):
            if past.state != ACTIVE:
                self._ended[past.key] = None

    # Looking

    @property
    def instances(self) -> dict[int, Past]:
        """The process instances by key, the oldest first: to look at."""
        return self._instances

    def get(self, key: int) -> Past | None:
        """Return what is known of a process instance."""
        return self._instances.get(key)

    # Following

    async def follow(self, server: LocalEngine) -> None:
        """Begin to listen to an engine, at a moment at which all that it did is on its disk."""
        begun = False

        def begin() -> None:
            nonlocal begun
            begun = True
            self._reconcile(server.engine)
            server.runner.set_up(self._watch_ends)
            server.subscribe(self)
            self._unfollow = lambda: server.unsubscribe(self)

        while not begun:
            await server.runner.execute(lambda _engine: server.runner.after_commit(begin))

    def __call__(self, record: Record) -> None:
        """Add a record."""
        try:
            self._take(record)
        except Exception:  # the engine must not fail for a display
            log.exception(
                "The history could not take in a record; what it shows of that instance may be wrong"
            )

    def flush(self) -> None:
        """Write what has changed since the last time, in one transaction."""
        if self._file is None or not (self._changed or self._removed):
            return
        written = [past for key in self._changed if (past := self._instances.get(key)) is not None]
        if self._file.write(written, self._removed):
            self._changed, self._removed = set(), set()

    def close(self) -> None:
        """Stop listening, and write what is not written yet."""
        self._unfollow()
        self._unfollow = lambda: None
        if self._file is not None:
            self.flush()
            self._file.close()
            self._file = None

    # What records say

    def _take(self, record: Record) -> None:
        value = record["value"]
        kind = record["valueType"]
        root = value.get("processInstanceKey", 0)
        if kind == "PROCESS_INSTANCE" and root == record["key"]:
            self._process(record, value)
        elif (past := self._instances.get(root)) is not None:
            if kind == "PROCESS_INSTANCE":
                _count(past, record["intent"], value)
            elif kind == "INCIDENT":
                _incident(past, record)
            elif kind == "VARIABLE":
                self._variable(past, value)
            self._note(root)
        self.version += 1

    def _note(self, key: int) -> None:
        self._changed.add(key)

    def _process(self, record: Record, value: dict[str, Any]) -> None:
        key, intent = record["key"], record["intent"]
        if intent == "ELEMENT_ACTIVATING":
            self._add(
                Past(
                    key,
                    process_id=value["bpmnProcessId"],
                    process=value["processDefinitionKey"],
                    version=value["version"],
                    started=record["timestamp"],
                    parent=max(value["parentProcessInstanceKey"], 0),
                    caller=max(value["parentElementInstanceKey"], 0),
                )
            )
        elif intent in ("ELEMENT_COMPLETED", "ELEMENT_TERMINATED"):
            last = self._last_variables.pop(key, None)
            past = self._instances.get(key)
            if past is not None:
                if last is not None:
                    self._replace_variables(past, last)
                self._end(past, intent.removeprefix("ELEMENT_"), record["timestamp"])

    def _add(self, past: Past) -> None:
        self._instances[past.key] = past
        self._note(past.key)
        self._make_room()

    def _end(self, past: Past, state: str, moment: int) -> None:
        past.state, past.ended = state, moment
        self._ended[past.key] = None
        self._note(past.key)
        self._make_room()

    def _variable(self, past: Past, value: dict[str, Any]) -> None:
        if value["scopeKey"] == past.key:
            self._set(past, value["name"], kept(value["value"], self._room(past), from_record=True))

    def _replace_variables(self, past: Past, document: Document) -> None:
        self._text -= past.text
        past.variables, past.text = {}, 0
        for name, variable in document.items():
            self._set(past, name, kept(variable.text, self._room(past)))

    def _set(self, past: Past, name: str, value: Kept) -> None:
        before = past.variables.get(name)
        grown = len(value[0]) - (len(before[0]) if before is not None else 0)
        past.variables[name] = value
        past.text += grown
        self._text += grown

    @staticmethod
    def _room(past: Past) -> int:
        return max(LARGEST_INSTANCE - past.text, 0)

    def _watch_ends(self, engine: Engine) -> None:
        """Keep the variables of instances that end: the engine forgets them at the end."""
        before = engine.on_end
        self._last_variables = {}

        def ended(instance: ElementInstance, document: Document | None) -> None:
            self._last_variables[instance.key] = dict(instance.variables)
            before(instance, document)

        engine.on_end = ended

    # Room

    def _make_room(self) -> None:
        while len(self._instances) > self._most or (self._text > LARGEST_HISTORY and self._ended):
            key = next(iter(self._ended), None)
            if key is None:
                key = next((key for key, past in self._instances.items() if not past.open_incidents), None)
            self._remove(key if key is not None else next(iter(self._instances)))

    def _remove(self, key: int) -> None:
        past = self._instances.pop(key)
        self._text -= past.text
        self._ended.pop(key, None)
        self._changed.discard(key)
        self._removed.add(key)

    # What the engine says

    def _reconcile(self, engine: Engine) -> None:
        """Correct the instances that were not followed.

        The engine ran without this history, or was killed before the history was written.
        """
        standing: dict[int, list[ElementInstance]] = {}
        for instance in engine.state.instances.values():
            standing.setdefault(instance.root, []).append(instance)
        now = engine.clock.now()
        for past in [*self._instances.values()]:
            if past.state == ACTIVE and past.key not in standing:
                self._end(past, ENDED, 0)
                for incident in past.incidents.values():
                    incident.resolved = incident.resolved or now
        for root, instances in standing.items():
            past_or_none = self._instances.get(root)
            if past_or_none is None:
                past_or_none = _unknown(engine, engine.state.instances[root])
                self._add(past_or_none)
            _correct(past_or_none, engine, instances)
            if root in self._instances:
                self._note(root)
        self.version += 1


def _count(past: Past, intent: str, value: dict[str, Any]) -> None:
    element_id = value["elementId"]
    if intent == "SEQUENCE_FLOW_TAKEN":
        past.flows[element_id] = past.flows.get(element_id, 0) + 1
        return
    all_counts = past.bodies if value["bpmnElementType"] == _MULTI_INSTANCE else past.elements
    counts = all_counts.get(element_id)
    if counts is None:
        counts = all_counts[element_id] = Counts()
    if intent == "ELEMENT_ACTIVATING":
        counts.entered += 1
    elif intent == "ELEMENT_COMPLETED":
        counts.completed += 1
    elif intent == "ELEMENT_TERMINATED":
        counts.terminated += 1


def _incident(past: Past, record: Record) -> None:
    value, key = record["value"], record["key"]
    if record["intent"] == "CREATED":
        past.incidents[key] = Happened(
            key,
            value["errorType"],
            value["errorMessage"],
            value["elementId"],
            value["elementInstanceKey"],
            max(value["jobKey"], 0),
            record["timestamp"],
        )
        if len(past.incidents) > MOST_INCIDENTS:
            resolved = (each.key for each in past.incidents.values() if each.resolved)
            del past.incidents[next(resolved, next(iter(past.incidents)))]
    elif key in past.incidents:
        past.incidents[key].resolved = record["timestamp"]


def _unknown(engine: Engine, root: ElementInstance) -> Past:
    """Return an entry for a process instance whose start was not followed."""
    process = engine.processes[root.process]
    caller = engine.state.instances.get(root.caller)
    return Past(
        root.key,
        process_id=process.id,
        process=process.key,
        version=process.version,
        parent=caller.root if caller is not None else 0,
        caller=root.caller,
    )


def _correct(past: Past, engine: Engine, instances: list[ElementInstance]) -> None:
    """Set the counts and the incidents of a running instance to what the engine knows."""
    past.state, past.ended = ACTIVE, 0
    running: dict[tuple[bool, str], int] = {}
    open_incidents: set[int] = set()
    for instance in instances:
        open_incidents.update(instance.incidents)
        if instance.parent:
            is_body = engine.element_of(instance).multi_instance is not None and not instance.is_round
            place = (is_body, instance.element)
            running[place] = running.get(place, 0) + 1
    for is_body, all_counts in ((False, past.elements), (True, past.bodies)):
        for element_id in {*all_counts, *(element for body, element in running if body is is_body)}:
            counts = all_counts.setdefault(element_id, Counts())
            counts.entered = counts.completed + counts.terminated + running.get((is_body, element_id), 0)
    for key in open_incidents - set(past.incidents):
        found = engine.state.incidents[key]
        element = engine.state.instances[found.instance].element
        past.incidents[key] = Happened(
            key, found.type, found.message, element, found.instance, found.job, found.created
        )
    for happened in past.incidents.values():
        if happened.key in open_incidents:
            happened.resolved = 0
        elif not happened.resolved:
            happened.resolved = engine.clock.now()
