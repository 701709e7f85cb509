"""The engine: it takes commands, runs the steps that follow, and commits everything at once.

A command checks, changes entities in memory, and pushes the steps that follow. `run` does the steps; `commit`
writes what has changed in one transaction. Nothing here waits, and nothing runs in a thread.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from local_engine.clock import Clock
from local_engine.creation import Creation
from local_engine.deployments import Deployments
from local_engine.diagram.model import Element, Process
from local_engine.documents import Document
from local_engine.due import DueTimes
from local_engine.errors import Rejection, Trouble
from local_engine.events import Events
from local_engine.incidents import Incidents
from local_engine.jobs import Jobs
from local_engine.messages import Messages
from local_engine.records import Records
from local_engine.scopes import Scopes, check_size
from local_engine.state import ElementInstance, Job, Message, State, Step, Timer
from local_engine.storage import Storage
from local_engine.timers import Timers
from local_engine.tokens import Tokens

DUE_AT_ONCE: Final = 1000
"""Timers, leases and messages that one sweep runs: commands can run before the next sweep."""


class Engine:
    """Executes processes. All methods run to their end at once, on one thread."""

    def __init__(self, storage: Storage, clock: Clock | None = None) -> None:
        """Load what the storage has.

        Raises:
            EngineError: the storage cannot be read.
        """
        self.clock = clock or Clock()
        self.processes: dict[int, Process] = {}
        """All process definitions by key."""
        self.latest: dict[str, Process] = {}
        """The latest version of each process by id."""
        self.on_end: Callable[[ElementInstance, Document | None], None] = lambda _instance, _variables: None
        """Called when an outermost process instance ends: with its variables, or None if terminated."""
        self._storage = storage
        self.state = State(storage)
        self._agenda: deque[Step] = deque(self.state.unfinished)
        self.records = Records(self)
        self.due = DueTimes()
        self.scopes = Scopes(self)
        self.tokens = Tokens(self)
        self.events = Events(self)
        self.jobs = Jobs(self)
        self.incidents = Incidents(self)
        self.timers = Timers(self)
        self.messages = Messages(self)
        self.creation = Creation(self)
        self.deployments = Deployments(self)
        self._load()

    def _load(self) -> None:
        self.due.register(Job.KIND, self.jobs.is_current)
        self.due.register(Timer.KIND, self.timers.is_current)
        self.due.register(Message.KIND, self.messages.is_current)
        self.deployments.load(self._storage)
        self.jobs.load()
        self.timers.load()
        self.messages.load()

    def element_of(self, instance: ElementInstance) -> Element:
        """Return the element that an instance executes."""
        return self.processes[instance.process].elements[instance.element]

    # Commands; those on jobs, incidents, messages and new instances are in modules of their own

    def set_variables(self, key: int, variables: Document, *, local: bool) -> None:
        """Write variables into an element instance's scope or, if not local, into the nearest with them.

        Raises:
            Rejection: NOT_FOUND, or UNKNOWN for variables that are too large.
        """
        instance = self.state.instances.get(key)
        if instance is None:
            raise Rejection(
                "NOT_FOUND",
                "Command 'UPDATE' rejected with code 'NOT_FOUND': Expected to update variables for element "
                f"with key '{key}', but no such element was found",
            )
        check_size(variables, "UPDATE")
        if local:
            self.scopes.set_local(instance, variables)
        else:
            self.scopes.propagate(instance, variables)

    def cancel(self, key: int) -> None:
        """Terminate a process instance.

        Raises:
            Rejection: NOT_FOUND, or FAILED_PRECONDITION for one that a call activity has created.
        """
        instance = self.state.instances.get(key)
        expected = f"Expected to cancel a process instance with key '{key}', but"
        if instance is None or instance.parent:
            raise Rejection(
                "NOT_FOUND",
                f"Command 'CANCEL' rejected with code 'NOT_FOUND': {expected} no such process was found",
            )
        if instance.caller:
            root = self._outermost(instance)
            raise Rejection(
                "FAILED_PRECONDITION",
                f"Command 'CANCEL' rejected with code 'INVALID_STATE': {expected} it is created by a parent "
                f"process instance. Cancel the root process instance '{root.key}' instead",
            )
        self.tokens.terminate(instance)

    def _outermost(self, instance: ElementInstance) -> ElementInstance:
        while instance.caller:
            caller = self.state.instances[instance.caller]
            instance = self.state.instances[caller.root]
        return instance

    # Consequences

    def push(self, name: str, key: int, argument: str = "") -> None:
        """Add a step after those that are waiting already."""
        self._agenda.append(Step(name, key, argument))

    def run(self, seconds: float | None = None) -> bool:
        """Run the steps that are waiting, and those that follow from them.

        Args:
            seconds: time after which the rest is left for the next call; at least one step is done.

        Returns:
            Whether nothing is left.
        """
        ends = None if seconds is None else time.monotonic() + seconds
        while self._agenda:
            self._do(self._agenda.popleft())
            if ends is not None and time.monotonic() > ends:
                break
        return not self._agenda

    def _do(self, step: Step) -> None:
        if step.name == "next_message":
            self.messages.start_next(step.key, step.argument)
            return
        if step.name == "trigger":
            self.events.trigger(step.key, step.argument)
            return
        instance = self.state.instances.get(step.key)
        if instance is None:
            return  # ended in the meantime
        try:
            if step.name == "activate":
                self.tokens.activate(instance)
            elif step.name == "complete":
                self.tokens.complete(instance)
            else:
                self.tokens.throw(instance)
        except Trouble as trouble:
            self.incidents.create(instance, step.name, trouble.type, trouble.message)

    def sweep(self) -> bool:
        """Run what is due by now; return whether more is due than fits into one turn."""
        rooms: dict[str, Jobs | Timers | Messages] = {
            Job.KIND: self.jobs,
            Timer.KIND: self.timers,
            Message.KIND: self.messages,
        }
        now = self.clock.now()
        for _ in range(DUE_AT_ONCE):
            found = self.due.pop(now)
            if found is None:
                return False
            kind, key = found
            rooms[kind].fall_due(key)
        return True

    def commit(self) -> list[tuple[int, str]]:
        """Write what has changed, then publish the records; return those that went into the outbox.

        Raises:
            EngineError: it could not be written; this engine must not be used any further.
        """
        lines = self.records.lines()
        self.state.changes.records = lines
        self.state.commit([*self._agenda])
        self.records.publish()
        return lines
