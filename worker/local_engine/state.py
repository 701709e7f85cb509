"""What the engine knows: entities in memory, and which of them changed since the last commit."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, TypeVar

from local_engine.documents import Variable
from local_engine.storage import Changes, Storage

FIRST_KEY: Final = 2251799813685249
"""As Zeebe's first partition counts."""

ACTIVATING: Final = "ACTIVATING"
ACTIVATED: Final = "ACTIVATED"
COMPLETING: Final = "COMPLETING"

ACTIVATABLE: Final = "ACTIVATABLE"
BACKING_OFF: Final = "BACKING_OFF"
FAILED: Final = "FAILED"
ERROR_THROWN: Final = "ERROR_THROWN"

ITEMS: Final = "\0items"
"""Where a multi-instance body keeps its items among its variables: no diagram can name it."""


class Entity:
    """Something with a key and a life cycle. Its stored fields are those of `FIELDS`, in that order."""

    __slots__ = ("is_stored",)
    KIND: ClassVar[str]
    FIELDS: ClassVar[tuple[str, ...]]
    key: int
    is_stored: bool


@dataclass(eq=False, slots=True)
class ElementInstance(Entity):
    """An element of a diagram that is being executed; a process instance is one without a parent."""

    KIND: ClassVar[str] = "instance"
    FIELDS: ClassVar[tuple[str, ...]] = (
        *(
            "element",
            "process",
            "root",
            "parent",
            "state",
            "is_round",
            "index",
            "joins",
            "job",
            "loop",
            "called",
        ),
        *("caller", "depth", "correlation_key", "entry", "event_variables", "is_interrupted"),
    )

    key: int
    element: str
    """Id in the diagram."""
    process: int
    """Key of the process definition."""
    root: int = 0
    """Key of the process instance."""
    parent: int = 0
    """Key of the scope that it runs in; 0 for a process instance."""
    state: str = ACTIVATING
    is_round: bool = False
    """Whether it is one round of a multi-instance activity; its parent is the body."""
    index: int = 0
    """Of a round: its place in the collection, from 0."""
    joins: dict[str, dict[str, int]] = field(default_factory=dict)
    """Of a scope: tokens that wait at parallel gateways, as gateway -> flow -> count."""
    job: int = 0
    loop: list[int] | None = None
    """Of a multi-instance body: rounds in all, begun, completed."""
    called: int = 0
    """Of a call activity: key of the process instance that it has called."""
    caller: int = 0
    """Of a called process instance: key of the call activity's instance."""
    depth: int = 0
    """Of a process instance: the number of call activities above it."""
    correlation_key: str = ""
    """Of a process instance that a message started: the key that no other running one may have."""
    entry: dict[str, Any] | None = None
    """Of a sub-process that is entered in the middle: the elements to begin with, each with its own entry."""
    event_variables: str = ""
    """JSON of the variables that an event carried: local to the event's instance when it is activated."""
    is_interrupted: bool = False
    """Of a scope: whether an interrupting event sub-process replaced its flow."""
    is_stored: bool = False

    variables: dict[str, Variable] = field(default_factory=dict)
    items: list[Any] = field(default_factory=list)
    """Of a multi-instance body."""
    kids: dict[int, None] = field(default_factory=dict)
    """Keys of the instances in this scope, in the order in which they were entered."""
    waits: dict[int, None] = field(default_factory=dict)
    """Keys of its timers and message subscriptions."""
    incidents: dict[int, None] = field(default_factory=dict)
    """Keys of its incidents."""


@dataclass(eq=False, slots=True)
class Job(Entity):
    """A unit of work for a worker."""

    KIND: ClassVar[str] = "job"
    FIELDS: ClassVar[tuple[str, ...]] = (
        *(
            "type",
            "instance",
            "element",
            "process",
            "root",
            "headers",
            "retries",
            "state",
            "deadline",
            "worker",
        ),
        *("message", "error_code"),
    )

    key: int
    type: str
    instance: int
    element: str
    process: int
    root: int
    headers: str
    """JSON; fixed when the job is created, also if later versions of the diagram differ."""
    retries: int
    state: str = ACTIVATABLE
    deadline: int = 0
    """Epoch milliseconds: when the lease ends (ACTIVATED) or the job comes back (BACKING_OFF); else 0."""
    worker: str = ""
    message: str = ""
    error_code: str = ""
    is_stored: bool = False


@dataclass(eq=False, slots=True)
class Incident(Entity):
    """An element instance that cannot go on until somebody resolves this."""

    KIND: ClassVar[str] = "incident"
    FIELDS: ClassVar[tuple[str, ...]] = ("instance", "job", "step", "type", "message", "created")

    key: int
    instance: int
    job: int
    step: str
    """The step to be tried again; empty where it is a job's."""
    type: str
    message: str
    created: int
    """Epoch milliseconds."""
    is_stored: bool = False


@dataclass(eq=False, slots=True)
class Timer(Entity):
    """A moment at which an event happens."""

    KIND: ClassVar[str] = "timer"
    FIELDS: ClassVar[tuple[str, ...]] = (
        "due",
        "instance",
        "process",
        "target",
        "repetitions",
        "months",
        "interval",
    )

    key: int
    due: int
    """Epoch milliseconds."""
    instance: int
    """That waits for it; 0 for a start event of a process."""
    process: int
    target: str
    """Id of the event (or event sub-process's start event)."""
    repetitions: int = 1
    """How often it will still fire; `schedules.FOREVER` without end."""
    months: int = 0
    interval: int = 0
    """Between two times, in milliseconds in addition to the months."""
    is_stored: bool = False


@dataclass(eq=False, slots=True)
class Subscription(Entity):
    """A wait for a message, by an element instance or a start event."""

    KIND: ClassVar[str] = "subscription"
    FIELDS: ClassVar[tuple[str, ...]] = ("name", "correlation_key", "instance", "process", "target")

    key: int
    name: str
    correlation_key: str
    """Of no meaning for the start event of a process."""
    instance: int
    """That waits for it; 0 for a start event of a process."""
    process: int
    target: str
    is_stored: bool = False


@dataclass(eq=False, slots=True)
class Message(Entity):
    """A message that was published and is kept for a while."""

    KIND: ClassVar[str] = "message"
    FIELDS: ClassVar[tuple[str, ...]] = ("name", "correlation_key", "id", "until", "variables", "taken")

    key: int
    name: str
    correlation_key: str
    id: str
    until: int
    """Epoch milliseconds."""
    variables: str
    """JSON."""
    taken: list[str] = field(default_factory=list)
    """Ids of the processes that it went to: to each once."""
    is_stored: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """Something that is still to be done: part of a command's consequences."""

    name: str
    key: int
    """Of the element instance."""
    argument: str = ""


AnyEntity = TypeVar("AnyEntity", bound=Entity)
_KINDS: Final[dict[str, Any]] = {
    kind.KIND: kind for kind in (ElementInstance, Job, Incident, Timer, Subscription, Message)
}


class State:
    """All entities by kind and key; `commit` writes what changed since the last one."""

    def __init__(self, storage: Storage) -> None:
        """Read everything from the storage.

        Raises:
            EngineError: it cannot be read.
        """
        self.instances: dict[int, ElementInstance] = {}
        self.jobs: dict[int, Job] = {}
        self.incidents: dict[int, Incident] = {}
        self.timers: dict[int, Timer] = {}
        self.subscriptions: dict[int, Subscription] = {}
        self.messages: dict[int, Message] = {}
        self._by_kind: dict[str, dict[int, Any]] = {
            ElementInstance.KIND: self.instances,
            Job.KIND: self.jobs,
            Incident.KIND: self.incidents,
            Timer.KIND: self.timers,
            Subscription.KIND: self.subscriptions,
            Message.KIND: self.messages,
        }
        self.unfinished: list[Step] = []
        """Steps that the last commit left to be done."""
        self._storage = storage
        self._changed: dict[int, Entity] = {}
        self._removed: dict[int, Entity] = {}
        self._variables: dict[tuple[int, str], Variable] = {}
        self.changes = Changes()
        """What else goes with the next commit: resources, records."""
        storage.read(self._read)

    def next_key(self) -> int:
        """Return a key that was never used before."""
        key = self._next_key
        self._next_key += 1
        return key

    def next_position(self) -> int:
        """Return the position of the next record."""
        self._position += 1
        return self._position

    def add(self, entity: AnyEntity) -> AnyEntity:
        """Add an entity."""
        self._by_kind[entity.KIND][entity.key] = entity
        self._changed[entity.key] = entity
        return entity

    def touch(self, entity: Entity) -> None:
        """Note that an entity has changed."""
        self._changed[entity.key] = entity

    def remove(self, entity: Entity) -> None:
        """Remove an entity with its variables."""
        del self._by_kind[entity.KIND][entity.key]
        self._changed.pop(entity.key, None)
        if entity.is_stored:
            self._removed[entity.key] = entity
        if isinstance(entity, ElementInstance):
            for name in entity.variables:
                self._variables.pop((entity.key, name), None)
            self._variables.pop((entity.key, ITEMS), None)

    def set_variable(self, instance: ElementInstance, name: str, variable: Variable) -> bool:
        """Write a variable into a scope; return whether it is new there."""
        is_new = name not in instance.variables
        instance.variables[name] = variable
        self._variables[instance.key, name] = variable
        return is_new

    def set_items(self, instance: ElementInstance, items: list[Any]) -> None:
        """Keep the items of a multi-instance body."""
        instance.items = items
        self._variables[instance.key, ITEMS] = Variable(None, items)

    def commit(self, unfinished: list[Step]) -> None:
        """Write all changes since the last commit, and the steps that are left, in one transaction.

        Raises:
            EngineError: it could not be written; memory and disk differ from here on.
        """
        changes = self.changes
        changes.removed = [*self._removed]
        changes.removed_scopes = [k for k, e in self._removed.items() if e.KIND == ElementInstance.KIND]
        changes.entities = [(key, entity.KIND, _document(entity)) for key, entity in self._changed.items()]
        changes.variables = [(key, name, var.text) for (key, name), var in self._variables.items()]
        steps = [(step.name, step.key, step.argument) for step in unfinished]
        self._storage.write(changes, {"key": self._next_key, "position": self._position}, steps)
        for entity in self._changed.values():
            entity.is_stored = True
        self._changed, self._removed, self._variables = {}, {}, {}
        self.changes = Changes()

    def _read(self, storage: Storage) -> None:
        meta = storage.meta()
        self._next_key = meta.get("key", FIRST_KEY)
        self._position = meta.get("position", 0)
        for key, kind, document in storage.entities():
            kept = _KINDS[kind]
            entity = kept(key, **dict(zip(kept.FIELDS, json.loads(document), strict=True)))
            entity.is_stored = True
            self._by_kind[kind][key] = entity
        for key, name, text in storage.variables():
            if name == ITEMS:
                self.instances[key].items = Variable(text).value
            else:
                self.instances[key].variables[name] = Variable(text)
        self._link()
        self.unfinished = [Step(*step) for step in storage.steps()]

    def _link(self) -> None:
        for instance in self.instances.values():
            if instance.parent:
                self.instances[instance.parent].kids[instance.key] = None
        for timer in self.timers.values():
            if timer.instance:
                self.instances[timer.instance].waits[timer.key] = None
        for subscription in self.subscriptions.values():
            if subscription.instance:
                self.instances[subscription.instance].waits[subscription.key] = None
        for incident in self.incidents.values():
            self.instances[incident.instance].incidents[incident.key] = None


def _document(entity: Entity) -> str:
    return json.dumps([getattr(entity, name) for name in entity.FIELDS], separators=(",", ":"))
