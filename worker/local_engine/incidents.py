"""Incidents: an element cannot go on until somebody removes the cause and resolves the incident."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_engine.errors import Rejection
from local_engine.jobs import LONGEST_MESSAGE
from local_engine.state import ElementInstance, Incident, Job

if TYPE_CHECKING:
    from local_engine.engine import Engine


class Incidents:
    """Creates and resolves incidents."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(
        self, instance: ElementInstance, step: str, type: str, message: str, job: Job | None = None
    ) -> None:
        """Raise an incident at an element instance: for a step that failed, or for its job."""
        state = self._engine.state
        incident = state.add(
            Incident(
                state.next_key(),
                instance=instance.key,
                job=job.key if job is not None else 0,
                step=step,
                type=type,
                message=message[:LONGEST_MESSAGE],
                created=self._engine.clock.now(),
            )
        )
        instance.incidents[incident.key] = None
        self._engine.records.of_incident(incident, instance, "CREATED")

    def resolve(self, key: int) -> None:
        """Resolve an incident: its job is offered again, or the step that failed is tried again.

        Raises:
            Rejection: NOT_FOUND, or FAILED_PRECONDITION while the job has no retries.
        """
        incident = self._engine.state.incidents.get(key)
        expected = f"Expected to resolve incident with key '{key}'"
        if incident is None:
            raise Rejection(
                "NOT_FOUND",
                f"Command 'RESOLVE' rejected with code 'NOT_FOUND': {expected}, but no such incident was "
                "found",
            )
        job = self._engine.state.jobs.get(incident.job)
        if job is not None and job.retries <= 0:
            raise Rejection(
                "FAILED_PRECONDITION",
                f"Command 'RESOLVE' rejected with code 'INVALID_STATE': {expected}, but its job '{job.key}' "
                "has no retries left: update its retries first",
            )
        self.remove(incident)
        if job is not None:
            self._engine.jobs.revive(job)
        else:
            self._engine.push(incident.step, incident.instance)

    def remove(self, incident: Incident) -> None:
        """Remove an incident: it is resolved, or its element is terminated."""
        instance = self._engine.state.instances[incident.instance]
        instance.incidents.pop(incident.key, None)
        self._engine.state.remove(incident)
        self._engine.records.of_incident(incident, instance, "RESOLVED")
