"""Jobs: they are created, leased to workers, completed, failed, thrown or timed out."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from local_engine.documents import Document, dump_object
from local_engine.errors import Rejection
from local_engine.scopes import check_size
from local_engine.state import ACTIVATABLE, ACTIVATED, BACKING_OFF, ERROR_THROWN, FAILED, ElementInstance, Job

if TYPE_CHECKING:
    from local_engine.engine import Engine

LONGEST_MESSAGE: Final = 10_000
"""Characters of an error message that are kept."""
LARGEST_ANSWER: Final = 4 * 1024 * 1024 - 8192
"""Bytes of the jobs in one answer."""
ENVELOPE: Final = 500
"""Bytes of a job in an answer in addition to its variables and headers, at most."""

_VERBS: Final = {
    "COMPLETE": "complete",
    "FAIL": "fail",
    "THROW_ERROR": "throw an error for",
    "UPDATE_RETRIES": "update retries for",
    "UPDATE_TIMEOUT": "update the timeout of",
}


class Jobs:
    """The life of jobs, from their creation to their end."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._queues: dict[
            str, list[int]
        ] = {}  # by type, a heap of keys; who is gone is noticed when it comes up
        self.on_available: Callable[[str], None] = lambda _type: None
        """Called with the type of each job that can be activated from now on."""

    def load(self) -> None:
        """Queue what the state has."""
        for job in self._engine.state.jobs.values():
            if job.state == ACTIVATABLE:
                self._queue(job)
            elif job.deadline:
                self._engine.due.add(job.deadline, Job.KIND, job.key)

    def create(self, instance: ElementInstance, type: str, retries: int, headers: str) -> None:
        """Create the job of an element instance."""
        state = self._engine.state
        job = state.add(
            Job(
                state.next_key(),
                type=type,
                instance=instance.key,
                element=instance.element,
                process=instance.process,
                root=instance.root,
                headers=headers,
                retries=retries,
            )
        )
        instance.job = job.key
        self._engine.records.of_job(job, "CREATED")
        self._offer(job)

    def cancel(self, job: Job) -> None:
        """End a job whose element is terminated."""
        if job.state != ERROR_THROWN:
            self._engine.records.of_job(job, "CANCELED")
        self._engine.state.remove(job)

    # What workers do

    def available(self, type: str) -> bool:
        """Check whether a job of this type can be activated."""
        queue = self._queues.get(type)
        while queue:
            job = self._engine.state.jobs.get(queue[0])
            if job is not None and job.state == ACTIVATABLE:
                return True
            heapq.heappop(queue)
        self._queues.pop(type, None)
        return False

    def activate(
        self, type: str, worker: str, lease: int, maximum: int, fetch: Sequence[str] = ()
    ) -> list[tuple[Job, str]]:
        """Lease jobs to a worker, the oldest first.

        Args:
            type: of the jobs.
            worker: name of the worker.
            lease: in milliseconds.
            maximum: how many jobs at most; fewer where the answer would grow too large.
            fetch: names of the variables that are wanted; none means all.

        Returns:
            The jobs, each with the JSON text of its variables.
        """
        taken: list[tuple[Job, str]] = []
        room = LARGEST_ANSWER
        while len(taken) < maximum and self.available(type):
            job = self._engine.state.jobs[self._queues[type][0]]
            text = self._variables(job, fetch)
            size = len(text.encode()) + len(job.headers.encode()) + ENVELOPE
            if size > room and taken:
                break
            heapq.heappop(self._queues[type])
            if size > LARGEST_ANSWER:
                self._too_large(job)
                continue
            room -= size
            self._lease(job, worker, lease)
            taken.append((job, text))
        return taken

    def _variables(self, job: Job, fetch: Sequence[str]) -> str:
        visible = self._engine.scopes.visible(self._engine.state.instances[job.instance])
        if fetch:
            visible = {name: visible[name] for name in fetch if name in visible}
        return dump_object(visible)

    def _lease(self, job: Job, worker: str, lease: int) -> None:
        job.state, job.worker = ACTIVATED, worker
        job.deadline = self._engine.clock.after(lease)
        self._engine.state.touch(job)
        self._engine.due.add(job.deadline, Job.KIND, job.key)

    def _too_large(self, job: Job) -> None:
        job.state = FAILED
        self._engine.state.touch(job)
        message = (
            f"The job with key '{job.key}' can not be activated, because with its variables it is larger "
            "than "
            "the configured message size (4 MB). Reduce the number of fetched variables, or make them "
            "smaller."
        )
        instance = self._engine.state.instances[job.instance]
        self._engine.incidents.create(instance, "", "MESSAGE_SIZE_EXCEEDED", message, job)

    def give_back(self, key: int, deadline: int) -> None:
        """Offer a job again that did not reach its worker; do nothing if the job has another lease by now."""
        job = self._engine.state.jobs.get(key)
        if job is not None and job.state == ACTIVATED and job.deadline == deadline:
            self._engine.records.of_job(job, "FAILED")
            self._offer(job)

    def complete(self, key: int, variables: Document) -> None:
        """Complete a job, even after its lease has ended, if nobody else has finished the job.

        Raises:
            Rejection: NOT_FOUND, FAILED_PRECONDITION, or UNKNOWN for variables that are too large.
        """
        job = self._job(key, "COMPLETE", ACTIVATABLE, ACTIVATED)
        check_size(variables, "COMPLETE")
        self._engine.records.of_job(job, "COMPLETED")
        self._engine.state.remove(job)
        instance = self._engine.state.instances[job.instance]
        instance.job = 0
        self._engine.tokens.deliver(instance, variables)

    def fail(self, key: int, retries: int, message: str, back_off: int, variables: Document) -> None:
        """Fail a job: offer it again after the back-off (milliseconds); without retries raise an incident.

        The variables become local to the job's element.

        Raises:
            Rejection: as `complete`.
        """
        job = self._job(key, "FAIL", ACTIVATABLE, ACTIVATED)
        check_size(variables, "FAIL")
        instance = self._engine.state.instances[job.instance]
        job.retries, job.message = max(retries, 0), message[:LONGEST_MESSAGE]
        job.deadline = 0
        self._engine.records.of_job(job, "FAILED")
        self._engine.state.touch(job)
        self._engine.scopes.set_local(instance, variables)
        if job.retries == 0:
            job.state = FAILED
            message = job.message or "No more retries left."
            self._engine.incidents.create(instance, "", "JOB_NO_RETRIES", message, job)
        elif back_off > 0:
            job.state, job.deadline = BACKING_OFF, self._engine.clock.after(back_off)
            self._engine.due.add(job.deadline, Job.KIND, job.key)
        else:
            self._offer(job)

    def throw_error(self, key: int, code: str, message: str, variables: Document) -> None:
        """Throw a BPMN error at a job's element; an error that is not caught is an incident.

        Raises:
            Rejection: as `complete`.
        """
        job = self._job(key, "THROW_ERROR", ACTIVATABLE, ACTIVATED)
        check_size(variables, "THROW_ERROR")
        instance = self._engine.state.instances[job.instance]
        job.error_code, job.message = code, message[:LONGEST_MESSAGE]
        job.state, job.deadline = ERROR_THROWN, 0
        self._engine.records.of_job(job, "ERROR_THROWN")
        self._engine.state.touch(job)
        if not self._engine.events.throw_error(instance, code, variables):
            text = f"Expected to throw an error event with the code '{code}'"
            text += (
                f" with message '{job.message}', but it was not caught."
                if message
                else ", but it was not caught."
            )
            self._engine.incidents.create(instance, "", "UNHANDLED_ERROR_EVENT", text, job)

    def update_retries(self, key: int, retries: int) -> None:
        """Set a job's retries; an incident still has to be resolved.

        Raises:
            Rejection: NOT_FOUND, or INVALID_ARGUMENT.
        """
        if retries < 1:
            raise Rejection(
                "INVALID_ARGUMENT",
                "Command 'UPDATE_RETRIES' rejected with code 'INVALID_ARGUMENT': Expected to update retries "
                "for job "
                f"with key '{key}' with a positive amount of retries, but the amount given was '{retries}'",
            )
        job = self._job(key, "UPDATE_RETRIES")
        job.retries = retries
        self._engine.records.of_job(job, "RETRIES_UPDATED")
        self._engine.state.touch(job)

    def update_timeout(self, key: int, timeout: int) -> None:
        """Set a job's lease to end that many milliseconds from now.

        Raises:
            Rejection: NOT_FOUND, FAILED_PRECONDITION for a job that nobody works on, or INVALID_ARGUMENT.
        """
        if timeout < 1:
            raise Rejection(
                "INVALID_ARGUMENT",
                "Command 'UPDATE_TIMEOUT' rejected with code 'INVALID_ARGUMENT': Expected a timeout above "
                f"zero for the job with key '{key}', but it was '{timeout}'",
            )
        job = self._job(key, "UPDATE_TIMEOUT", ACTIVATED)
        job.deadline = self._engine.clock.after(timeout)
        self._engine.state.touch(job)
        self._engine.due.add(job.deadline, Job.KIND, job.key)
        self._engine.records.of_job(job, "TIMEOUT_UPDATED")

    def is_current(self, key: int, due: int) -> bool:
        """Check whether a job still waits for this moment."""
        job = self._engine.state.jobs.get(key)
        return job is not None and job.deadline == due

    def fall_due(self, key: int) -> None:
        """Offer a job whose lease or back-off is over."""
        job = self._engine.state.jobs[key]
        over = "TIMED_OUT" if job.state == ACTIVATED else "RECURRED_AFTER_BACKOFF"
        self._engine.records.of_job(job, over)
        self._offer(job)

    def revive(self, job: Job) -> None:
        """Offer a job whose incident is resolved."""
        self._offer(job)

    def _offer(self, job: Job) -> None:
        job.state, job.deadline, job.worker = ACTIVATABLE, 0, ""
        self._engine.state.touch(job)
        self._queue(job)
        self.on_available(job.type)

    def _queue(self, job: Job) -> None:
        heapq.heappush(self._queues.setdefault(job.type, []), job.key)

    def _job(self, key: int, command: str, *states: str) -> Job:
        job = self._engine.state.jobs.get(key)
        expected = f"Expected to {_VERBS[command]} job with key '{key}'"
        if job is None:
            raise Rejection(
                "NOT_FOUND",
                f"Command '{command}' rejected with code 'NOT_FOUND': {expected}, but no such job was found",
            )
        if states and job.state not in states:
            state = FAILED if job.state == BACKING_OFF else job.state
            raise Rejection(
                "FAILED_PRECONDITION",
                f"Command '{command}' rejected with code 'INVALID_STATE': {expected}, but it is in state "
                f"'{state}'",
            )
        return job
