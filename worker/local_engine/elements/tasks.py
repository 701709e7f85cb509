"""Tasks: jobs for workers, and scripts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from local_engine.diagram import user_tasks
from local_engine.documents import Variable
from local_engine.scopes import trouble

if TYPE_CHECKING:
    from local_engine.diagram.model import Element, JobDefinition
    from local_engine.engine import Engine
    from local_engine.expressions import Evaluator
    from local_engine.state import ElementInstance


class JobValues(NamedTuple):
    """The values that a job is created with."""

    type: str
    retries: int
    headers: str


class JobTask:
    """Creates a job, and waits for it. Message throw and end events are jobs too."""

    def prepare(
        self, engine: Engine, instance: ElementInstance, element: Element, evaluator: Evaluator
    ) -> JobValues:
        """Return type, retries and headers of the job."""
        assert element.job is not None
        with trouble():
            return JobValues(
                evaluator.text(element.job.type),
                evaluator.integer(element.job.retries),
                json.dumps(_headers(element.job, evaluator), ensure_ascii=False),
            )

    def begin(self, engine: Engine, instance: ElementInstance, element: Element, prepared: JobValues) -> None:
        """Create the job."""
        engine.jobs.create(instance, *prepared)


class ScriptTask:
    """Evaluates a FEEL expression; its result is a variable."""

    def prepare(
        self, engine: Engine, instance: ElementInstance, element: Element, evaluator: Evaluator
    ) -> Any:
        """Return the script's result as plain data."""
        assert element.script is not None
        with trouble():
            return evaluator.json(element.script.expression)

    def begin(self, engine: Engine, instance: ElementInstance, element: Element, prepared: Any) -> None:
        """Deliver the result."""
        assert element.script is not None
        engine.tokens.deliver(instance, {element.script.result_variable: Variable(None, prepared)})


def _headers(job: JobDefinition, evaluator: Evaluator) -> dict[str, str]:
    if not job.computed_headers:
        return job.headers
    headers = dict(job.headers)
    for name, expression in job.computed_headers.items():
        value = evaluator.json(expression)
        if value is not None:
            user_tasks.check(name, value, expression)
            headers[name] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return headers
