"""One process instance, run to its end, to an incident, or until it cannot go on."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from openai_connector.tools.sandbox.given import Answers
from openai_connector.tools.sandbox.story import Step, Story, Trouble
from openai_connector.tools.sandbox.waiting import Reason, Watch

if TYPE_CHECKING:
    from local_engine.documents import Document
    from local_engine.engine import Engine
    from local_engine.records import Record
    from local_engine.server import LocalEngine
    from local_engine.state import ElementInstance
    from openai_connector.tools.sandbox.worker import Worker

COMPLETED = "completed"
TERMINATED = "terminated"
INCIDENT = "incident"
WAITING = "waiting"
TIMEOUT = "timeout"
LONGEST_WAIT = 1.0
"""Seconds between two checks, in addition to the check after each of the engine's records."""


class TrialError(Exception):
    """The instance cannot be run any further; the message is one sentence that says why."""


@dataclass(slots=True)
class Outcome:
    """How far a process instance has come."""

    status: str
    """COMPLETED, TERMINATED, INCIDENT, WAITING (for what does not come) or TIMEOUT."""
    story: Story
    variables: dict[str, Any]
    """Of the process: at its end, or as they are now."""
    seconds: float
    incidents: list[Trouble] = field(default_factory=list)
    """Those that are not resolved."""
    reasons: list[Reason] = field(default_factory=list)
    """What it waits for, where that does not come."""


class Trial:
    """Runs process instances on an engine of our own in this process."""

    def __init__(
        self,
        server: LocalEngine,
        *,
        worker: Worker | None,
        done_by_worker: Set[str],
        answers: Answers | None = None,
    ) -> None:
        """Describe who does what.

        Args:
            server: the engine.
            worker: that does the connector's jobs; None if there are no such jobs.
            done_by_worker: their types.
            answers: what jobs of other types are completed with.
        """
        self._server = server
        self._worker = worker
        self._done_by_worker = done_by_worker
        self._answers = answers or Answers([])
        self._changed = asyncio.Event()
        self._problem: TrialError | None = None
        self._story: Story | None = None
        self._answering: set[asyncio.Task[None]] = set()
        server.runner.set_up(self._watch_ends)

    async def run(
        self,
        process_key: int,
        variables: Mapping[str, Any],
        *,
        timeout: timedelta,
        told: Callable[[Step], None] = lambda _step: None,
    ) -> Outcome:
        """Run one instance of a process definition.

        Args:
            process_key: of the process definition.
            variables: to start with.
            timeout: for all of it; a timer or back-off that comes later is not waited for.
            told: called with each step as soon as it is done.

        Raises:
            TrialError: the engine refuses it, or the worker has ended.
        """
        story = Story(self._server, told=told, answered=self._answers.types)
        began = time.monotonic()
        until = self._server.engine.clock.now() + round(timeout.total_seconds() * 1000)
        watch = Watch(self._server, is_done=self._is_done, until=until)
        self._story, self._problem = story, None

        def listen(record: Record) -> None:
            story(record)
            self._answer(record, story.roots)
            self._changed.set()

        self._server.subscribe(listen)
        try:
            await self._create(story, process_key, variables)
            status, reasons = await self._wait(story, watch, began + timeout.total_seconds())
        finally:
            self._server.unsubscribe(listen)
        story.close()
        incidents = [incident for incident in story.incidents.values() if not incident.resolved]
        return Outcome(status, story, self._variables(story), time.monotonic() - began, incidents, reasons)

    async def _create(self, story: Story, process_key: int, variables: Mapping[str, Any]) -> None:
        from local_engine.documents import read_document
        from local_engine.errors import Rejection

        def create(engine: Engine) -> None:
            process = engine.creation.find(process_key, "", 0)
            instance = engine.creation.create(process, read_document(json.dumps(dict(variables))))
            story.follow(instance.key)

        try:
            await self._server.runner.execute(create)
        except Rejection as refused:
            raise TrialError(f"The engine refuses to start the process: {refused.message}") from None

    async def _wait(self, story: Story, watch: Watch, deadline: float) -> tuple[str, list[Reason]]:
        """Wait until the instance has ended or cannot go on; return which, and why."""
        failed = asyncio.ensure_future(self._server.failed())
        try:
            while not story.ended:
                self._changed.clear()
                if self._problem is not None:
                    raise self._problem
                standing = watch.look(story.roots)
                if not standing.moves and await self._is_quiet():
                    has_incident = any(not incident.resolved for incident in story.incidents.values())
                    return (INCIDENT if has_incident else WAITING), watch.look(story.roots).reasons
                left = deadline - time.monotonic()
                if left <= 0:
                    return TIMEOUT, standing.reasons
                await self._next_change(min(left, LONGEST_WAIT), failed)
        finally:
            failed.cancel()
        return (COMPLETED if story.ended == "COMPLETED" else TERMINATED), []

    async def _is_quiet(self) -> bool:
        """Wait for the engine to do its pending work, and return whether it had none."""
        await self._server.runner.execute(lambda _engine: None)
        return not self._changed.is_set()

    async def _next_change(self, seconds: float, failed: asyncio.Future[str]) -> None:
        changed = asyncio.ensure_future(self._changed.wait())
        waited: set[asyncio.Future[Any]] = {changed, failed}
        if self._worker is not None:
            waited.add(self._worker.ended)
        try:
            await asyncio.wait(waited, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
        if failed.done():
            raise TrialError(failed.result())
        if self._worker is not None and self._worker.ended.done():
            raise TrialError(
                f"The worker stopped: {self._worker.ended.exception() or 'it was ended from outside'}."
            )

    def _is_done(self, job_type: str) -> bool:
        return job_type in self._answers or job_type in self._done_by_worker

    def _answer(self, record: Record, roots: Set[int]) -> None:
        value = record["value"]
        if (
            record["valueType"] != "JOB"
            or record["intent"] != "CREATED"
            or value["processInstanceKey"] not in roots
        ):
            return
        if value["type"] in self._answers:
            # Not at once: this is called while the engine delivers its latest records.
            answering = asyncio.create_task(self._complete(record["key"], value["type"]))
            self._answering.add(answering)
            answering.add_done_callback(self._answering.discard)

    async def _complete(self, job_key: int, job_type: str) -> None:
        from local_engine.documents import read_document
        from local_engine.errors import Rejection

        def complete(engine: Engine) -> None:
            if job_key in engine.state.jobs:  # else its element has ended meanwhile
                engine.jobs.complete(job_key, read_document(json.dumps(self._answers.next(job_type))))

        try:
            await self._server.runner.execute(complete)
        except Rejection as refused:
            self._problem = TrialError(
                f"--job {job_type}: the engine refuses these variables: {refused.message}"
            )
            self._changed.set()

    def _watch_ends(self, engine: Engine) -> None:
        """Keep the variables of the instance that is run: the engine forgets them at its end."""
        before = engine.on_end

        def ended(instance: ElementInstance, document: Document | None) -> None:
            if self._story is not None and instance.key == self._story.root and document is not None:
                self._story.last = document
            before(instance, document)

        engine.on_end = ended

    def _variables(self, story: Story) -> dict[str, Any]:
        instance = self._server.engine.state.instances.get(story.root)
        return _values(instance.variables if instance is not None else story.last)


def _values(document: Document) -> dict[str, Any]:
    return {name: variable.value for name, variable in sorted(document.items())}
