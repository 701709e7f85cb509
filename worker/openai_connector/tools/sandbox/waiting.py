"""Why a process instance does not go on: what it waits for, and whether that can come here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local_engine.server import LocalEngine
    from local_engine.state import ElementInstance, Job


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that a process instance waits for, and that does not come."""

    kind: str
    """`job`, `message`, `timer`, `back-off` or `gateway`."""
    element_id: str
    name: str
    message: str
    """What it waits for."""
    advice: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a process instance can still go by itself."""

    moves: bool
    """Whether something is running that will advance it in time."""
    reasons: list[Reason]


class Watch:
    """Looks at a process instance and at those that it called."""

    def __init__(self, server: LocalEngine, *, is_done: Callable[[str], bool], until: int) -> None:
        """Describe what may happen.

        Args:
            server: where the instance runs.
            is_done: whether jobs of a type are done by somebody here.
            until: epoch milliseconds, in the engine's time: what comes later is not waited for.
        """
        self._server = server
        self._is_done = is_done
        self._until = until

    def look(self, roots: Set[int]) -> Standing:
        """Return whether the instance goes on by itself, and if not, why; incidents are not included."""
        state = self._server.engine.state
        reasons: list[Reason] = []
        moves = False
        for job in state.jobs.values():
            if job.root in roots:
                reason = self._job(job)
                moves = moves or (reason is None and not self._has_incident(job))
                reasons += [reason] if reason is not None else []
        for timer in state.timers.values():
            instance = state.instances.get(timer.instance)
            if instance is not None and instance.root in roots:
                moves = moves or timer.due <= self._until
                reasons += (
                    [] if timer.due <= self._until else [self._timer(instance, timer.target, timer.due)]
                )
        reasons += self._messages(roots)
        if not moves and not reasons:
            reasons += self._gateways(roots)
        return Standing(moves, reasons)

    def _has_incident(self, job: Job) -> bool:
        return any(incident.job == job.key for incident in self._server.engine.state.incidents.values())

    def _job(self, job: Job) -> Reason | None:
        name = self._name(job.process, job.element)
        if not self._is_done(job.type):
            return Reason(
                "job",
                job.element,
                name,
                f"The job of {name} has the type {job.type}, which nobody does here",
                f"complete it with --job {_quoted(job.type + '={}')} "
                "(its result variables between the braces)",
            )
        if job.state == "BACKING_OFF" and job.deadline > self._until:
            return Reason(
                "back-off",
                job.element,
                name,
                f"The job of {name} is tried again {self._moment(job.deadline)}: {job.message}",
                "raise --timeout, or shorten the task's retry backoff",
            )
        return None

    def _timer(self, instance: ElementInstance, target: str, due: int) -> Reason:
        name = self._name(instance.process, target)
        return Reason(
            "timer",
            target,
            name,
            f"The timer {name} fires {self._moment(due)}",
            "raise --timeout to wait for it, or try the diagram with a shorter time",
        )

    def _messages(self, roots: Set[int]) -> Iterator[Reason]:
        for subscription in self._server.engine.state.subscriptions.values():
            instance = self._server.engine.state.instances.get(subscription.instance)
            if instance is not None and instance.root in roots:
                name = self._name(instance.process, subscription.target)
                yield Reason(
                    "message",
                    subscription.target,
                    name,
                    f"{name} waits for the message {subscription.name} with the correlation key "
                    f"{subscription.correlation_key}, which nobody sends here",
                    "run the diagram in `openai-connector sandbox`, and publish the message there by a "
                    "Zeebe client",
                )

    def _gateways(self, roots: Set[int]) -> Iterator[Reason]:
        for instance in self._server.engine.state.instances.values():
            if instance.root in roots:
                for gateway in instance.joins:
                    name = self._name(instance.process, gateway)
                    advice = "make sure that a token reaches it by every incoming flow"
                    yield Reason(
                        "gateway", gateway, name, f"{name} waits for its other incoming flows", advice
                    )

    def _name(self, process_key: int, element_id: str) -> str:
        process = self._server.engine.processes.get(process_key)
        element = process.elements.get(element_id) if process is not None else None
        return (
            f"'{element.name}' ({element_id})" if element is not None and element.name else f"'{element_id}'"
        )

    def _moment(self, due: int) -> str:
        local = datetime.fromtimestamp(due / 1000).astimezone()
        return (
            f"at {local:%Y-%m-%d %H:%M:%S}, in {_span(max(due - self._server.engine.clock.now(), 0) / 1000)}"
        )


def _span(seconds: float) -> str:
    """Return a time span in its largest unit."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
