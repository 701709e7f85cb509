"""Process instances: how they begin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from local_engine.diagram.model import Element, Kind, Process
from local_engine.documents import Document, dump_object
from local_engine.errors import Rejection
from local_engine.scopes import check_size
from local_engine.state import ElementInstance

if TYPE_CHECKING:
    from local_engine.engine import Engine

_NO_ENTRY: Final = (Kind.START_EVENT, Kind.BOUNDARY_EVENT, Kind.EVENT_SUB_PROCESS, Kind.PROCESS)


class Creation:
    """Creates process instances: by a command, by an event, by a call activity."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def find(self, key: int, process_id: str, version: int) -> Process:
        """Return a process definition by its key, or by id and version (below 1: the latest).

        Raises:
            Rejection: NOT_FOUND.
        """
        if key:
            found = self._engine.processes.get(key)
            wanted = f"key '{key}'"
        elif version < 1:
            found = self._engine.latest.get(process_id)
            wanted = f"process ID '{process_id}'"
        else:
            candidates = self._engine.processes.values()
            found = next((p for p in candidates if (p.id, p.version) == (process_id, version)), None)
            wanted = f"process ID '{process_id}' and version '{version}'"
        if found is None:
            raise Rejection(
                "NOT_FOUND",
                "Command 'CREATE' rejected with code 'NOT_FOUND': Expected to find process definition with "
                f"{wanted}, but none found",
            )
        return found

    def create(
        self, process: Process, variables: Document, start_instructions: Sequence[str] = ()
    ) -> ElementInstance:
        """Create a process instance at its none start event, or at the elements that are named.

        Raises:
            Rejection: FAILED_PRECONDITION without a none start event, INVALID_ARGUMENT for a start
                instruction that cannot be followed, UNKNOWN for variables that are too large.
        """
        check_size(variables, "CREATE")
        if not start_instructions and process.root.start is None:
            raise Rejection(
                "FAILED_PRECONDITION",
                "Command 'CREATE' rejected with code 'INVALID_STATE': Expected to create instance of process "
                f"with none start event, but the process '{process.id}' has no such event",
            )
        entry = self._entry(process, start_instructions) if start_instructions else None
        instance = self._new(process)
        instance.entry = entry
        return self._begin(instance, variables)

    def start_by_event(
        self, process: Process, start: Element, variables: Document | None = None, correlation_key: str = ""
    ) -> ElementInstance:
        """Create a process instance at a start event that has happened."""
        instance = self._new(process)
        instance.entry = {start.id: None}
        instance.correlation_key = correlation_key
        instance.event_variables = dump_object(variables) if variables else ""
        return self._begin(instance, {})

    def call(self, process: Process, variables: Document, caller: ElementInstance) -> ElementInstance:
        """Create a process instance for a call activity."""
        instance = self._new(process)
        instance.caller = caller.key
        instance.depth = self._engine.state.instances[caller.root].depth + 1
        return self._begin(instance, variables)

    def _new(self, process: Process) -> ElementInstance:
        key = self._engine.state.next_key()
        return self._engine.state.add(
            ElementInstance(key, element=process.root.id, process=process.key, root=key)
        )

    def _begin(self, instance: ElementInstance, variables: Document) -> ElementInstance:
        self._engine.records.of_element(instance, "ELEMENT_ACTIVATING")
        self._engine.scopes.set_local(instance, variables)
        self._engine.push("activate", instance.key)
        return instance

    def _entry(self, process: Process, element_ids: Sequence[str]) -> dict[str, Any]:
        """Return the elements to begin with, as a tree of the sub-processes that are opened for them."""
        tree: dict[str, Any] = {}
        for element_id in element_ids:
            element = process.elements.get(element_id)
            if element is None:
                raise _cannot_start(f"no element found with id '{element_id}'")
            if element.kind in _NO_ENTRY:
                raise _cannot_start(
                    f"the element '{element_id}' of type '{element.record_type}' is none to start at"
                )
            place = tree
            for scope in _path(element):
                if scope.multi_instance is not None or scope.kind is Kind.EVENT_SUB_PROCESS:
                    raise _cannot_start(
                        f"the element '{element_id}' is inside of '{scope.id}', a multi-instance or event "
                        "sub-process"
                    )
                place = place.setdefault(scope.id, {})
            place.setdefault(element_id, {})
        return tree


def _path(element: Element) -> list[Element]:
    """Return the sub-processes around an element, the outermost first."""
    path: list[Element] = []
    scope = element.scope
    while scope is not None and scope.kind is not Kind.PROCESS:
        path.insert(0, scope)
        scope = scope.scope
    return path


def _cannot_start(reason: str) -> Rejection:
    return Rejection(
        "INVALID_ARGUMENT",
        "Command 'CREATE' rejected with code 'INVALID_ARGUMENT': Expected to create instance of process with "
        f"start instructions, but {reason}",
    )
