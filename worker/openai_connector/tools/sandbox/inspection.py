"""The engine in this process, as the page sees it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from openai_connector.tools.sandbox import instance_view
from openai_connector.tools.sandbox.past import ACTIVE, Past
from openai_connector.tools.sandbox.view import Filter, Json, ViewError

if TYPE_CHECKING:
    from local_engine.diagram.model import Process
    from local_engine.engine import Engine
    from local_engine.server import LocalEngine
    from openai_connector.tools.sandbox.history import History

RETRIES: Final = 1
"""Retries that a job gets when its incident is retried."""
MESSAGE_LIFE: Final = 60_000
"""Milliseconds for which a message waits for somebody who wants it."""
_STATUS: Final = {
    "NOT_FOUND": 404,
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 409,
    "ALREADY_EXISTS": 409,
    "UNKNOWN": 413,
    "UNAVAILABLE": 503,
}
_PREFIX: Final = re.compile(
    r"Command '\w+' rejected with code '\w+': (?:Expected to deploy .*? the following errors:\s*)?", re.DOTALL
)

Result = TypeVar("Result")


class Inspection:
    """What the page shows of an engine, and does to it; a `View`."""

    def __init__(self, server: LocalEngine, history: History) -> None:
        """Look at a started engine, whose instances a history follows."""
        self._server = server
        self._history = history

    @property
    def _engine(self) -> Engine:
        return self._server.engine

    # Looking

    @property
    def version(self) -> str:
        """Changes with every change that `overview` would show."""
        return f"{self._history.version}-{len(self._engine.processes)}"

    def overview(self, wanted: Filter) -> Json:
        """Return processes, counts, and the list of process instances."""
        below = instance_view.incidents_below(self._engine)
        troubled = {past.key for past in self._history.instances.values() if past.open_incidents} | set(below)
        found = [past for past in reversed(self._history.instances.values()) if self._is_wanted(past, wanted)]
        listed = [past for past in found if _is_shown(past, wanted.show, troubled)]
        listed.sort(key=lambda past: past.key not in troubled)  # stable: each part stays the newest first
        return {
            "engine": self._server.address,
            "now": self._engine.clock.now(),
            "counts": {show: sum(_is_shown(past, show, troubled) for past in found) for show in _SHOWN},
            "processes": self._processes(troubled),
            "instances": [self._listed(past, below) for past in listed[: wanted.most]],
            "more": max(len(listed) - wanted.most, 0),
        }

    def _is_wanted(self, past: Past, wanted: Filter) -> bool:
        if wanted.process and past.process_id != wanted.process:
            return False
        texts = (str(past.key), past.process_id, self._name(past))
        return not wanted.find or any(wanted.find.lower() in text.lower() for text in texts)

    def _listed(self, past: Past, below: dict[int, set[str]]) -> Json:
        standing = past.active() if past.state == ACTIVE else {}
        return {
            "key": str(past.key),
            "process": str(past.process),
            "name": self._name(past),
            "version": past.version,
            "state": past.state,
            "started": past.started,
            "ended": past.ended,
            "incidents": len(past.open_incidents),
            "below": past.key in below,
            "parent": str(past.parent) if past.parent else "",
            "at": [instance_view.name_of(self._engine, past.process, element) for element in [*standing][:4]],
        }

    def _processes(self, troubled: set[int]) -> list[Json]:
        active: dict[int, int] = {}
        incidents: dict[int, int] = {}
        for past in self._history.instances.values():
            active[past.process] = active.get(past.process, 0) + (past.state == ACTIVE)
            incidents[past.process] = incidents.get(past.process, 0) + (past.key in troubled)
        messages: dict[int, list[str]] = {}
        for waiting in self._engine.state.subscriptions.values():
            if not waiting.instance:
                messages.setdefault(waiting.process, []).append(waiting.name)
        processes = sorted(self._engine.processes.values(), key=lambda process: -process.key)
        return [
            {
                "key": str(process.key),
                "id": process.id,
                "name": process.name or process.id,
                "version": process.version,
                "resource": process.resource_name,
                "latest": self._engine.latest.get(process.id) is process,
                "startable": process.root.start is not None,
                "messages": messages.get(process.key, []),
                "active": active.get(process.key, 0),
                "incidents": incidents.get(process.key, 0),
            }
            for process in processes
        ]

    def _name(self, past: Past) -> str:
        process = self._engine.processes.get(past.process)
        return (process.name if process is not None else "") or past.process_id

    def process(self, key: int) -> Json:
        """Return where all instances of a process definition stand."""
        process = self._process(key)
        elements: dict[str, Json] = {}
        for past in self._history.instances.values():
            if past.process != key or past.state != ACTIVE:
                continue
            for element, count in past.active().items():
                elements.setdefault(element, {"active": 0, "incidents": 0})["active"] += count
            for incident in past.open_incidents:
                elements.setdefault(incident.element, {"active": 0, "incidents": 0})["incidents"] += 1
        names = {element: instance_view.name_of(self._engine, key, element) for element in process.elements}
        parents = instance_view.parents_of(self._engine, key)
        return {"key": str(key), "elements": elements, "names": names, "parents": parents}

    def instance(self, key: int) -> Json:
        """Return all that is known of a process instance."""
        past = self._history.get(key)
        if past is None:
            raise ViewError(404, f"There is no process instance with the key {key} (any more).")
        return instance_view.describe(self._engine, self._history, past)

    def variable(self, instance: int, scope: int, name: str) -> str:
        """Return the whole JSON of a variable."""
        found = self._engine.state.instances.get(scope)
        if found is not None and name in found.variables:
            return found.variables[name].text
        past = self._history.get(instance)
        if past is not None and scope == instance and name in past.variables:
            return past.variables[name][0]
        raise ViewError(404, f"There is no variable {name!r} in this scope (any more).")

    def diagram(self, key: int) -> tuple[bytes, str]:
        """Return the file of a process definition, and the id of the process in it."""
        process = self._process(key)
        return self._engine.deployments.content(key), process.id

    def _process(self, key: int) -> Process:
        process = self._engine.processes.get(key)
        if process is None:
            raise ViewError(404, f"There is no process with the key {key}.")
        return process

    # Doing

    async def deploy(self, files: list[tuple[str, bytes]]) -> Json:
        """Deploy diagrams, all or none."""
        processes = await self._execute(lambda engine: engine.deployments.deploy(files))
        return {
            "processes": [
                {"key": str(p.key), "id": p.id, "name": p.name, "version": p.version} for p in processes
            ]
        }

    async def start(self, process: int, variables: str) -> Json:
        """Start an instance of a process definition, with variables as JSON."""
        found = self._process(process)

        def create(engine: Engine) -> Any:
            return engine.creation.create(engine.processes[found.key], _document(variables))

        return {"key": str((await self._execute(create)).key)}

    async def set_variables(self, scope: int, variables: str) -> Json:
        """Write variables (JSON) into the scope of an element instance."""
        if scope not in self._engine.state.instances:
            raise ViewError(
                404, "This part of the instance has ended in the meantime: its variables are gone."
            )
        await self._execute(lambda engine: engine.set_variables(scope, _document(variables), local=True))
        return {}

    async def retry(self, incident: int) -> Json:
        """Resolve an incident; a job without retries gets one."""

        def resolve(engine: Engine) -> None:
            found = engine.state.incidents.get(incident)
            if found is None:
                raise ViewError(404, "This incident is resolved already.")
            job = engine.state.jobs.get(found.job)
            if job is not None and job.retries < RETRIES:
                engine.jobs.update_retries(job.key, RETRIES)
            engine.incidents.resolve(incident)

        await self._execute(resolve)
        return {}

    async def cancel(self, instance: int) -> Json:
        """Cancel a process instance."""
        found = self._engine.state.instances.get(instance)
        if found is None or found.parent:
            raise ViewError(404, "This process instance has ended already.")
        if found.caller:
            raise ViewError(409, "A call activity has created this instance: cancel the one that called it.")
        await self._execute(lambda engine: engine.cancel(instance))
        return {}

    async def complete(self, job: int, variables: str) -> Json:
        """Complete a job by hand, with variables as JSON."""
        if job not in self._engine.state.jobs:
            raise ViewError(404, "This job is done already.")
        await self._execute(lambda engine: engine.jobs.complete(job, _document(variables)))
        return {}

    async def publish(self, name: str, correlation_key: str, variables: str) -> Json:
        """Send a message to those who wait for it."""

        def publish(engine: Engine) -> None:
            engine.messages.publish(name, correlation_key, MESSAGE_LIFE, "", _document(variables))

        await self._execute(publish)
        return {}

    async def _execute(self, command: Callable[[Engine], Result]) -> Result:
        from local_engine.errors import Rejection

        refused: ViewError | None = None

        def guarded(engine: Engine) -> Any:
            nonlocal refused
            try:
                return command(engine)
            except ViewError as error:  # not a failure of the engine, which would undo the step
                refused = error

        try:
            result: Result = await self._server.runner.execute(guarded)
        except Rejection as error:
            raise ViewError(_STATUS.get(error.status, 500), _plain(error.message)) from None
        if refused is not None:
            raise refused
        return result


_SHOWN: Final = ("all", "incidents", "active", "ended")


def _is_shown(past: Past, show: str, troubled: set[int]) -> bool:
    match show:
        case "incidents":
            return past.key in troubled
        case "active":
            return past.state == ACTIVE
        case "ended":
            return past.state != ACTIVE
        case _:
            return True


def _document(variables: str) -> Any:
    from local_engine.documents import read_document

    return read_document(variables)


def _plain(message: str) -> str:
    """Return a refusal without the protocol's words around it."""
    sentence = _PREFIX.sub("", message, count=1).strip()
    return sentence if sentence.endswith(".") else f"{sentence}."
