"""What the worker must remember about a task across activations, kept in the engine itself.

It is the reserved local variable `openai_state`: one JSON string, bound to the job's key. Zeebe keeps local
variables over failures, lease expiry and resolved incidents (measured).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from openai_connector.contract import STATE_VARIABLE
from openai_connector.document import MAX_READ_DEPTH, parse_json
from openai_connector.job import Job

VERSION = 1
OWN_DEPTH = 2  # levels of the state around a kept answer, whose body may be as deep as can be read


@dataclass(frozen=True, slots=True)
class TaskMemory:
    """What is remembered about one task."""

    job_key: int
    request: str | None = None
    """The fingerprint of the request that the kept answer belongs to."""
    response: Mapping[str, Any] | None = None
    """The kept answer: status, headers and body."""
    waits: int = 0
    """How often the API asked the job to wait."""
    waited: timedelta = timedelta(0)
    names: frozenset[str] = frozenset()
    """Variables that failures of this worker left at the task; they would shadow results of these names."""

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
                return cls(
                    key,
                    request=request if isinstance(request, str) else None,
                    response=response if isinstance(response, Mapping) else None,
                    waits=max(waits, 0),
                    waited=timedelta(seconds=max(waited, 0)),
                    names=_strings(names),
                )
            case _:
                return cls(key)

    def answer_to(self, request: str) -> Mapping[str, Any] | None:
        """Return the kept answer if it belongs to this request."""
        return self.response if self.request == request else None

    def with_names(self, names: Iterable[str]) -> TaskMemory:
        """Remember variables that a failure leaves at the task."""
        return replace(self, names=self.names.union(names))

    def with_answer(self, request: str, response: Mapping[str, Any]) -> TaskMemory:
        """Keep a paid answer."""
        return replace(self, request=request, response=response)

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
        """Forget the kept answer: the next activation is to call again."""
        return self if self.request is None is self.response else replace(self, request=None, response=None)

    def variables(self) -> dict[str, str]:
        """Return the memory as a variable; empty when there is nothing to remember."""
        if self == TaskMemory(self.job_key):
            return {}
        state = {
            "version": VERSION,
            "jobKey": self.job_key,
            "request": self.request,
            "response": self.response,
            "waits": self.waits,
            "waited": self.waited.total_seconds(),
            "names": sorted(self.names),
        }
        return {STATE_VARIABLE: json.dumps(state, ensure_ascii=False, separators=(",", ":"))}


def _strings(values: Any) -> frozenset[str]:
    given = values if isinstance(values, list) else []
    return frozenset(value for value in given if isinstance(value, str))
