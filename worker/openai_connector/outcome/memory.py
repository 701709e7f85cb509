"""What the worker must remember about a task across activations, kept in the engine itself.

It is the reserved local variable `openai_state`: one JSON string, bound to the job's key. Zeebe keeps local
variables over failures, lease expiry and resolved incidents (measured).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

from openai_connector.contract import STATE_VARIABLE
from openai_connector.document import MAX_READ_DEPTH, parse_json
from openai_connector.job import Job

VERSION = 1
OWN_DEPTH = 2  # levels of the state around a kept answer, whose body may be as deep as can be read


BATCH: Final = "batch"
"""The kind of a call that is a line of a batch."""
RECORD: Final = "waitingCall"
"""The key of a waiting call where an answer would be: no answer has it."""


@dataclass(frozen=True, slots=True)
class WaitingCall:
    """A call whose answer is made elsewhere, and fetched by its id."""

    id: str
    since: float
    """When it was bought, in seconds since the epoch."""
    kind: str = "response"
    """What the id is one of."""
    fetched: int = 0
    """How often it was asked for."""
    watched_since: float | None = None
    """Since when it may take too long, where a person has begun that anew."""
    is_billed: bool = False
    """Its answer was fetched, and its cost counted; it may be fetched again where it could not be kept."""

    @classmethod
    def read(cls, record: Any) -> WaitingCall | None:
        """Read what `record` has written; None: it is something else."""
        match record.get(RECORD) if isinstance(record, Mapping) else None:
            case {"id": str(id_), "since": int() | float() as since, "kind": str(kind), **rest}:
                fetched, watched = rest.get("fetched"), rest.get("watchedSince")
                return cls(
                    id_,
                    since,
                    kind,
                    fetched if isinstance(fetched, int) else 0,
                    watched if isinstance(watched, int | float) else None,
                    rest.get("billed") is True,
                )
            case _:
                return None

    def record(self) -> dict[str, Any]:
        """Return what can be kept in place of an answer."""
        more: dict[str, Any] = {} if self.watched_since is None else {"watchedSince": self.watched_since}
        if self.is_billed:
            more["billed"] = True
        return {
            RECORD: {"kind": self.kind, "id": self.id, "since": self.since, "fetched": self.fetched, **more}
        }


@dataclass(frozen=True, slots=True)
class TaskMemory:
    """What is remembered about one task."""

    job_key: int
    request: str | None = None
    """The fingerprint of the request that the kept answer, or the waiting call, belongs to."""
    response: Mapping[str, Any] | None = None
    """The kept answer: status, headers and body."""
    waits: int = 0
    """How often the API asked the job to wait."""
    waited: timedelta = timedelta(0)
    names: frozenset[str] = frozenset()
    """Variables that failures of this worker left at the task; they would shadow results of these names."""
    waiting: WaitingCall | None = None
    """The call that the answer is fetched from; it stays after that, to be removed there."""
    spent: int = 0
    """Lines of batches that gave no answer that could be used: the next one has a name of its own."""
    is_written: bool = field(default=False, compare=False)
    """The engine holds a memory of this job: it is overwritten even where nothing is left to remember."""

    @classmethod
    def of(cls, job: Job) -> TaskMemory:
        """Read the memory of a job; anything that this worker did not write for this very job is ignored."""
        text = job.variables.get(STATE_VARIABLE)
        if not isinstance(text, str):
            return cls(job.key)
        try:
            return cls._read(job.key, parse_json(text, max_depth=MAX_READ_DEPTH + OWN_DEPTH))
        except (ValueError, OverflowError):
            return cls(job.key)

    @classmethod
    def _read(cls, key: int, state: Any) -> TaskMemory:
        match state:
            case {
                "version": 1,
                "jobKey": found,
                "waits": int(waits),
                "waited": int() | float() as waited,
                **rest,
            } if found == key:
                request, response, names = rest.get("request"), rest.get("response"), rest.get("names")
                spent = rest.get("spent")
                return cls(
                    key,
                    request=request if isinstance(request, str) else None,
                    response=response if isinstance(response, Mapping) else None,
                    waits=max(waits, 0),
                    waited=timedelta(seconds=max(waited, 0)),
                    names=_strings(names),
                    waiting=WaitingCall.read(rest),
                    spent=spent if isinstance(spent, int) else 0,
                    is_written=True,
                )
            case _:
                return cls(key)

    @property
    def is_paid(self) -> bool:
        """Something was bought: its answer, or where it is fetched, must not be lost."""
        return self.response is not None or self.waiting is not None

    def answer_to(self, request: str) -> Mapping[str, Any] | None:
        """Return the kept answer if it belongs to this request."""
        return self.response if self.request == request else None

    def waiting_for(self, request: str) -> WaitingCall | None:
        """Return the waiting call if it belongs to this request."""
        return self.waiting if self.request == request else None

    def with_names(self, names: Iterable[str]) -> TaskMemory:
        """Remember variables that a failure leaves at the task."""
        return replace(self, names=self.names.union(names))

    def with_answer(self, request: str, response: Mapping[str, Any]) -> TaskMemory:
        """Keep a paid answer."""
        waiting = self.waiting_for(request)
        return replace(self, request=request, response=response, waiting=waiting)

    def with_waiting(self, request: str, waiting: WaitingCall) -> TaskMemory:
        """Keep the id of a call that is paid for."""
        return replace(self, request=request, response=None, waiting=waiting)

    def with_wait(self, wait: timedelta) -> TaskMemory:
        """Count one more wait."""
        return replace(self, waits=self.waits + 1, waited=self.waited + wait)

    def held(self, wait: timedelta) -> TaskMemory:
        """Count the time for which the job is held back; the API was not asked."""
        return replace(self, waited=self.waited + wait)

    def rested(self) -> TaskMemory:
        """Begin to count the time anew: a person who retries the incident gives the job all of it."""
        return replace(self, waited=timedelta(0))

    def without_answer(self) -> TaskMemory:
        """Forget the kept answer, and where it came from: the next activation is to call again."""
        if self.request is None and self.response is None:
            return self
        is_line = self.waiting is not None and self.waiting.kind == BATCH
        return replace(self, request=None, response=None, waiting=None, spent=self.spent + is_line)

    def without_text(self) -> TaskMemory:
        """Forget the answer where it is too large to be kept here; one that waited is fetched again."""
        return self.without_answer() if self.waiting is None else replace(self, response=None)

    def variables(self) -> dict[str, str]:
        """Return the memory as a variable; empty when there is nothing to remember."""
        if self == TaskMemory(self.job_key) and not self.is_written:
            return {}
        state = {
            "version": VERSION,
            "jobKey": self.job_key,
            "request": self.request,
            "response": self.response,
            "waits": self.waits,
            "waited": self.waited.total_seconds(),
            "names": sorted(self.names),
            **({} if self.waiting is None else self.waiting.record()),
            **({"spent": self.spent} if self.spent else {}),
        }
        return {STATE_VARIABLE: json.dumps(state, ensure_ascii=False, separators=(",", ":"))}


def _strings(values: Any) -> frozenset[str]:
    given = values if isinstance(values, list) else []
    return frozenset(value for value in given if isinstance(value, str))
